"""Version 6: one file a resource, each with thin handlers: parse, ask, render."""

from typing import Any, Final

HANDLERS: Final[list[Any]] = []
