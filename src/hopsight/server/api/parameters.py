"""Query parameters as they were sent.

A parameter that a resource does not know is ignored, whatever it looks like. One that it knows may come
twice only with the same value: choosing for the client would answer a question that it did not ask.
"""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from hopsight.errors import InvalidValueError

_BAD_PERCENT: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class Parameters:
    """Names and values of a query string, decoded when asked for."""

    def __init__(self, query: bytes) -> None:
        self._pairs = [pair for pair in query.split(b"&") if pair] if query else []
        self._values: dict[bytes, set[bytes]] = {}
        for pair in self._pairs:
            key, _, value = pair.partition(b"=")
            self._values.setdefault(_name(key), set()).add(value)

    def one(self, name: str) -> str | None:
        """The value of a parameter; None when absent.

        Raises:
            InvalidValueError: it is not percent-encoded UTF-8, or comes with two different values.
        """
        found = self._values.get(name.encode())
        if found is None:
            return None
        if len(found) > 1:
            values = b", ".join(sorted(found)).decode("utf-8", "replace")
            raise InvalidValueError(f"parameter {name}", values, "one value; it was given with several")
        return _decoded(name, next(iter(found)))

    def all(self, name: str) -> list[str]:
        """All values of a parameter that may come several times, each once.

        Raises:
            InvalidValueError: one is not percent-encoded UTF-8.
        """
        found = [
            value
            for key, _, value in (pair.partition(b"=") for pair in self._pairs)
            if _name(key) == name.encode()
        ]
        return list(dict.fromkeys(_decoded(name, raw) for raw in found))

    def without(self, names: frozenset[str]) -> list[bytes]:
        """The ``name=value`` pairs as they came, except these names: for links."""
        dropped = {name.encode() for name in names}
        return [pair for pair in self._pairs if _name(pair.partition(b"=")[0]) not in dropped]


def _name(key: bytes) -> bytes:
    return unquote_to_bytes(key) if b"%" in key else key


def _decoded(name: str, raw: bytes) -> str:
    if _BAD_PERCENT.search(raw):
        raise InvalidValueError(f"parameter {name}", raw.decode("latin-1"), "% followed by two hex digits")
    try:
        return unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise InvalidValueError(f"parameter {name}", raw.decode("latin-1"), "UTF-8") from None
