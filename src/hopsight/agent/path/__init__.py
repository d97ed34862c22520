"""What path traces are made of, and what their hops are called."""
