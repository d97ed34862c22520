"""Pages on which administrators keep agents, targets, users and privacy in order."""
