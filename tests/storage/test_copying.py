"""Moving from one store to another: all of it, once, and never over what is there."""

import random
from collections.abc import Awaitable, Callable

import pytest
from msgspec import structs

from hopsight.errors import ConflictError, StoreUnavailableError
from hopsight.model.dimensions import NETWORK_SESSIONS
from hopsight.model.kinds import KINDS
from hopsight.model.query import Record
from hopsight.storage.copying import Copied, copy_store
from hopsight.storage.memory import MemoryStore
from hopsight.storage.store import Added, Store
from hopsight.testing import ROUND_ID, sample_record

pytestmark = pytest.mark.anyio

Opened = Callable[[str], Awaitable[Store]]
AID = 7625


def silent(_kind: str, _done: int, _total: int) -> None:
    """Nobody looks."""


async def filled(rng: random.Random, store: Store) -> None:
    """Records of each kind in two account groups and three hours, and one agent erased."""
    for kind in KINDS.values():
        detail = b'{"n":1}' if kind.detail else None
        records = [
            structs.replace(sample_record(rng, aid=aid, round_id=ROUND_ID + 1_200 * step), detail=detail)
            for aid in (AID, 11)
            for step in range(8)
            for _ in range(3)
        ]
        await store.add(kind.name, records)
    await store.refuse([b"\1" * 32])


async def everything(store: Store) -> list[tuple[str, Record]]:
    return [
        (kind, record)
        for kind in KINDS
        for stretch in await store.stretches(kind)
        async for record in store.records_between(
            kind, stretch.aid, stretch.first_round, stretch.first_round + 3_599
        )
    ]


@pytest.mark.parametrize(
    ("from_", "to"),
    [("sqlite", "clickhouse"), ("clickhouse", "sqlite"), ("sqlite", "chdb"), ("memory", "sqlite")],
)
async def test_all_of_a_store_is_copied_once(opened: Opened, from_: str, to: str) -> None:
    """Every record, detail and erased agent is in the target; a second run copies nothing, compares all."""
    source, target = await opened(from_), await opened(to)
    try:
        await filled(random.Random(1), source)
        seen: list[tuple[str, int, int]] = []
        first = await copy_store(source, target, lambda *each: seen.append(each))
        assert first == [Copied(kind=kind, records=48, copied=48, compared=48) for kind in KINDS]
        assert await everything(target) == await everything(source)
        assert await target.erased() == await source.erased()
        assert [each for each in seen if each[1] == each[2]] == [(kind, 48, 48) for kind in KINDS]
        again = await copy_store(source, target, silent)
        assert again == [Copied(kind=kind, records=48, copied=0, compared=48) for kind in KINDS]
        trusted = await copy_store(source, target, silent, trust_counts=True)
        assert {(each.copied, each.compared) for each in trusted} == {(0, 0)}
    finally:
        await source.close()
        await target.close()


class Breaking(MemoryStore):
    """A store that is away after so many batches."""

    def __init__(self, batches: int) -> None:
        super().__init__()
        self.batches = batches

    async def add(self, kind: str, records: "object") -> Added:
        """Keep records, for a while."""
        if not self.batches:
            raise StoreUnavailableError("away")
        self.batches -= 1
        return await super().add(kind, records)  # type: ignore[arg-type]


async def test_a_copy_that_broke_off_goes_on(opened: Opened) -> None:
    """What was copied before the target went away is not copied again; in the end all is there."""
    source, target = await opened("sqlite"), Breaking(5)
    try:
        await filled(random.Random(2), source)
        with pytest.raises(StoreUnavailableError):
            await copy_store(source, target, silent)
        before = len(await everything(target))
        assert before
        target.batches = 1_000
        copied = await copy_store(source, target, silent)
        assert sum(each.copied for each in copied) == 48 * len(KINDS) - before
        assert await everything(target) == await everything(source)
    finally:
        await source.close()


async def test_another_record_under_the_same_id_is_told(opened: Opened) -> None:
    """Equal counts do not hide that a record differs: it is named, and neither is overwritten."""
    source, target = await opened("sqlite"), await opened("memory")
    try:
        record = sample_record(random.Random(3))
        await source.add(NETWORK_SESSIONS, [record])
        await target.add(NETWORK_SESSIONS, [structs.replace(record, body=b"{}")])
        with pytest.raises(ConflictError, match=record.record_id):
            await copy_store(source, target, silent)
        kept = await target.get(NETWORK_SESSIONS, record.aid, record.round_id, record.record_id)
        assert kept is not None
        assert kept.body == b"{}"
    finally:
        await source.close()


async def test_what_the_target_has_besides_stays(opened: Opened) -> None:
    """Records that only the target has in the same round and hour are no obstacle, and are kept."""
    rng = random.Random(4)
    source, target = await opened("sqlite"), await opened("memory")
    try:
        ours, theirs = sample_record(rng), [sample_record(rng) for _ in range(3)]
        await source.add(NETWORK_SESSIONS, [ours])
        await target.add(NETWORK_SESSIONS, theirs)
        await copy_store(source, target, silent)
        found = {record.record_id for _, record in await everything(target)}
        assert found == {ours.record_id, *(record.record_id for record in theirs)}
    finally:
        await source.close()
