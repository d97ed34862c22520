"""What a record of each kind must be to be taken: one file a kind, one row of ``table.CHECKS``."""
