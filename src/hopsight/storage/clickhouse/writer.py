"""Many uploads into few inserts: what waits when ClickHouse is free goes into one, and is answered after it.

Every insert makes a part on disk that ClickHouse has to merge later, and takes as long for one record as for
thousands. So inserts into a table begin no closer together than ``Address.merge_ms``, and who comes meanwhile
waits for the next: but never more than a bound, beyond which uploads are told to come again.

On a cluster, what is known is inserted again all the same: it may be known to one replica alone, by an insert
that never came to its quorum, and nobody may be told that it is safe.

The first of an ID stays: IDs that are known are looked up, and left out. Should two servers store one at the
same time, both rows are there until ClickHouse merges them; the one with the higher version is read by
everybody from the start, and versions fall as time goes on.
"""

# ruff: noqa: S608 - values become literals in queries.py

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from hopsight.clock import Clock
from hopsight.errors import ErasedError, HopsightError, StoreUnavailableError
from hopsight.model.kinds import KINDS
from hopsight.model.query import Record
from hopsight.storage.clickhouse.client import Client
from hopsight.storage.clickhouse.queries import number, text, texts
from hopsight.storage.clickhouse.quorum import Quorum
from hopsight.storage.clickhouse.removal import Removal
from hopsight.storage.clickhouse.row_binary import (
    RECORD_COLUMNS,
    read_int64,
    read_rows,
    read_text,
    write_record,
    write_uint64,
)
from hopsight.storage.clickhouse.schema import ERASED, Names
from hopsight.storage.store import Added, digest_of

MAX_WAITING_BYTES: Final = 64 << 20
"""Of encoded records of all kinds; a batch beyond it is taken when nothing else waits."""
MAX_INSERT_RECORDS: Final = 10_000
MAX_INSERT_BYTES: Final = 16 << 20
INSERT_TIMEOUT_S: Final = 30.0
KEYS_A_LOOKUP: Final = 2_000
_NEWEST: Final = (1 << 64) - 1

Key = tuple[int, int, str]
"""Account group, round, ID."""


class _Batch(Struct):
    """What one caller gave.

    Args:
        rows: encoded, in the order given.
        keys: of each.
        agents: whose they are.
        size: bytes.
        answer: for who waits.
    """

    rows: list[bytes]
    keys: list[Key]
    agents: frozenset[str]
    size: int
    answer: asyncio.Future[Added]


class Writer:
    """Inserts what it is given.

    Args:
        client: speaks to ClickHouse.
        names: of the tables.
        clock: the time.
        removal: deletes.
        merge_s: how far apart inserts into one table begin, at least.
        quorum: sees to copies.
    """

    def __init__(
        self,
        client: Client,
        names: Names,
        clock: Clock,
        removal: Removal,
        merge_s: float,
        quorum: Quorum,
    ) -> None:
        self._client = client
        self._names = names
        self._clock = clock
        self._removal = removal
        self._merge_s = merge_s
        self._quorum = quorum
        self._waiting: defaultdict[str, deque[_Batch]] = defaultdict(deque)
        self._waiting_bytes = 0
        self._running: dict[str, asyncio.Task[None]] = {}
        self._closing = False

    async def add(self, kind: str, records: Sequence[Record]) -> Added:
        """Keep records; answers when all of them are on as many replicas as the quorum asks for.

        Raises:
            ErasedError: one is of an agent that was erased; none is kept.
            StoreUnavailableError: too much is waiting, or ClickHouse could not take them.
        """
        if self._closing:
            raise StoreUnavailableError("The store is closed")
        if not records:
            return Added(stored=0, duplicates=0)
        has_detail = KINDS[kind].detail is not None
        rows = [write_record(each, has_detail=has_detail) for each in records]
        size = sum(map(len, rows))
        if self._waiting_bytes and self._waiting_bytes + size > MAX_WAITING_BYTES:
            raise StoreUnavailableError("The store is busy: too many records are waiting to be written")
        batch = _Batch(
            rows,
            [(each.aid, each.round_id, each.record_id) for each in records],
            frozenset(each.dimensions.agent_id for each in records),
            size,
            asyncio.get_running_loop().create_future(),
        )
        self._waiting[kind].append(batch)
        self._waiting_bytes += size
        if kind not in self._running:
            self._running[kind] = asyncio.create_task(self._run(kind))
        return await batch.answer

    async def close(self) -> None:
        """Store what waits."""
        self._closing = True
        while self._running:
            await asyncio.gather(*self._running.values())

    async def _run(self, kind: str) -> None:
        try:
            while group := self._take(kind):
                began_s = self._clock.monotonic()
                await self._write(kind, group)
                rest_s = began_s + self._merge_s - self._clock.monotonic()
                if rest_s > 0 and not self._closing:
                    await self._clock.sleep(rest_s)
        finally:
            del self._running[kind]

    def _take(self, kind: str) -> list[_Batch]:
        """The next batches, as many as one insert may hold: at least one."""
        waiting = self._waiting[kind]
        group: list[_Batch] = []
        records = size = 0
        while waiting:
            records += len(waiting[0].rows)
            size += waiting[0].size
            if group and (records > MAX_INSERT_RECORDS or size > MAX_INSERT_BYTES):
                break
            group.append(waiting.popleft())
        self._waiting_bytes -= sum(batch.size for batch in group)
        return [batch for batch in group if not batch.answer.done()] or (self._take(kind) if group else [])

    async def _write(self, kind: str, group: list[_Batch]) -> None:
        try:
            await self._store(kind, group)
        except HopsightError as error:
            _refuse(group, error)
        finally:
            _refuse(group, StoreUnavailableError("The store could not write"))

    async def _store(self, kind: str, group: list[_Batch]) -> None:
        agents = frozenset[str]().union(*(batch.agents for batch in group))
        known, erased = await asyncio.gather(
            self._known(kind, {key for batch in group for key in batch.keys}), self._erased(agents)
        )
        group = _without(group, erased)
        new: dict[Key, bytes] = {}
        added = []
        for batch in group:
            stored = 0
            for key, row in zip(batch.keys, batch.rows, strict=True):
                if key in new:
                    continue
                stored += key not in known
                if key not in known or self._quorum.replicas > 1:
                    new[key] = row
            added.append(Added(stored=stored, duplicates=len(batch.keys) - stored))
        if new:
            await self._insert(kind, new)
            # Who was erased since the look above was counted without these rows: they go, too.
            if erased := await self._erased(agents):
                await self._removal.erase(kind, erased)
                _without(group, erased)
        for batch, answer in zip(group, added, strict=True):
            if not batch.answer.done():
                batch.answer.set_result(answer)

    async def _known(self, kind: str, keys: set[Key]) -> set[Key]:
        """Which of some keys are stored."""
        ordered = sorted(keys)
        found: set[Key] = set()
        for begin in range(0, len(ordered), KEYS_A_LOOKUP):
            some = ordered[begin : begin + KEYS_A_LOOKUP]
            tuples = ", ".join(f"({number(aid)}, {number(at)}, {text(name)})" for aid, at, name in some)
            rows = await self._client.execute(
                f"SELECT aid, round_id, id FROM {self._names.table(KINDS[kind].table)}"
                f" WHERE aid IN ({_numbers(key[0] for key in some)})"
                f" AND round_id IN ({_numbers(key[1] for key in some)})"
                f" AND (aid, round_id, id) IN ({tuples}) FORMAT RowBinary"
            )
            found.update(read_rows(rows, (read_int64, read_int64, read_text)))
        return found

    async def _erased(self, agents: Iterable[str]) -> frozenset[str]:
        """Which of some agents were erased."""
        by_digest = {digest_of(agent_id).hex(): agent_id for agent_id in agents}
        rows = await self._client.execute(
            f"SELECT digest FROM {self._names.table(ERASED)}"
            f" WHERE digest IN ({texts(by_digest)}) FORMAT RowBinary"
        )
        return frozenset(by_digest[digest] for (digest,) in read_rows(rows, (read_text,)))

    async def _insert(self, kind: str, rows: dict[Key, bytes]) -> None:
        version = _NEWEST - int(self._clock.now() * 1e9)
        columns = [*RECORD_COLUMNS, *(["detail"] if KINDS[kind].detail is not None else []), "version"]
        table = KINDS[kind].table
        suffix = write_uint64(version)
        await self._client.execute(
            f"INSERT INTO {self._names.table(table)} ({', '.join(columns)}) FORMAT RowBinary",
            b"".join(row + suffix for row in rows.values()),
            settings=self._quorum.settings,
            timeout_s=INSERT_TIMEOUT_S,
        )
        await self._quorum.confirm(table, version, len(rows), (round_id for _, round_id, _ in rows))


def _without(group: list[_Batch], erased: frozenset[str]) -> list[_Batch]:
    """Refuse the batches that have records of agents that were erased; returns the others."""
    for batch in group:
        if batch.agents & erased and not batch.answer.done():
            refusal = ErasedError("The data of this agent was erased; nothing of it is stored again")
            batch.answer.set_exception(refusal)
    return [batch for batch in group if not batch.agents & erased]


def _refuse(group: list[_Batch], error: HopsightError) -> None:
    """Tell those who have no answer yet that nothing of theirs was acknowledged."""
    for batch in group:
        if not batch.answer.done():
            batch.answer.set_exception(error)


def _numbers(values: Iterable[int]) -> str:
    return ", ".join(number(value) for value in sorted(set(values)))
