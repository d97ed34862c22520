"""From an uploaded batch to stored records: good ones kept, bad ones refused one by one, with reasons.

Knows nothing of HTTP. Works on the whole batch at once where all of it fits the model, and record by record
where something does not.
"""

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

import msgspec
from msgspec import Raw, Struct, UnsetType, structs

from hopsight.errors import InvalidValueError
from hopsight.model.agents import AgentInfo
from hopsight.model.dimensions import NETWORK_SESSIONS, Dimensions
from hopsight.model.query import Record
from hopsight.model.sessions import NetworkSession
from hopsight.model.upload import (
    MeasurementContext,
    NetworkSessionRecord,
    RawUploadBatch,
    Refusal,
    UploadBatch,
)
from hopsight.server.checks import Sender, canonical_address, fault_of, full_dimensions, shared_dimensions

T = TypeVar("T")

_AGENT: Final = "agent"
_DECODE_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_batches: Final = msgspec.json.Decoder(UploadBatch)
_raw_batches: Final = msgspec.json.Decoder(RawUploadBatch)
_records: Final = msgspec.json.Decoder(NetworkSessionRecord)
_contexts: Final = msgspec.json.Decoder(MeasurementContext)
_infos: Final = msgspec.json.Decoder(AgentInfo)
_encode: Final = msgspec.json.Encoder().encode


class Checked(Struct, frozen=True):
    """A batch after its checks.

    Args:
        records: what is to be stored.
        refused: what never will be.
        info: the agent's introduction of itself, if it sent a good one.
    """

    records: list[Record]
    refused: list[Refusal]
    info: AgentInfo | None


class _Decoded(Struct):
    """A batch after decoding; a text stands for what could not be decoded, and says why."""

    info: AgentInfo | None
    contexts: list[MeasurementContext | str]
    records: list[NetworkSessionRecord | str]
    refused: list[Refusal]


def check_batch(content: bytes, sender: Sender) -> Checked:
    """Decode and check a batch.

    Args:
        content: JSON of an ``UploadBatch``.
        sender: whose it is.

    Raises:
        InvalidValueError: it is no batch at all.
    """
    decoded = _decode(content)
    shared = [
        context if isinstance(context, str) else shared_dimensions(context, sender.agent_id)
        for context in decoded.contexts
    ]
    records, refused = _check_records(decoded.records, shared, sender)
    return Checked(records, decoded.refused + refused, decoded.info)


def _check_records(
    given: Iterable[NetworkSessionRecord | str], shared: list[Dimensions | str], sender: Sender
) -> tuple[list[Record], list[Refusal]]:
    records, refused = [], []
    known: dict[tuple[int, str | None, str, str], Dimensions] = {}
    for index, record in enumerate(given):
        made = record if isinstance(record, str) else _record(record, shared, sender, known)
        if isinstance(made, str):
            refused.append(Refusal(kind=NETWORK_SESSIONS, index=index, reason=made))
        else:
            records.append(made)
    return records, refused


def _record(
    given: NetworkSessionRecord,
    shared: list[Dimensions | str],
    sender: Sender,
    known: dict[tuple[int, str | None, str, str], Dimensions],
) -> Record | str:
    session = given.document
    fault = fault_of(session, sender)
    if fault is not None:
        return fault
    destination = session.destination
    key = (given.context, given.visited_site, destination.target, given.trigger)
    dimensions = known.get(key)
    if dimensions is None:
        if given.context >= len(shared):
            return f"context: {given.context} of {len(shared)}"
        context = shared[given.context]
        if isinstance(context, str):
            return context
        address = canonical_address(destination.target) or destination.target
        made = full_dimensions(context, given.visited_site, address, given.trigger)
        if isinstance(made, str):
            return made
        dimensions = known[key] = made
    return Record(
        aid=sender.aid,
        round_id=session.round_id,
        record_id=session.user_session_id,
        dimensions=dimensions,
        loss_percent=destination.loss_percent,
        latency_ms=_or(destination.avg_rtt_ms, destination.latency_ms),
        jitter_ms=_or(destination.mean_dev_rtt_ms, destination.jitter_ms),
        body=_encode(_canonical(session, dimensions.destination_ip)),
    )


def _canonical(session: NetworkSession, address: str | None) -> NetworkSession:
    if address is None or address == session.destination.target:
        return session
    return structs.replace(session, destination=structs.replace(session.destination, target=address))


def _or(precise: float | None, whole: int | None) -> float | None:
    return precise if precise is not None or whole is None else float(whole)


def _decode(content: bytes) -> _Decoded:
    try:
        batch = _batches.decode(content)
    except (msgspec.ValidationError, UnicodeDecodeError):
        return _decode_one_by_one(content)
    except _DECODE_FAULTS as error:
        raise _no_batch(error) from None
    return _Decoded(batch.agent, [*batch.contexts], [*batch.network_sessions], [])


def _decode_one_by_one(content: bytes) -> _Decoded:
    try:
        batch = _raw_batches.decode(content)
    except _DECODE_FAULTS as error:
        raise _no_batch(error) from None
    refused = []
    info = None if isinstance(batch.agent, UnsetType) else _try(_infos.decode, batch.agent)
    if isinstance(info, str):
        refused.append(Refusal(kind=_AGENT, index=0, reason=info))
        info = None
    return _Decoded(
        info,
        [_try(_contexts.decode, raw) for raw in batch.contexts],
        [_try(_records.decode, raw) for raw in batch.network_sessions],
        refused,
    )


def _try(decode: Callable[[Raw], T], raw: Raw) -> T | str:
    try:
        return decode(raw)
    except _DECODE_FAULTS as error:
        return str(error)


def _no_batch(error: Exception) -> InvalidValueError:
    return InvalidValueError("upload", str(error), "an UploadBatch in JSON (/openapi.json describes it)")
