"""Looks at clocks and circumstances every few seconds, and keeps what ``states`` makes of them."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from hopsight.agent.delivery.identity import write_private
from hopsight.agent.pacing import ClockReading
from hopsight.agent.states.states import (
    EARLIEST_S,
    Condition,
    Kept,
    Span,
    States,
    documents_of,
    spans_before,
)
from hopsight.clock import Clock
from hopsight.errors import HopsightError
from hopsight.model.states import AgentState, StateName

FILE_NAME: Final = "states.json"
LOOK_S: Final = 5.0
"""How late a state is noticed at most."""
HEARTBEAT_S: Final = 60.0
_AFTER_A_ROUND_S: Final = 20.0
"""A sign of life right behind a round's sessions is worth most: it may come early to be there."""
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

_log = structlog.get_logger()


class StateKeeper:
    """The states of this agent, from its last sign of life on.

    Args:
        directory: where the sign of life is kept.
        agent_id: whose states these are; those of another agent are forgotten.
        aid: its account group.
        clock: read, never waited for but in ``run``.
        condition: what holds now.
        keep: puts states on disk; runs in a thread.
        boot: names this run of the machine; None: what the system says.
    """

    def __init__(
        self,
        directory: Path,
        agent_id: str,
        aid: int,
        *,
        clock: Clock,
        condition: Callable[[], Condition | None],
        keep: Callable[[Sequence[AgentState]], None],
        boot: str | None = None,
    ) -> None:
        self._path = directory / FILE_NAME
        self._agent_id = agent_id
        self._aid = aid
        self._clock = clock
        self._ask = condition
        self._keep = keep
        self._boot = read_boot_id() if boot is None else boot
        self._states: States | None = None
        self._over: list[Span] = []
        self._beaten_s = float("-inf")
        self._looking = asyncio.Lock()

    @property
    def condition(self) -> StateName | None:
        """``disabled`` or ``offline``, when one of them holds."""
        return self._states.condition if self._states is not None else None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(LOOK_S)

    async def look(self, *, after_round: bool = False) -> None:
        """Look now: what is over by now is on disk on return.

        Args:
            after_round: a round's sessions are on disk.
        """
        async with self._looking:
            now = read_clocks(self._clock)
            if self._states is None:
                if now.wall_s < EARLIEST_S:
                    return
                self._states = States(now)
                self._over += self._before(now)
            self._over += self._states.look(now, self._ask())
            await self._spool()
            since_s = now.boottime_s - self._beaten_s
            if since_s >= (_AFTER_A_ROUND_S if after_round else HEARTBEAT_S + LOOK_S):
                self._beaten_s = now.boottime_s
                await asyncio.to_thread(self._write, goodbye=False)

    def failed(self, reason: str, *, delivery: bool) -> None:
        """The server did not answer, or take what was to be delivered."""
        if self._states is not None:
            self._states.failed(read_clocks(self._clock), reason, delivery=delivery)

    def answered(self, *, delivery: bool) -> None:
        """The server answered, or took what was to be delivered."""
        if self._states is not None:
            self._over += self._states.answered(read_clocks(self._clock), delivery=delivery)

    async def goodbye(self) -> None:
        """The agent stops: from now on it is not running, and that is known."""
        if self._states is None:
            return
        await self.look()
        await asyncio.to_thread(self._write, goodbye=True)

    async def _spool(self) -> None:
        spans, self._over = self._over, []
        documents = [document for span in spans for document in documents_of(span, self._aid, self._agent_id)]
        for document in documents:
            _log.info(
                "was " + document.state,
                since=document.date,
                seconds=round((document.end_ms - document.start_ms) / 1000),
                reason=document.reason,
            )
        if documents:
            await asyncio.to_thread(self._keep, documents)

    def _before(self, now: ClockReading) -> list[Span]:
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=Kept)
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.warning("last sign of life cannot be read", reason=str(error))
            return []
        return spans_before(kept, now, self._boot) if kept.agent_id == self._agent_id else []

    def _write(self, *, goodbye: bool) -> None:
        if self._states is None:
            return
        kept = self._states.kept(self._agent_id, self._boot, goodbye=goodbye)
        try:
            write_private(self._path, msgspec.json.encode(kept))
        except HopsightError as error:
            _log.warning("no sign of life can be left", reason=str(error))


def read_clocks(clock: Clock) -> ClockReading:
    """All three at one moment.

    They are read one after the other: held up in between, it would look as if the machine had slept. Of two
    readings, the one in which boot time is less ahead is the one that was not held up.
    """
    readings = (ClockReading.of(clock), ClockReading.of(clock))
    return min(readings, key=lambda reading: reading.boottime_s - reading.monotonic_s)


def read_boot_id(path: Path = _BOOT_ID) -> str:
    """Names this run of the machine; empty: the system does not tell."""
    try:
        return path.read_text("ascii").strip()[:64]
    except (OSError, UnicodeDecodeError):
        return ""
