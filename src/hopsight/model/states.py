"""States of an agent: why there is a gap (MEASUREMENT.md, "States, not zeros"). Ours: v6 has none."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from hopsight.model.agents import Text
from hopsight.model.sessions import AgentIdText, DateTimeText, RoundId, SessionIdText
from hopsight.model.system import EpochMilliseconds

StateName = Literal["asleep", "offline", "disabled", "stopped", "server-unreachable"]


class AgentState(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One span in which an agent did not measure, or could not deliver, and why.

    A long span is cut at midnight UTC, so that every day's states are found among its rounds.

    Args:
        state_id: made like the ID of a session, from the round in which the span starts.
        state: ``server-unreachable`` alone is a span in which it did measure.
        date: when it started, UTC.
        start_ms: the same, epoch milliseconds.
        end_ms: when it was over.
        reason: more about it, for a person.
    """

    state_id: SessionIdText
    agent_id: AgentIdText
    round_id: RoundId
    date: DateTimeText
    state: StateName
    start_ms: EpochMilliseconds
    end_ms: Annotated[int, Meta(ge=0, le=253_402_300_799_999)]
    reason: Text | None = None
