"""Organizations, account groups, users, tokens, and agents with their keys."""
