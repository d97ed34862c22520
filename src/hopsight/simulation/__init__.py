"""A made-up fleet with a past, for demonstrations, benchmarks and tests; it says that it is simulated."""
