"""The one door to time. Nobody else reads a clock or sleeps."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What the programs ask of time."""

    def now(self) -> float:
        """Wall-clock time, seconds since the epoch (UTC)."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back and stand still while the machine sleeps."""
        ...

    def boottime(self) -> float:
        """Seconds that never go back and go on while the machine sleeps."""
        ...

    async def sleep(self, duration_s: float) -> None:
        """Wait for ``duration_s`` seconds."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> float:
        """Wall-clock time, seconds since the epoch (UTC)."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def boottime(self) -> float:
        """Seconds since boot, sleep included where the system tells (else monotonic)."""
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.monotonic()

    async def sleep(self, duration_s: float) -> None:
        """Wait for ``duration_s`` seconds."""
        await asyncio.sleep(duration_s)
