"""From an uploaded batch to stored records: good ones kept, bad ones refused one by one, with reasons.

Knows nothing of HTTP. Works on the whole batch at once where all of it fits the model, and record by record
where something does not. What a record must be is told by its kind's row of ``kinds.table.CHECKS``.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw, Struct, UnsetType, structs

from hopsight.errors import InvalidValueError
from hopsight.model.agents import AgentInfo
from hopsight.model.query import Record
from hopsight.model.upload import (
    MAX_BATCH_RECORDS,
    AgentUsage,
    MeasurementContext,
    RawUploadBatch,
    Refusal,
    UploadBatch,
)
from hopsight.server.checks import Sender, shared_dimensions
from hopsight.server.kinds.contract import BatchDimensions, KindCheck, RecordCheck
from hopsight.server.kinds.table import CHECKS
from hopsight.server.places.atlas import Atlas
from hopsight.server.places.origins import Seen, look_through, network_of, origins_of

T = TypeVar("T")

INTRODUCTION: Final = "agent"
USAGE: Final = "usage"
"""Kinds of a refusal that are no kinds of record."""

UNCHARTED: Final = Atlas()
"""Of who has neither files nor names."""

_DECODE_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_ACCEPTED: Final = "an UploadBatch in JSON (/openapi.json describes it)"

_batches: Final = msgspec.json.Decoder(UploadBatch)
_raw_batches: Final = msgspec.json.Decoder(RawUploadBatch)
_records: Final = {row.kind: msgspec.json.Decoder(row.record) for row in CHECKS}
_contexts: Final = msgspec.json.Decoder(MeasurementContext)
_infos: Final = msgspec.json.Decoder(AgentInfo)
_usages: Final = msgspec.json.Decoder(AgentUsage)


class Checked(Struct, frozen=True):
    """A batch after its checks.

    Args:
        records: what is to be stored, by kind; no kind is without records.
        refused: what never will be.
        info: the agent's introduction of itself, if it sent a good one.
        usage: what the agent costs its machine, if it said so.
        network_id: the network that the agent is on now, if it said so.
    """

    records: dict[str, list[Record]]
    refused: list[Refusal]
    info: AgentInfo | None
    usage: AgentUsage | None
    network_id: str | None = None


class _Decoded(Struct):
    """A batch after decoding; a text stands for what could not be decoded, and says why."""

    contexts: Sequence[MeasurementContext | str]
    lists: dict[str, Sequence[Any]]
    refused: list[Refusal]
    info: AgentInfo | None
    usage: AgentUsage | None


def check_batch(content: bytes, sender: Sender, atlas: Atlas = UNCHARTED) -> Checked:
    """Decode and check a batch.

    Args:
        content: JSON of an ``UploadBatch``.
        sender: whose it is.
        atlas: knows where that is.

    Raises:
        InvalidValueError: it is no batch at all, or holds too much.
    """
    decoded = _decode(content)
    count = sum(map(len, decoded.lists.values()))
    if count > MAX_BATCH_RECORDS:
        accepted = f"{_ACCEPTED} of at most {MAX_BATCH_RECORDS} records in all its lists"
        raise InvalidValueError("upload", f"{count} records", accepted)
    seen = look_through(decoded.lists.values(), sender)
    groups = _Groups(lambda aid: _dimensions(decoded.contexts, seen, sender, aid, atlas))
    kept = {}
    for row in CHECKS:
        records = _check_list(row, decoded.lists[row.kind], sender, groups, decoded.refused)
        if records:
            kept[row.kind] = records
    network_id = network_of(decoded.contexts, seen)
    return Checked(kept, decoded.refused, decoded.info, decoded.usage, network_id)


def _check_list(
    row: KindCheck,
    given: Sequence[Any],
    sender: Sender,
    groups: "_Groups",
    refused: list[Refusal],
) -> list[Record]:
    check, dimensions = row.check, groups[sender.aid]
    records = []
    for index, item in enumerate(given):
        made = item if isinstance(item, str) else check(item, sender, dimensions)
        if isinstance(made, str) and made is not item:
            made = _of_former_group(check, item, sender, groups) or made
        if isinstance(made, str):
            refused.append(Refusal(kind=row.kind, index=index, reason=made))
        else:
            records.append(made)
    return records


def _of_former_group(check: RecordCheck, item: Any, sender: Sender, groups: "_Groups") -> Record | None:
    """The record of a refused item, if it is good in an account group where its agent was before."""
    for aid in sender.former_aids:
        made = check(item, structs.replace(sender, aid=aid, former_aids=()), groups[aid])
        if not isinstance(made, str):
            return made
    return None


class _Groups(dict[int, BatchDimensions]):
    """The dimensions of a batch by account group: each has names for its networks."""

    def __init__(self, make: Callable[[int], BatchDimensions]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, aid: int) -> BatchDimensions:
        made = self[aid] = self._make(aid)
        return made


def _dimensions(
    contexts: Sequence[MeasurementContext | str], seen: Seen, sender: Sender, aid: int, atlas: Atlas
) -> BatchDimensions:
    origins = origins_of(contexts, seen, sender, aid, atlas)
    shared = [
        context if isinstance(context, str) else shared_dimensions(context, sender.agent_id, origin.location)
        for context, origin in zip(contexts, origins, strict=True)
    ]
    return BatchDimensions(shared, origins, atlas)


def _decode(content: bytes) -> _Decoded:
    try:
        batch = _batches.decode(content)
    except (msgspec.ValidationError, UnicodeDecodeError):
        return _decode_one_by_one(content)
    except _DECODE_FAULTS as error:
        raise _no_batch(error) from None
    lists = {row.kind: getattr(batch, row.list_name) for row in CHECKS}
    return _Decoded(batch.contexts, lists, [], batch.agent, batch.usage)


def _decode_one_by_one(content: bytes) -> _Decoded:
    try:
        batch = _raw_batches.decode(content)
    except _DECODE_FAULTS as error:
        raise _no_batch(error) from None
    refused: list[Refusal] = []
    return _Decoded(
        [_try(_contexts.decode, raw) for raw in batch.contexts],
        {
            row.kind: [_try(_records[row.kind].decode, raw) for raw in getattr(batch, row.list_name)]
            for row in CHECKS
        },
        refused,
        _aside(INTRODUCTION, _infos.decode, batch.agent, refused),
        _aside(USAGE, _usages.decode, batch.usage, refused),
    )


def _aside(kind: str, decode: Callable[[Raw], T], raw: Raw | UnsetType, refused: list[Refusal]) -> T | None:
    """What stands beside the records: a fault in it costs no record."""
    if isinstance(raw, UnsetType) or bytes(raw) == b"null":
        return None
    made = _try(decode, raw)
    if isinstance(made, str):
        refused.append(Refusal(kind=kind, index=0, reason=made))
        return None
    return made


def _try(decode: Callable[[Raw], T], raw: Raw) -> T | str:
    try:
        return decode(raw)
    except _DECODE_FAULTS as error:
        return str(error)


def _no_batch(error: Exception) -> InvalidValueError:
    return InvalidValueError("upload", str(error), _ACCEPTED)
