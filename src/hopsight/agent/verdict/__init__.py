"""The verdict: the first segment at fault, from numbers alone."""
