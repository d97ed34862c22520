"""One page of a target, fetched for real and timed phase by phase, and the archive made of it."""
