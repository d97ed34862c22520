"""The server: takes records in, answers questions about them."""
