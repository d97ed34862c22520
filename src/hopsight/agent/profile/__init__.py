"""Where this machine is attached."""
