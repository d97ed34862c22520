"""CPU and memory over a window: once a second, by psutil (MEASUREMENT.md, ``cpuUtilization``)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from msgspec import Struct, structs

from hopsight.clock import Clock
from hopsight.model.system import BytesSummary, FractionSummary, SystemMetrics, summarize

_SHARED_FOR_S: Final = 0.05
"""Windows that overlap share a reading this fresh: a hundred targets cost the endpoint what one does."""


class SystemReading(Struct, frozen=True, kw_only=True):
    """The machine at one moment.

    Args:
        taken_s: monotonic seconds.
        busy_s: time that all processors together were busy, since boot.
        total_s: the same with idle time.
        used_bytes: total minus available memory.
        memory_bytes: physical memory.
    """

    taken_s: float
    busy_s: float
    total_s: float
    used_bytes: int
    memory_bytes: int


class SystemSampler:
    """Samples for any number of windows at the same time. One per process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: SystemReading | None = None

    async def sample(self, window_s: float) -> SystemMetrics:
        """Sample for ``window_s``: n+1 readings, as near to 1 s apart as divides the window evenly."""
        count = max(1, round(window_s))
        started_s, started_wall_s = self._clock.monotonic(), self._clock.now()
        readings = [self._reading()]
        for number in range(1, count + 1):
            due_s = started_s + window_s * number / count
            await self._clock.sleep(max(0.0, due_s - self._clock.monotonic()))
            readings.append(self._reading())
        elapsed_s = self._clock.monotonic() - started_s
        return system_metrics(readings, started_wall_s, started_wall_s + elapsed_s)

    def _reading(self) -> SystemReading:
        now_s = self._clock.monotonic()
        if self._last is None or now_s - self._last.taken_s > _SHARED_FOR_S:
            self._last = read_system(now_s)
        return self._last


def read_system(now_s: float) -> SystemReading:
    """Read the machine's counters."""
    import psutil  # noqa: PLC0415 - an agent that is disabled, and every other command, does without

    times: Any = psutil.cpu_times()
    # Linux counts guests' time under user and nice as well.
    total_s = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    idle_s = times.idle + getattr(times, "iowait", 0.0)
    memory = psutil.virtual_memory()
    return SystemReading(
        taken_s=now_s,
        busy_s=total_s - idle_s,
        total_s=total_s,
        used_bytes=memory.total - memory.available,
        memory_bytes=memory.total,
    )


def system_metrics(readings: Sequence[SystemReading], start_s: float, end_s: float) -> SystemMetrics:
    """The API's ``systemMetrics`` of the readings of one window (epoch seconds)."""
    shares = [
        min(1.0, max(0.0, (after.busy_s - before.busy_s) / (after.total_s - before.total_s)))
        for before, after in pairwise(readings)
        if after.total_s > before.total_s
    ]
    cpu = summarize(shares)
    memory = summarize([float(reading.used_bytes) for reading in readings])
    return SystemMetrics(
        start_time_ms=int(start_s * 1000),
        end_time_ms=int(end_s * 1000),
        cpu_utilization=FractionSummary(**structs.asdict(cpu)) if cpu is not None else None,
        physical_memory_used_bytes=BytesSummary(**structs.asdict(memory)) if memory is not None else None,
        physical_memory_total_bytes=readings[-1].memory_bytes if readings else None,
    )
