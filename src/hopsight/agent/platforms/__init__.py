"""macOS and Windows: the same facts from other doors. Written where it is known how; not run on hardware."""
