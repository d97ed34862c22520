"""What the spool knows of kinds of record: how each is written, read, and handed on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from hopsight.model.dimensions import (
    AGENT_STATES,
    NETWORK_PROBES,
    NETWORK_SESSIONS,
    USER_SESSIONS,
    WEB_SESSIONS,
)
from hopsight.model.upload import (
    AgentStateRecord,
    MeasurementContext,
    NetworkProbeRecord,
    NetworkSessionRecord,
    UserSessionRecord,
    WebSessionRecord,
)

SpoolRecord = (
    NetworkSessionRecord | UserSessionRecord | NetworkProbeRecord | AgentStateRecord | WebSessionRecord
)

RECORD_TYPES: Final[Mapping[str, type[SpoolRecord]]] = {
    NETWORK_SESSIONS: NetworkSessionRecord,
    USER_SESSIONS: UserSessionRecord,
    NETWORK_PROBES: NetworkProbeRecord,
    AGENT_STATES: AgentStateRecord,
    WEB_SESSIONS: WebSessionRecord,
}
"""Kind -> what its records are. A new kind is one row, and one list of ``Spooled``."""

_KINDS: Final = {record: kind for kind, record in RECORD_TYPES.items()}

Row = tuple[int, str, bytes, int, bytes]
"""Number, kind and body of a record; number and body of its context."""


class Written(Struct, frozen=True):
    """A record as it is stored."""

    kind: str
    body: bytes


class Spooled(Struct, frozen=True):
    """Records on their way out, the oldest of each kind first.

    Args:
        contexts: what the records' ``context`` points into.
        numbers: kind -> the spool's own numbers of the records in its list, in the same order.
    """

    contexts: list[MeasurementContext] = []
    network_sessions: list[NetworkSessionRecord] = []
    user_sessions: list[UserSessionRecord] = []
    network_probes: list[NetworkProbeRecord] = []
    agent_states: list[AgentStateRecord] = []
    web_sessions: list[WebSessionRecord] = []
    numbers: dict[str, list[int]] = {}

    @property
    def ids(self) -> list[int]:
        """The spool's numbers of all records, oldest first."""
        return sorted(number for numbers in self.numbers.values() for number in numbers)

    def number_of(self, kind: str, index: int) -> int | None:
        """Which record the server means by a kind and a place in its list; None: there is none."""
        numbers = self.numbers.get(kind, [])
        return numbers[index] if 0 <= index < len(numbers) else None

    def add(self, number: int, record: SpoolRecord) -> None:
        """Put a record into the list of its kind."""
        match record:
            case NetworkSessionRecord():
                self.network_sessions.append(record)
            case UserSessionRecord():
                self.user_sessions.append(record)
            case NetworkProbeRecord():
                self.network_probes.append(record)
            case AgentStateRecord():
                self.agent_states.append(record)
            case WebSessionRecord():
                self.web_sessions.append(record)
        self.numbers.setdefault(_KINDS[type(record)], []).append(number)


def written(record: SpoolRecord) -> Written:
    """A record as it is stored."""
    return Written(_KINDS[type(record)], msgspec.json.encode(record))


def chunks(records: Sequence[Written], max_records: int, max_bytes: int) -> Iterator[list[Written]]:
    """Pieces for one transaction each; a record over ``max_bytes`` is a piece of its own."""
    piece: list[Written] = []
    size = 0
    for record in records:
        if piece and (len(piece) == max_records or size + len(record.body) > max_bytes):
            yield piece
            piece, size = [], 0
        piece.append(record)
        size += len(record.body)
    if piece:
        yield piece


def rows_within(rows: Iterable[Row], max_bytes: int) -> list[Row]:
    """Rows up to so many bytes, one at least; no row behind them is read."""
    taken: list[Row] = []
    size = 0
    for row in rows:
        size += len(row[2])
        if taken and size > max_bytes:
            break
        taken.append(row)
    return taken


def batch_of(rows: Iterable[Row]) -> tuple[Spooled, dict[int, str]]:
    """Records that can be read, and of the others why not."""
    places: dict[int, int] = {}
    batch = Spooled()
    unreadable: dict[int, str] = {}
    for number, kind, body, context_number, context_body in rows:
        try:
            record = _read(kind, body)
            context = msgspec.json.decode(context_body, type=MeasurementContext)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            unreadable[number] = f"unreadable in the spool: {error}"
            continue
        if context_number not in places:
            places[context_number] = len(batch.contexts)
            batch.contexts.append(context)
        batch.add(number, msgspec.structs.replace(record, context=places[context_number]))
    return batch, unreadable


def _read(kind: str, body: bytes) -> SpoolRecord:
    if kind not in RECORD_TYPES:
        raise msgspec.DecodeError(f"no such kind of record: {kind}")
    return msgspec.json.decode(body, type=RECORD_TYPES[kind])
