"""How much one asker may have: requests of an organization, refusals to an address (API.md section 1).

Both are fixed windows of a minute that open with the first event.
"""

import math
from collections import OrderedDict
from typing import Final, Protocol

from msgspec import Struct

from hopsight.clock import Clock

WINDOW_S: Final = 60
REFUSALS: Final = 100
"""401 answers to one address within a minute, after which it is told to wait."""
ACCOUNT_REFUSALS: Final = 10
"""Wrong passwords of one account within a minute, after which none is looked at."""
MAX_ADDRESSES: Final = 10_000
"""Addresses remembered; beyond it the one whose minute began first is forgotten."""


class Allowance(Struct, frozen=True):
    """What is left to an organization, this request counted.

    Args:
        limit: requests a window.
        remaining: how many of them are left.
        reset_s: epoch second at which the window is over, at most a minute ahead.
        retry_after_s: whole seconds until then, at least 1.
        exceeded: this request is one too many.
    """

    limit: int
    remaining: int
    reset_s: int
    retry_after_s: int
    exceeded: bool


class Limits(Protocol):
    """Counters of one server, or of several together. Counting may take a moment, but never fails."""

    async def count_request(self, org_id: int) -> Allowance:
        """Count one request of an organization, and say what is left."""
        ...

    async def count_refusal(self, address: str) -> int:
        """Count one 401 answer to an address (or a wrong password of whatever is named); how many by now."""
        ...

    def locked_out_s(self, address: str, refusals: int = REFUSALS) -> int:
        """Whole seconds that an address still has to wait after so many refusals; 0: none.

        Asked before every request that shows credentials, so it is answered from memory.
        """
        ...


class _Window(Struct):
    ends_s: float
    reset_s: int
    count: int


class MemoryLimits:
    """Counters of one server; in memory, so a restart forgives.

    Args:
        clock: the time.
        requests_per_minute: what each organization has.
        max_addresses: how many of those who were refused are remembered.
        window_s: how long a minute is, for tests with a clock that nobody can move.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        requests_per_minute: int,
        max_addresses: int = MAX_ADDRESSES,
        window_s: int = WINDOW_S,
    ) -> None:
        self._clock = clock
        self._window_s = window_s
        self._limit = requests_per_minute
        self._max_addresses = max_addresses
        self._organizations: dict[int, _Window] = {}
        self._addresses: OrderedDict[str, _Window] = OrderedDict()

    async def count_request(self, org_id: int) -> Allowance:
        """Count one request of an organization, and say what is left."""
        window = self._organizations.get(org_id)
        now_s = self._clock.monotonic()
        if window is None or now_s >= window.ends_s:
            window = self._organizations[org_id] = self._open(now_s)
        exceeded = window.count >= self._limit
        if not exceeded:
            window.count += 1
        return self._allowance(window, now_s, exceeded=exceeded)

    def adopt_requests(self, org_id: int, count: int, left_s: float, reset_s: int) -> Allowance:
        """Go on from what was counted elsewhere, the request that is asked about counted."""
        now_s = self._clock.monotonic()
        window = _Window(now_s + left_s, reset_s, min(count, self._limit))
        self._organizations[org_id] = window
        return self._allowance(window, now_s, exceeded=count > self._limit)

    async def count_refusal(self, address: str) -> int:
        """Count one 401 answer to an address (or a wrong password of whatever is named); how many by now."""
        now_s = self._clock.monotonic()
        window = self._addresses.get(address)
        if window is None or now_s >= window.ends_s:
            self._addresses.pop(address, None)
            self._make_room(now_s)
            window = self._addresses[address] = self._open(now_s)
        window.count += 1
        return window.count

    def adopt_refusals(self, address: str, count: int, left_s: float) -> None:
        """Go on from what was counted elsewhere, unless more was counted here."""
        now_s = self._clock.monotonic()
        window = self._addresses.get(address)
        if window is not None and now_s < window.ends_s and window.count > count:
            return
        self._addresses.pop(address, None)
        self._make_room(now_s)
        self._addresses[address] = _Window(now_s + left_s, 0, count)

    def locked_out_s(self, address: str, refusals: int = REFUSALS) -> int:
        """Whole seconds that an address still has to wait after so many refusals; 0: none."""
        window = self._addresses.get(address)
        if window is None or window.count < refusals:
            return 0
        left_s = window.ends_s - self._clock.monotonic()
        return _whole(left_s) if left_s > 0 else 0

    def _allowance(self, window: _Window, now_s: float, *, exceeded: bool) -> Allowance:
        # The wall clock may have been set since the window opened: never send a client to sleep for long.
        reset_s = min(window.reset_s, int(self._clock.now()) + self._window_s)
        left = self._limit - window.count
        return Allowance(self._limit, left, reset_s, _whole(window.ends_s - now_s), exceeded)

    def _open(self, now_s: float) -> _Window:
        # It ends on a whole second of the wall clock, so that who sleeps until `reset_s` is let in.
        wall_s = self._clock.now()
        reset_s = math.floor(wall_s) + self._window_s
        return _Window(now_s + reset_s - wall_s, reset_s, 0)

    def _make_room(self, now_s: float) -> None:
        # Windows are in order of opening, so those that are over come first.
        while self._addresses:
            oldest = next(iter(self._addresses.values()))
            if now_s < oldest.ends_s and len(self._addresses) < self._max_addresses:
                return
            self._addresses.popitem(last=False)


def _whole(duration_s: float) -> int:
    return max(1, math.ceil(duration_s))
