"""A store that forgets: the readable definition of the contract, and quick to have in a test."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence

import numpy as np
from msgspec import structs

from hopsight.errors import ErasedError, StoreUnavailableError
from hopsight.model.aggregates import Group, GroupOrder, Measurement, Summary
from hopsight.model.dimensions import Dimensions
from hopsight.model.kinds import KINDS
from hopsight.model.query import Cursor, PageOf, Query, Record
from hopsight.storage.aggregates import (
    Asked,
    Dims,
    check_buckets,
    check_limit,
    rank,
    summarize,
)
from hopsight.storage.columns import View, columns_of
from hopsight.storage.store import STRETCH_S, Added, Erased, Stretch, digest_of


class MemoryStore:
    """Records in dictionaries, sorted anew for every question."""

    prune_step_s = 1

    def __init__(self) -> None:
        self._groups: defaultdict[tuple[str, int], dict[Cursor, Record]] = defaultdict(dict)
        self._erased: set[bytes] = set()
        self._closed = False

    async def check(self) -> None:
        """It is as it was opened."""
        self._check_open()

    async def add(self, kind: str, records: Sequence[Record]) -> Added:
        """Keep records; one whose ID is known is left as it was."""
        self._check_open()
        if any(digest_of(record.dimensions.agent_id) in self._erased for record in records):
            raise ErasedError("The data of this agent was erased; nothing of it is stored again")
        if KINDS[kind].detail is None:
            records = [structs.replace(record, detail=None) for record in records]
        stored = sum(self._add_one(kind, record) for record in records)
        return Added(stored=stored, duplicates=len(records) - stored)

    async def page(self, query: Query) -> PageOf:
        """Answer a question, bodies in order of ``(round_id, record_id)``."""
        self._check_open()
        group = self._groups.get((query.kind, query.aid), {})
        found = sorted((record for record in group.values() if _matches(record, query)), key=_order)
        rest = found[query.skip :]
        taken = rest[: query.limit]
        more = len(rest) > len(taken)
        return PageOf([record.body for record in taken], _place(taken[-1]) if more and taken else None)

    async def last_round(self, kind: str, aid: int) -> int | None:
        """The newest round that holds records of this kind and account group."""
        self._check_open()
        return max((place.round_id for place in self._groups.get((kind, aid), {})), default=None)

    async def get(self, kind: str, aid: int, round_id: int, record_id: str) -> Record | None:
        """One record, whole."""
        self._check_open()
        return self._groups.get((kind, aid), {}).get(Cursor(round_id, record_id))

    async def count_by(self, query: Query, column: str) -> dict[str | None, int]:
        """How many of the records there are of each value of ``column``, a field of ``Dimensions``."""
        self._check_open()
        if column not in Dimensions.__struct_fields__:
            raise LookupError(f"{column} is no field of Dimensions")
        group = self._groups.get((query.kind, query.aid), {}).values()
        everything = structs.replace(query, after=None)
        return dict(Counter(getattr(one.dimensions, column) for one in group if _matches(one, everything)))

    async def summarize(self, query: Query, bucket_s: int) -> Summary:
        """What all records that a question admits come to, in whole and in buckets."""
        check_buckets(query, bucket_s)
        return summarize(self._asked(query, None), query, bucket_s)

    async def rank(
        self, query: Query, column: str, *, bucket_s: int, order: GroupOrder, limit: int
    ) -> list[Group]:
        """What they come to by value of a dimension."""
        if column not in Dimensions.__struct_fields__:
            raise LookupError(f"{column} is no field of Dimensions")
        check_buckets(query, bucket_s)
        check_limit(limit)
        return rank(self._asked(query, column), query, bucket_s, order, limit)

    async def prepare(self, kind: str, aid: int, first_round: int, last_round: int) -> None:
        """All is at hand."""

    async def measurements(self, query: Query) -> list[Measurement]:
        """The dimensions and numbers of all records that a question admits."""
        self._check_open()
        everything = structs.replace(query, after=None)
        group = self._groups.get((query.kind, query.aid), {}).values()
        return [
            Measurement(each.dimensions, each.loss_percent, each.latency_ms, each.jitter_ms)
            for each in group
            if _matches(each, everything)
        ]

    def _asked(self, query: Query, column: str | None) -> Asked:
        self._check_open()
        everything = structs.replace(query, after=None)
        group = self._groups.get((query.kind, query.aid), {}).values()
        found = [record for record in group if _matches(record, everything)]
        values: dict[str | None, int] = {}
        agents: dict[str, int] = {}
        dims: dict[Dimensions, int] = {}
        numbers = [
            (
                each.round_id,
                dims.setdefault(each.dimensions, len(dims)),
                each.loss_percent,
                each.latency_ms,
                each.jitter_ms,
            )
            for each in found
        ]
        asked = [
            (
                agents.setdefault(each.agent_id, len(agents)),
                values.setdefault(getattr(each, column), len(values)) if column else 0,
            )
            for each in dims
        ]
        numbered = np.array(asked, dtype=np.int64).reshape(len(asked), 2)
        return Asked(View([columns_of(numbers)]), Dims(numbered[:, 0], numbered[:, 1], list(values)), None)

    async def prune(self, kind: str, before_round: int) -> int:
        """Delete whole rounds older than ``before_round``, in all account groups."""
        self._check_open()
        removed = 0
        for (kind_of_group, _), group in self._groups.items():
            if kind_of_group != kind:
                continue
            for place in [place for place in group if place.round_id < before_round]:
                del group[place]
                removed += 1
        return removed

    async def count_of(self, agent_id: str) -> dict[str, int]:
        """How many rows each table would have of an agent: records, and apart their details."""
        self._check_open()
        counts: dict[str, int] = {}
        for kind in KINDS.values():
            records = [record for name, record in self._of(agent_id) if name == kind.name]
            counts[kind.table] = len(records)
            if kind.detail is not None:
                counts[f"{kind.table}_detail"] = sum(record.detail is not None for record in records)
        return counts

    async def records_of(self, agent_id: str) -> AsyncIterator[tuple[str, Record]]:
        """Every record of an agent with its kind, in all account groups."""
        self._check_open()
        for found in self._of(agent_id):
            yield found

    async def erase(self, agent_id: str) -> list[Erased]:
        """Remove all of an agent's records, and take no more of it."""
        before = await self.count_of(agent_id)
        self._erased.add(digest_of(agent_id))
        for kind, record in self._of(agent_id):
            del self._groups[kind, record.aid][_place(record)]
        after = await self.count_of(agent_id)
        return [Erased(table=table, found=found, left=after[table]) for table, found in before.items()]

    async def sweep(self) -> None:
        """There are no files."""
        self._check_open()

    def _of(self, agent_id: str) -> list[tuple[str, Record]]:
        return [
            (kind, record)
            for (kind, _), group in sorted(self._groups.items())
            for record in group.values()
            if record.dimensions.agent_id == agent_id
        ]

    async def stretches(self, kind: str) -> list[Stretch]:
        """Where there are records of a kind, in order of account group, then time."""
        self._check_open()
        counts = Counter(
            (aid, place.round_id // STRETCH_S * STRETCH_S)
            for (name, aid), group in self._groups.items()
            for place in group
            if name == kind
        )
        return [Stretch(aid, first, records) for (aid, first), records in sorted(counts.items())]

    async def records_between(
        self, kind: str, aid: int, first_round: int, last_round: int
    ) -> AsyncIterator[Record]:
        """Records with their details, in order."""
        self._check_open()
        group = self._groups.get((kind, aid), {}).values()
        found = [record for record in group if first_round <= record.round_id <= last_round]
        for record in sorted(found, key=_order):
            yield record

    async def erased(self) -> list[bytes]:
        """SHA-256 of the IDs of the agents that were erased."""
        self._check_open()
        return sorted(self._erased)

    async def refuse(self, digests: Sequence[bytes]) -> None:
        """Take no more of some agents."""
        self._check_open()
        self._erased.update(digests)

    async def close(self) -> None:
        """Forget everything."""
        self._closed = True
        self._groups.clear()

    def _add_one(self, kind: str, record: Record) -> bool:
        group = self._groups[kind, record.aid]
        is_new = _place(record) not in group
        if is_new:
            group[_place(record)] = record
        return is_new

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailableError("The store is closed")


def _place(record: Record) -> Cursor:
    return Cursor(record.round_id, record.record_id)


def _order(record: Record) -> tuple[int, str]:
    return record.round_id, record.record_id


def _matches(record: Record, query: Query) -> bool:
    in_range = query.first_round <= record.round_id <= query.last_round
    behind = query.after is None or _order(record) > (query.after.round_id, query.after.record_id)
    return (
        in_range
        and behind
        and all(getattr(record.dimensions, one.column) in one.values for one in query.filters)
    )
