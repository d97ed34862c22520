"""Servers' ends of one Redis, for tests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from msgspec import Struct
from prometheus_client import CollectorRegistry
from tests.redis_server import RedisServer

from hopsight.clock import SystemClock
from hopsight.server.limits import WINDOW_S, MemoryLimits
from hopsight.server.shared.address import parse
from hopsight.server.shared.limits import REFUSED, SharedLimits
from hopsight.server.shared.link import Link
from hopsight.server.shared_metrics import SharedMetrics

PATIENCE_S = 10.0


class End(Struct, frozen=True, kw_only=True):
    """What one server has of it."""

    link: Link
    limits: SharedLimits
    registry: CollectorRegistry

    def metric(self, name: str) -> float | None:
        """The value of one of its metrics."""
        return self.registry.get_sample_value(name)

    @property
    def is_up(self) -> bool:
        """Whether it counts together with others."""
        return self.metric("hopsight_shared_up") == 1


def new_end(url: str, *, requests_per_minute: int = 3, window_s: int = WINDOW_S) -> End:
    """One that is not connected yet."""
    clock, registry = SystemClock(), CollectorRegistry()
    link = Link(parse(url), clock, SharedMetrics(registry))
    memory = MemoryLimits(clock, requests_per_minute=requests_per_minute, window_s=window_s)
    return End(link=link, limits=SharedLimits(link, memory, window_s=window_s), registry=registry)


@asynccontextmanager
async def running(*ends: End) -> AsyncIterator[None]:
    """Have them run beside the block."""
    tasks = []
    try:
        for end in ends:
            await end.link.begin()
            tasks.append(asyncio.ensure_future(end.link.keep()))
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until_heard(server: RedisServer, ends: int) -> None:
    """Wait until so many listen."""
    with server.client() as client:
        await until(lambda: client.pubsub_numsub(f"hopsight:3:{REFUSED}")[0][1] == ends)


async def until(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(patience_s):
        while not condition():  # noqa: ASYNC110 - another process is waited for, too
            await asyncio.sleep(0.01)
