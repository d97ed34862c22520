"""Keeps the agent's duties going: a fault of ours in one of them must not end the others."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import structlog

from hopsight.agent.delivery.backoff import Backoff
from hopsight.clock import Clock
from hopsight.model.ids import round_of

_CHECK_S: Final = 15.0
"""The clock may be set and the machine may sleep: no wait is trusted for longer."""

_log = structlog.get_logger()


async def supervised(
    name: str, duty: Callable[[], Awaitable[None]], clock: Clock, rng: random.Random
) -> None:
    """Run a duty until it returns or is cancelled; after a fault it is started again, later and later."""
    backoff = Backoff(rng)
    while True:
        try:
            await duty()
        except Exception:  # noqa: BLE001 - whatever fails here, measuring goes on
            wait_s = backoff.next_s()
            _log.exception("a duty failed; it is started again", duty=name, retry_in_s=round(wait_s))
        else:
            return
        await clock.sleep(wait_s)


async def each_round(
    work: Callable[[], Awaitable[None]], length_s: int, phase_s: float, clock: Clock
) -> None:
    """Do the work now, and then once a round, ``phase_s`` after its start by the wall clock."""
    while True:
        done = round_of(clock.now() - phase_s, length_s)
        await work()
        while round_of(clock.now() - phase_s, length_s) == done:
            left_s = done + length_s + phase_s - clock.now()
            await clock.sleep(min(max(left_s, 0.0), _CHECK_S))
            # On a clock that is set while this waits, the work is done in whatever round it is now.


async def side_by_side(*duties: Awaitable[None]) -> None:
    """Run until one raises or all are over; then none is left running."""
    async with asyncio.TaskGroup() as tasks:
        for duty in duties:
            tasks.create_task(_awaited(duty))


async def first_of(*awaited: Coroutine[Any, Any, object]) -> None:
    """Run until one of them is over; then none is left running.

    Raises:
        Exception: what the one that was over first raised.
    """
    tasks = [asyncio.ensure_future(each) for each in awaited]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _awaited(duty: Awaitable[None]) -> None:
    await duty
