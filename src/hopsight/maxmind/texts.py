"""Texts out of records of such files: anything may be in them, and documents take only what can be shown."""

import re
from collections.abc import Iterable
from typing import Any, Final

from hopsight.model.agents import PRINTABLE

MAX_CHARS: Final = 255
_PRINTABLE: Final = re.compile(PRINTABLE)


def first_text(record: Any, keys: Iterable[str]) -> str | None:
    """The first of these keys that holds a text that documents can carry."""
    if not isinstance(record, dict):
        return None
    return next((text for key in keys if (text := clean_text(record.get(key))) is not None), None)


def clean_text(value: Any) -> str | None:
    """A text without the white space around it; None: it is none, or cannot be shown."""
    text = value.strip() if isinstance(value, str) else ""
    return text if 0 < len(text) <= MAX_CHARS and _PRINTABLE.match(text) else None
