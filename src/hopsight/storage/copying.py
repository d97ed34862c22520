"""From one store to another, hour by hour: begun again it goes on, and what was copied is compared.

Nothing is written down about how far a copy has come: what the two stores hold tells. So it may be broken off
at any time, and while the source takes records it is run once more at the end, for what came meanwhile.
"""

import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec
from msgspec import Struct, structs

from hopsight.errors import ConflictError
from hopsight.model.kinds import KINDS
from hopsight.model.query import Record
from hopsight.storage.store import STRETCH_S, Store, Stretch

BATCH_RECORDS: Final = 2_000
BATCH_BYTES: Final = 8 << 20

_encode: Final = msgspec.msgpack.Encoder().encode


class Copied(Struct, frozen=True, kw_only=True):
    """What became of one kind.

    Args:
        kind: its name.
        records: that the source has.
        copied: of these, those that the target did not have.
        compared: of these, those whose rounds were compared by digest.
    """

    kind: str
    records: int
    copied: int
    compared: int


Progress = Callable[[str, int, int], None]
"""Told of the kind, how many records of it are done, and how many there are."""


async def copy_store(
    source: Store, target: Store, progress: Progress, *, trust_counts: bool = False
) -> list[Copied]:
    """Copy every record of every kind, and which agents were erased.

    Args:
        source: read.
        target: written; what it has besides stays.
        progress: told of every hour that is done.
        trust_counts: take hours for copied of which both have equally many records, without comparing them.

    Raises:
        ConflictError: a record of the target is another one than the source's; nothing was overwritten.
        StoreUnavailableError: one of them cannot be used now; run it again later.
    """
    await target.refuse(await source.erased())
    return [await _copy_kind(source, target, kind, progress, trust_counts) for kind in KINDS]


async def _copy_kind(
    source: Store, target: Store, kind: str, progress: Progress, trust_counts: bool
) -> Copied:
    there = {(each.aid, each.first_round): each.records for each in await target.stretches(kind)}
    wanted = await source.stretches(kind)
    total = sum(each.records for each in wanted)
    done = copied = compared = 0
    for each in wanted:
        known = there.get((each.aid, each.first_round), 0)
        if known < each.records:
            copied += await _copy_stretch(source, target, kind, each)
        if known != each.records or not trust_counts:
            compared += await _compare(source, target, kind, each)
        done += each.records
        progress(kind, done, total)
    return Copied(kind=kind, records=total, copied=copied, compared=compared)


async def _copy_stretch(source: Store, target: Store, kind: str, stretch: Stretch) -> int:
    stored = 0
    async for batch in _batches(_records(source, kind, stretch)):
        stored += (await target.add(kind, batch)).stored
    return stored


async def _compare(source: Store, target: Store, kind: str, stretch: Stretch) -> int:
    """See that the target has all rounds of the source as they are there; how many records that are."""
    ours = await _digests(source, kind, stretch)
    theirs = await _digests(target, kind, stretch)
    for round_id, (records, digest) in ours.items():
        found = theirs.get(round_id, (0, b""))
        if found != (records, digest):
            # More came to the source since, or the target has records of its own: told apart one by one.
            await _compare_round(source, target, kind, Stretch(stretch.aid, round_id, records))
    return sum(records for records, _ in ours.values())


async def _compare_round(source: Store, target: Store, kind: str, at: Stretch) -> None:
    async for record in source.records_between(kind, at.aid, at.first_round, at.first_round):
        found = await target.get(kind, at.aid, at.first_round, record.record_id)
        if found is not None and found != record:
            raise ConflictError(
                f"{kind}: record {record.record_id} of account group {at.aid} is another one in the target"
            )
        if found is None:
            await target.add(kind, [record])


async def _digests(store: Store, kind: str, stretch: Stretch) -> dict[int, tuple[int, bytes]]:
    """How many records each round has, and the digest of them all."""
    found: dict[int, tuple[int, bytes]] = {}
    last = stretch.first_round + STRETCH_S - 1
    digest, records, round_id = hashlib.sha256(), 0, None
    async for record in store.records_between(kind, stretch.aid, stretch.first_round, last):
        if record.round_id != round_id:
            if round_id is not None:
                found[round_id] = records, digest.digest()
            digest, records, round_id = hashlib.sha256(), 0, record.round_id
        digest.update(_encode(structs.astuple(record)))
        records += 1
    if round_id is not None:
        found[round_id] = records, digest.digest()
    return found


def _records(store: Store, kind: str, stretch: Stretch) -> AsyncIterator[Record]:
    last = stretch.first_round + STRETCH_S - 1
    return store.records_between(kind, stretch.aid, stretch.first_round, last)


async def _batches(records: AsyncIterator[Record]) -> AsyncIterator[list[Record]]:
    batch: list[Record] = []
    size = 0
    async for record in records:
        batch.append(record)
        size += len(record.body) + len(record.detail or b"")
        if len(batch) >= BATCH_RECORDS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
