"""The compatible API: what its dialects share."""
