"""The ways of measuring, one file each."""
