"""Why there is a gap."""
