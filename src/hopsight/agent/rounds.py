"""When to measure: once a minute by the wall clock, whatever that clock and the machine do."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from msgspec import Struct

from hopsight.agent.measurement import Measurement
from hopsight.agent.schedule import due
from hopsight.clock import Clock
from hopsight.model.agents import Target
from hopsight.model.ids import SESSION_ROUND_S, round_of

GROUP_S: Final = 0.25
"""Measurements that end within this of each other are spooled together, for one sync."""
LATE_S: Final = 5.0
"""Woken later than this after a round was due, the machine slept or its clock was set."""
CHECK_S: Final = LATE_S
"""No longer: who wakes just before a minute must see it in time to start with it."""
EARLIEST_S: Final = 1_577_836_800
"""2020-01-01. A clock before that has not been set: what cannot be dated is not recorded."""

_log = structlog.get_logger()


class RoundWork(Struct, frozen=True):
    """What one round is made of; how each is done is not this module's business.

    Args:
        targets: what is to be measured at all, now; none: nothing (disabled, offline).
        measure: measures one target: nothing to keep, or one finding for each family that it has.
        keep: takes what ended at about the same time.
    """

    targets: Callable[[], Awaitable[Sequence[Target]]]
    measure: Callable[[Target], Awaitable[Sequence[Measurement]]]
    keep: Callable[[Sequence[Measurement]], Awaitable[None]]


class Rounds:
    """Runs rounds, one at a time.

    Args:
        work: what a round is made of.
        clock: says when.
        agent_id: in which round of its interval a target is due depends on it.
    """

    def __init__(self, work: RoundWork, clock: Clock, agent_id: str = "") -> None:
        self._work = work
        self._clock = clock
        self._agent_id = agent_id
        self._previous: int | None = None
        self._tried: int | None = None
        self.first_done = asyncio.Event()

    async def run(self) -> None:
        """The first round at once, the others when a minute starts."""
        while True:
            started_s = self._clock.now()
            self._tried = round_of(started_s)
            try:
                await self._run_due(started_s)
            except Exception:  # noqa: BLE001 - a fault of ours in one round must not end all measuring
                _log.exception("a round failed")
            self.first_done.set()
            if not self._just_begun():
                self._note_skipped(started_s)
            await self._until_next()

    async def run_once(self) -> int:
        """One round of all targets, whatever their intervals, now.

        Returns:
            How many targets were measured.
        """
        if not self._clock_is_set():
            return 0
        targets = await self._work.targets()
        await self._measure_all(targets)
        return len(targets)

    async def _run_due(self, now_s: float) -> None:
        if not self._clock_is_set():
            return
        targets = await self._work.targets()
        round_id, previous = round_of(now_s), self._previous
        self._previous = round_id
        await self._measure_all(due(targets, self._agent_id, round_id, previous))

    def _clock_is_set(self) -> bool:
        now_s = self._clock.now()
        if now_s < EARLIEST_S:
            _log.error("the clock of this machine is not set: not measuring", now_s=round(now_s))
        return now_s >= EARLIEST_S

    async def _measure_all(self, targets: Sequence[Target]) -> None:
        # All at once: the measurer spreads the probes of those under way over the interval.
        pending = {asyncio.create_task(_measured(self._work.measure(target))) for target in targets}
        try:
            while pending:
                await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.wait(pending, timeout=GROUP_S)
                done = {task for task in pending if task.done()}
                pending -= done
                await self._work.keep(
                    [found for task in done if _ended_well(task) for found in task.result()]
                )
        finally:
            await self._end(pending)

    async def _end(self, pending: set[asyncio.Task[Sequence[Measurement]]]) -> None:
        """Cancel what is under way: an unfinished window is worth nothing, one that only waited is kept."""
        for task in pending:
            task.cancel()
        if not pending:
            return
        await asyncio.wait(pending)
        over = [task for task in pending if not task.cancelled() and _ended_well(task)]
        if not over:
            return
        keeping = self._work.keep([found for task in over for found in task.result()])
        # Whoever cancels must not be answered by a fault of ours.
        (failed,) = await asyncio.gather(keeping, return_exceptions=True)
        if failed is not None:
            _log.error("what was measured last cannot be kept", error=repr(failed))

    def _note_skipped(self, started_s: float) -> None:
        skipped = (round_of(self._clock.now()) - round_of(started_s)) // SESSION_ROUND_S
        if skipped > 0:
            _log.info("the round was still running when the next was due", skipped=skipped)

    async def _until_next(self) -> None:
        """Wait for a minute to start, in short steps: the clock may be set, the machine may sleep."""
        if self._just_begun():
            return
        due_s = self._next_due_s()
        while (left_s := due_s - self._clock.now()) > 0 or left_s < -LATE_S:
            if left_s > SESSION_ROUND_S or left_s < -LATE_S:
                if left_s < -LATE_S and self._just_begun():
                    return
                _log.info("clock set, or machine slept: waiting for the next round")
                due_s = self._next_due_s()
            await self._clock.sleep(min(max(due_s - self._clock.now(), 0.0), CHECK_S))

    def _just_begun(self) -> bool:
        """Whether a round began while another was under way, or the machine slept: it still can be."""
        now_s = self._clock.now()
        return round_of(now_s) != self._tried and now_s - round_of(now_s) <= CHECK_S

    def _next_due_s(self) -> int:
        return round_of(self._clock.now()) + SESSION_ROUND_S


async def _measured(measuring: Awaitable[Sequence[Measurement]]) -> Sequence[Measurement]:
    return await measuring


def _ended_well(task: asyncio.Task[Sequence[Measurement]]) -> bool:
    error = task.exception()
    if error is not None:
        _log.error("a measurement failed", error=repr(error))
    return error is None
