"""Real traffic is watched as long as somebody wants it."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from hopsight.agent.passive.sessions import PassiveSessions
from hopsight.agent.watching import Watched, Watching
from hopsight.model.upload import UserSessionRecord
from hopsight.testing import FakeClock

pytestmark = pytest.mark.anyio


class Sessions:
    """Notes what it is asked to do."""

    def __init__(self, *, allowed: bool = True) -> None:
        self.allowed = allowed
        self.asked: list[str] = []

    def start(self) -> bool:
        """Begin."""
        self.asked.append("start")
        return self.allowed

    def close(self) -> None:
        """End."""
        self.asked.append("close")

    def finished(self, now_s: float, aid: int, agent_id: str) -> list[Any]:
        """One record a minute."""
        return [(int(now_s) // 60, aid, agent_id)]


def watching(
    sessions: Sessions, clock: FakeClock, kept: list[Any], wanted: Callable[[], bool] = lambda: True
) -> Watching:
    """Put together."""

    async def keep(records: Sequence[UserSessionRecord]) -> None:
        kept.extend(records)
        await asyncio.sleep(0)

    return Watching(cast("PassiveSessions", sessions), Watched(7625, "agent", wanted, keep, clock))


async def test_sessions_are_fetched_once_a_minute() -> None:
    """Shortly after its end."""
    sessions, clock, kept = Sessions(), FakeClock(), list[Any]()
    running = asyncio.create_task(watching(sessions, clock, kept).run())
    async with asyncio.timeout(10):
        while len(kept) < 5:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    # The first time it looks at once, for what a watch before it left.
    minutes = [minute for minute, _, _ in kept][1:]
    assert len(set(minutes)) == len(minutes)
    assert max(minutes) - min(minutes) == len(minutes) - 1


async def test_who_may_not_watch_asks_once() -> None:
    """The duty is over then, and not tried again every minute."""
    sessions, kept = Sessions(allowed=False), list[Any]()
    async with asyncio.timeout(10):
        await watching(sessions, FakeClock(), kept).run()
    assert (sessions.asked, kept) == (["start"], [])


def test_a_disabled_agent_does_not_watch() -> None:
    """It begins again when it is enabled."""
    sessions = Sessions()
    enabled = True
    watched = watching(sessions, FakeClock(), [], lambda: enabled)
    watched.start()
    enabled = False
    watched.start()
    enabled = True
    watched.start()
    assert sessions.asked == ["start", "close", "start"]
