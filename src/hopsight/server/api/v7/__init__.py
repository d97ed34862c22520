"""Version 7 of the compatible API: the same data for clients of today."""
