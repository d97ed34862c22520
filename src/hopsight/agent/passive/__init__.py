"""Sessions from real traffic, without a probe: what the kernel says of TCP connections as they close."""
