"""When probes go out: evenly, and those of many targets spread over the interval rather than in bursts.

And whether the time that passed was a measuring time at all: a machine may sleep, a clock be set.
"""

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

from msgspec import Struct

from hopsight.clock import Clock

_APART_S: Final = 0.5
"""Clocks are read one after the other: a busy machine may put some time between."""
_GOLDEN_RATIO: Final = 0.6180339887498949
_SLOT_SHARE: Final = 1 / 20
_MAX_SLOT_S: Final = 0.05
"""Waking up costs more than sending does: series that are due at about the same time share it."""


class Spread:
    """Gives each of the series under way its place within the interval.

    Multiples of the golden ratio stay far apart however many there are, and nobody need know how many.
    """

    def __init__(self) -> None:
        self._next = 0
        self._under_way = 0

    @contextmanager
    def place(self, interval_s: float) -> Iterator[float]:
        """Seconds to wait before the first probe; a series that runs alone starts at once."""
        if self._under_way == 0:
            self._next = 0
        phase_s = self._next * _GOLDEN_RATIO % 1 * interval_s
        self._next += 1
        self._under_way += 1
        try:
            yield phase_s
        finally:
            self._under_way -= 1


async def paced(clock: Clock, count: int, interval_s: float, phase_s: float) -> AsyncIterator[int]:
    """Yield 0, 1, ... at the times to send at; after a delay it goes on from there, without a burst."""
    due_s = clock.monotonic() + phase_s
    if phase_s > 0:
        slot_s = min(_MAX_SLOT_S, interval_s * _SLOT_SHARE)
        due_s = math.ceil(due_s / slot_s) * slot_s
    for number in range(count):
        wait_s = due_s - clock.monotonic()
        if wait_s > 0:
            await clock.sleep(wait_s)
        yield number
        due_s = max(due_s + interval_s, clock.monotonic())


class ClockReading(Struct, frozen=True):
    """The three clocks at one moment, in seconds."""

    wall_s: float
    monotonic_s: float
    boottime_s: float

    @classmethod
    def of(cls, clock: Clock) -> "ClockReading":
        """Read them."""
        return cls(clock.now(), clock.monotonic(), clock.boottime())

    def slept_until(self, later: "ClockReading") -> bool:
        """Whether the machine slept in between: boot time goes on then, monotonic time does not."""
        slept_s = (later.boottime_s - self.boottime_s) - (later.monotonic_s - self.monotonic_s)
        return slept_s > _APART_S

    def stepped_until(self, later: "ClockReading") -> bool:
        """Whether the wall clock was set in between."""
        return abs((later.wall_s - self.wall_s) - (later.boottime_s - self.boottime_s)) > _APART_S
