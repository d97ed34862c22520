"""One file for each version of the tables, named after what came with it."""
