"""States of agents as they are uploaded: spans without measurements, and why."""

from typing import Final

from hopsight.model.dimensions import AGENT_STATES
from hopsight.model.ids import SESSION_ROUND_S
from hopsight.model.query import Record
from hopsight.model.states import AgentState
from hopsight.model.upload import AgentStateRecord
from hopsight.server.checks import Sender, fault_of
from hopsight.server.kinds.contract import BatchDimensions, KindCheck, encode

MAX_SPAN_S: Final = 86_400
"""A day: agents cut longer spans at midnight. Who looks for the states of a time looks so far back."""
_SLACK_S: Final = 60


def check_agent_state(given: AgentStateRecord, sender: Sender, dimensions: BatchDimensions) -> Record | str:
    """What is stored of one; a text: why it cannot be."""
    state = given.document
    fault = fault_of("stateId", state.state_id, state, sender) or _fault_of_span(state, sender)
    if fault is not None:
        return fault
    known = dimensions.of_context(given.context)
    if isinstance(known, str):
        return known
    return Record(
        aid=sender.aid,
        round_id=state.round_id,
        record_id=state.state_id,
        dimensions=known,
        loss_percent=None,
        latency_ms=None,
        jitter_ms=None,
        body=encode(state),
    )


def _fault_of_span(state: AgentState, sender: Sender) -> str | None:
    if not 0 <= state.start_ms - state.round_id * 1_000 < SESSION_ROUND_S * 1_000:
        return "startMs: not within the round"
    if state.end_ms < state.start_ms:
        return "endMs: before startMs"
    if state.end_ms - state.start_ms > (MAX_SPAN_S + _SLACK_S) * 1_000:
        return f"endMs: over {MAX_SPAN_S} s after startMs; a longer span is cut at midnight UTC"
    if state.end_ms >= (sender.newest_round + SESSION_ROUND_S) * 1_000:
        return "endMs: in the future"
    return None


CHECK: Final = KindCheck(
    kind=AGENT_STATES, list_name="agent_states", record=AgentStateRecord, check=check_agent_state
)
