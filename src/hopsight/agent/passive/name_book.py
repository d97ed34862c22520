"""Names that addresses were found by: from name servers' answers, and from what the agent resolved itself."""

from collections.abc import Iterable
from typing import Final

from hopsight.clock import Clock

_MAX_ADDRESSES: Final = 4_096
_MAX_NAMES: Final = 4
_MAX_AGE_S: Final = 6 * 3_600.0


class NameBook:
    """The last few names of each address, newest first; bounded, and old ones are not believed.

    Args:
        clock: tells the age of an entry.
        limit: most addresses; those not heard of for longest are let go.
    """

    def __init__(self, clock: Clock, limit: int = _MAX_ADDRESSES) -> None:
        self._clock = clock
        self._limit = limit
        self._entries: dict[str, tuple[float, tuple[str, ...]]] = {}

    def note(self, name: str, addresses: Iterable[str]) -> None:
        """Remember that ``name`` led to ``addresses``, just now."""
        now_s = self._clock.boottime()
        for address in addresses:
            _, names = self._entries.pop(address, (0.0, ()))
            others = tuple(other for other in names if other != name)
            self._entries[address] = (now_s, (name, *others)[:_MAX_NAMES])
        while len(self._entries) > self._limit:
            del self._entries[next(iter(self._entries))]

    def names_of(self, address: str) -> tuple[str, ...]:
        """All that are known, newest first."""
        entry = self._entries.get(address)
        if entry is None or self._clock.boottime() - entry[0] > _MAX_AGE_S:
            return ()
        return entry[1]

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
