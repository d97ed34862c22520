"""Pages for people: what this is, the last round as a table, and the readable documentation."""

from typing import Any, Final

HANDLERS: Final[list[Any]] = []
