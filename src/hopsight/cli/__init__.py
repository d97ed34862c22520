"""The command line: thin. Each command parses, calls and prints; it imports what it needs when it runs."""
