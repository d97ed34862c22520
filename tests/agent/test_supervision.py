"""Duties go on whatever fails in them."""

import asyncio
import contextlib
import itertools
import random

import pytest

from hopsight.agent.supervision import each_round, side_by_side, supervised
from hopsight.testing import FakeClock

pytestmark = pytest.mark.anyio

START_S = 1_760_000_100.0  # divisible by 300


async def test_a_failed_duty_is_started_again_later_and_later() -> None:
    """Until it returns."""
    clock = FakeClock()
    times_s: list[float] = []

    async def duty() -> None:
        times_s.append(clock.monotonic())
        if len(times_s) < 6:
            raise RuntimeError

    await supervised("duty", duty, clock, random.Random(1))
    waits_s = [later - earlier for earlier, later in itertools.pairwise(times_s)]
    assert len(waits_s) == 5
    assert waits_s[0] >= 2.5
    assert waits_s[4] > 4 * waits_s[0]


async def test_a_cancelled_duty_ends() -> None:
    """With the others that run beside it."""
    ended: list[str] = []

    async def duty(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    clock, rng = FakeClock(), random.Random(1)
    running = asyncio.create_task(
        side_by_side(
            supervised("a", lambda: duty("a"), clock, rng), supervised("b", lambda: duty("b"), clock, rng)
        )
    )
    await asyncio.sleep(0.01)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert sorted(ended) == ["a", "b"]


async def work_times(clock: FakeClock, count: int, phase_s: float) -> list[float]:
    """When the work was done, from ``START_S`` on."""
    times_s: list[float] = []

    async def work() -> None:
        times_s.append(clock.now() - START_S)
        if len(times_s) == count:
            await asyncio.Event().wait()
        await asyncio.sleep(0)

    running = asyncio.create_task(each_round(work, 300, phase_s, clock))
    async with asyncio.timeout(10):
        while len(times_s) < count:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    return times_s


async def test_work_is_done_at_once_and_then_at_its_phase_of_each_round() -> None:
    """Rounds are those of the wall clock."""
    assert await work_times(FakeClock(START_S + 17), 4, 40.0) == [17, 40, 340, 640]


async def test_work_is_done_once_after_a_sleep() -> None:
    """Nothing is made up for."""

    class Sleepy(FakeClock):
        async def sleep(self, duration_s: float) -> None:
            await super().sleep(duration_s)
            if 100 < self.now() - START_S < 120:
                self.suspend(3_600)

    times_s = await work_times(Sleepy(START_S), 3, 0.0)
    assert times_s[0] == 0
    assert 3_600 < times_s[1] < 3_600 + 130
    assert times_s[2] == 3_900
