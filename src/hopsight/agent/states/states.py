"""Why there is a gap: states, not zeros (MEASUREMENT.md; ``docs/states.md`` tells what each one means).

A pure machine: it is given clock readings and what holds at that moment, and gives back spans that are over.
Lengths come from the boot-time clock, which nobody can set; the wall clock only dates them. Where the wall
clock is set within a span, the span is cut: its first part is dated by the clock before, the rest by the one
after.

At most one of ``disabled``, ``offline``, ``asleep`` and ``stopped`` holds at a time. ``server-unreachable``
is told only of time in which the agent did measure, so it ends where one of those begins.
"""

import random
import re
from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct, structs

from hopsight.agent.pacing import ClockReading
from hopsight.model.ids import new_session_id, round_of
from hopsight.model.states import AgentState, StateName
from hopsight.model.times import format_utc

APART_S: Final = 0.5
"""Clocks further apart than this since the last look: the machine slept, or its clock was set."""
HELD_S: Final = 60.0
"""So long without a look, awake: the process was held up, and measured nothing."""
DELIVERED_LATE_S: Final = 60.0
"""Records wait for a minute anyway: a server that was away for less was not missed."""
SHORTEST_STOP_S: Final = 1.0
LONGEST_S: Final = 90 * 86_400.0
"""No more than this is told of one gap: a clock that was years off must not fill the spool with days."""
EARLIEST_S: Final = 1_577_836_800.0
"""2020-01-01. A clock before that has not been set: what cannot be dated is not told."""

STOPPED: Final = "the agent was stopped"
CRASHED: Final = "the agent ended without a goodbye: a crash or a kill"
WENT_DOWN: Final = "the machine went down without a goodbye: power lost, or a crash"
HELD_UP: Final = "the agent was held up and could not run"

_DAY_S: Final = 86_400
_REASON_CHARS: Final = 255
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

Condition = Literal["disabled", "offline"]


class Span(Struct, frozen=True):
    """One state that is over, or its part up to a cut; epoch seconds."""

    state: StateName
    start_s: float
    end_s: float
    reason: str | None = None


class Open(Struct, frozen=True, kw_only=True):
    """A state that goes on.

    Args:
        start_s: of the part that was not told yet.
        sure: False: signs of it, but nothing was missed so far.
        told: an earlier part was told, so the rest is, however short.
    """

    state: StateName
    start_s: float
    reason: str | None = None
    sure: bool = True
    told: bool = False


class Kept(Struct, frozen=True, kw_only=True):
    """What outlives the process: the last sign of life, and what went on at that time.

    Args:
        agent_id: whose life.
        boot: names the machine's run; boot times of another run cannot be compared.
        wall_s: last sign of life, epoch seconds.
        boottime_s: the same by the boot-time clock.
        goodbye: the agent was stopped; False: it ran at that time.
        condition: ``disabled`` or ``offline``.
        unreachable: ``server-unreachable``.
    """

    agent_id: str
    boot: str
    wall_s: float
    boottime_s: float
    goodbye: bool = False
    condition: Open | None = None
    unreachable: Open | None = None


class States:
    """The states of one agent, from its start on.

    Args:
        now: the clocks at the start.
    """

    def __init__(self, now: ClockReading) -> None:
        self._last = now
        self._condition: Open | None = None
        self._unreachable: Open | None = None

    @property
    def condition(self) -> StateName | None:
        """``disabled`` or ``offline``, when one of them holds."""
        return self._condition.state if self._condition is not None else None

    def look(self, now: ClockReading, condition: Condition | None) -> list[Span]:
        """Take note of the clocks, and of what holds now.

        Returns:
            What is over by now, or cut: by sleep, a set clock, midnight.
        """
        spans = [*self._gap(now), *self._clock_set(now), *self._change(now, condition)]
        self._last = now
        return [*spans, *self._midnight(now)]

    def failed(self, now: ClockReading, reason: str, *, delivery: bool) -> None:
        """The server did not answer; only what was to be delivered makes it a state."""
        if self._condition is not None:
            return
        if self._unreachable is None:
            self._unreachable = Open(
                state="server-unreachable", start_s=now.wall_s, reason=_printable(reason), sure=delivery
            )
        elif delivery and not self._unreachable.sure:
            self._unreachable = structs.replace(self._unreachable, sure=True, reason=_printable(reason))

    def answered(self, now: ClockReading, *, delivery: bool) -> list[Span]:
        """It did; a delivery ends the state, an answer only a suspicion."""
        if self._unreachable is None or (self._unreachable.sure and not delivery):
            return []
        spans = self._end_unreachable(now.wall_s)
        self._unreachable = None
        return spans

    def kept(self, agent_id: str, boot: str, *, goodbye: bool = False) -> Kept:
        """What a next start needs to know, as of the last look."""
        return Kept(
            agent_id=agent_id,
            boot=boot,
            wall_s=self._last.wall_s,
            boottime_s=self._last.boottime_s,
            goodbye=goodbye,
            condition=self._condition,
            unreachable=self._unreachable,
        )

    def _gap(self, now: ClockReading) -> list[Span]:
        last = self._last
        awake_s = max(0.0, now.monotonic_s - last.monotonic_s)
        slept_s = (now.boottime_s - last.boottime_s) - awake_s
        slept_s = slept_s if slept_s > APART_S else 0.0
        held_s = awake_s if awake_s > HELD_S else 0.0
        if not slept_s and not held_s:
            return []
        # It slept at some time since the last look. Told as late as can be: sessions are from before it, as
        # those after it begin with a look.
        asleep_s = last.wall_s + awake_s
        self._last = ClockReading(asleep_s + slept_s, now.monotonic_s, now.boottime_s)
        spans = self._cut(last.wall_s if held_s else asleep_s, asleep_s + slept_s)
        if held_s:
            spans.append(Span("stopped", last.wall_s, asleep_s, HELD_UP))
        if slept_s:
            spans.append(Span("asleep", asleep_s, asleep_s + slept_s))
        return spans

    def _clock_set(self, now: ClockReading) -> list[Span]:
        undisturbed_s = self._last.wall_s + now.boottime_s - self._last.boottime_s
        if abs(now.wall_s - undisturbed_s) <= APART_S:
            return []
        return self._cut(undisturbed_s, now.wall_s)

    def _change(self, now: ClockReading, condition: Condition | None) -> list[Span]:
        if condition == self.condition:
            return []
        spans = self._cut(now.wall_s, now.wall_s)
        self._condition = None
        if condition is not None:
            self._condition = Open(state=condition, start_s=now.wall_s)
            # Nothing is measured from here on, so nothing waits for the server.
            self._unreachable = None
        return spans

    def _midnight(self, now: ClockReading) -> list[Span]:
        midnight_s = now.wall_s // _DAY_S * _DAY_S
        goes_on = [going for going in (self._condition, self._unreachable) if going is not None]
        if not any(going.start_s < midnight_s for going in goes_on):
            return []
        return self._cut(midnight_s, midnight_s)

    def _cut(self, end_s: float, resumed_s: float) -> list[Span]:
        """End what goes on, and let it go on from ``resumed_s``."""
        spans = self._end_unreachable(end_s)
        if self._unreachable is not None:
            self._unreachable = structs.replace(
                self._unreachable, start_s=resumed_s, told=self._unreachable.told or bool(spans)
            )
        if self._condition is not None:
            spans.append(_ended(self._condition, end_s))
            self._condition = structs.replace(self._condition, start_s=resumed_s)
        return spans

    def _end_unreachable(self, end_s: float) -> list[Span]:
        going = self._unreachable
        return [] if going is None or not _was_missed(going, end_s) else [_ended(going, end_s)]


def spans_before(kept: Kept, now: ClockReading, boot: str) -> list[Span]:
    """What a start makes of the last sign of life: what went on then has ended there; from there, stopped."""
    spans = [_ended(kept.condition, kept.wall_s)] if kept.condition is not None else []
    if kept.unreachable is not None and _was_missed(kept.unreachable, kept.wall_s):
        spans.append(_ended(kept.unreachable, kept.wall_s))
    same_boot = boot == kept.boot and boot != "" and now.boottime_s >= kept.boottime_s
    length_s = now.boottime_s - kept.boottime_s if same_boot else now.wall_s - kept.wall_s
    if length_s < SHORTEST_STOP_S:
        # Negative: the clock was set back meanwhile, and nothing else tells how long it was.
        return spans
    end_s = kept.wall_s + length_s
    start_s = max(kept.wall_s, end_s - LONGEST_S)
    reason = STOPPED if kept.goodbye else CRASHED if same_boot else WENT_DOWN
    return [*spans, Span("stopped", start_s, end_s, reason)]


def days_of(span: Span) -> Iterator[Span]:
    """A span cut at every midnight UTC; none of what has no length, or is from before clocks were set."""
    start_s = span.start_s
    while EARLIEST_S <= start_s < span.end_s:
        end_s = min(span.end_s, (start_s // _DAY_S + 1) * _DAY_S)
        yield structs.replace(span, start_s=start_s, end_s=end_s)
        start_s = end_s


def documents_of(span: Span, aid: int, agent_id: str) -> list[AgentState]:
    """A span as the server has it, a document for each day.

    IDs depend on agent, state and start alone: told again after a crash, it is the same record.
    """
    return [_document(day, aid, agent_id) for day in days_of(span) if _ms(day.end_s) > _ms(day.start_s)]


def _document(day: Span, aid: int, agent_id: str) -> AgentState:
    start_ms = _ms(day.start_s)
    round_id = round_of(start_ms / 1000)
    drawn = random.Random(f"{agent_id} {day.state} {start_ms}")  # noqa: S311 - a name, not a secret
    return AgentState(
        state_id=str(new_session_id(aid, round_id, drawn)),
        agent_id=agent_id,
        round_id=round_id,
        date=format_utc(start_ms / 1000),
        state=day.state,
        start_ms=start_ms,
        end_ms=_ms(day.end_s),
        reason=day.reason,
    )


def _was_missed(unreachable: Open, end_s: float) -> bool:
    late = unreachable.told or end_s - unreachable.start_s >= DELIVERED_LATE_S
    return unreachable.sure and late


def _ended(going: Open, end_s: float) -> Span:
    return Span(going.state, going.start_s, max(going.start_s, end_s), going.reason)


def _ms(time_s: float) -> int:
    return round(time_s * 1000)


def _printable(reason: str) -> str:
    return _UNPRINTABLE.sub(" ", reason)[:_REASON_CHARS]
