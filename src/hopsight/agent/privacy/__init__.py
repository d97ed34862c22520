"""What does not leave this machine."""
