"""The way of a session, measured in its window."""
