"""Version 6: one file a resource, each with thin handlers: parse, ask, render."""
