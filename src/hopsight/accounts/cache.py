"""Principals found before, until rights change."""

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_CACHED: Final = 20_000


class RevisionCache(Generic[K, V]):
    """A bounded map that is valid for one revision. Only what was found is kept: guesses cannot fill it."""

    def __init__(self, most: int = MAX_CACHED) -> None:
        self._most = most
        self._revision = -1
        self._found: dict[K, V] = {}

    def get(self, key: K, revision: int) -> V | None:
        """What was found under ``key`` at this ``revision``."""
        if revision != self._revision:
            self._found.clear()
            self._revision = revision
            return None
        return self._found.get(key)

    def put(self, key: K, value: V) -> None:
        """Keep what was just looked up, at the revision that the last ``get`` named."""
        if len(self._found) >= self._most:
            # The oldest goes: dictionaries keep the order of insertion.
            del self._found[next(iter(self._found))]
        self._found[key] = value
