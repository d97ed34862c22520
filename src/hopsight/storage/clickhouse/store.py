"""A store on ClickHouse: one server, or a cluster of shards and replicas.

The tables are made and brought up to date by ``hopsight admin store``; a store looks once whether they are
there.
"""

# ruff: noqa: S608 - values become literals in queries.py

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

import structlog

from hopsight.clock import Clock
from hopsight.errors import ConfigError, StoreUnavailableError
from hopsight.model.aggregates import Group, GroupOrder, Measurement, Summary
from hopsight.model.kinds import KINDS
from hopsight.model.query import PageOf, Query, Record
from hopsight.storage.clickhouse.address import Address
from hopsight.storage.clickhouse.aggregates import Aggregates
from hopsight.storage.clickhouse.client import Client
from hopsight.storage.clickhouse.pages import Pages
from hopsight.storage.clickhouse.queries import number, text
from hopsight.storage.clickhouse.quorum import Quorum
from hopsight.storage.clickhouse.removal import DAY_S, RECORD_SELECT, Removal, read_records
from hopsight.storage.clickhouse.row_binary import read_int64, read_rows
from hopsight.storage.clickhouse.schema import Names, Status, read_status, refuse_newer
from hopsight.storage.clickhouse.settled import Settled
from hopsight.storage.clickhouse.writer import Writer
from hopsight.storage.store import Added, Erased, Stretch, digest_of

ERASE_ROUNDS: Final = 5

_log = structlog.get_logger(__name__)


class ClickHouseStore:
    """A store in the database that ``address`` names.

    Args:
        address: where ClickHouse is.
        clock: the time.
    """

    prune_step_s = DAY_S

    def __init__(self, address: Address, clock: Clock) -> None:
        self._address = address
        self._clock = clock
        self._client = Client(address, clock)
        self._names = Names(address)
        self._pages = Pages(self._client, self._names)
        self._settled = Settled(self._client, self._names, clock)
        self._aggregates = Aggregates(self._client, self._settled)
        self._removal = Removal(self._client, self._names, clock)
        self._writer: Writer | None = None
        self._newest: dict[tuple[str, int], int] = {}
        self._opening = asyncio.Lock()
        self._closed = False

    async def check(self) -> None:
        """See once that the tables are there and of a version that this program may use."""
        await self._look()

    async def add(self, kind: str, records: Sequence[Record]) -> Added:
        """Keep records: on return all of them are on a quorum of replicas."""
        return await (await self._open()).add(kind, records)

    async def page(self, query: Query) -> PageOf:
        """Answer a question, bodies in order of ``(round_id, record_id)``."""
        await self._open()
        return await self._pages.read(query)

    async def last_round(self, kind: str, aid: int) -> int | None:
        """The newest round that holds records of this kind and account group."""
        await self._open()
        table = self._names.table(KINDS[kind].table)
        # From where it was last time: nothing that is older needs to be looked at.
        known = self._newest.pop((kind, aid), None)
        for condition in ([] if known is None else [f" AND round_id >= {number(known)}"]) + [""]:
            rows = await self._client.execute(
                f"SELECT toInt64(count()), max(round_id) FROM {table} WHERE aid = {number(aid)}{condition}"
                " FORMAT RowBinary"
            )
            count, newest = next(read_rows(rows, (read_int64, read_int64)), (0, 0))
            if count:
                self._newest[kind, aid] = newest
                return int(newest)
        return None

    async def get(self, kind: str, aid: int, round_id: int, record_id: str) -> Record | None:
        """One record, whole: with its detail."""
        await self._open()
        rows = await self._client.execute(
            f"SELECT {RECORD_SELECT} FROM {self._names.table(KINDS[kind].table)} FINAL"
            f" WHERE aid = {number(aid)} AND round_id = {number(round_id)} AND id = {text(record_id)}"
            " LIMIT 1 FORMAT RowBinary"
        )
        return next(iter(read_records(rows)), None)

    async def count_by(self, query: Query, column: str) -> dict[str | None, int]:
        """How many of the records there are of each value of ``column``, a field of ``Dimensions``."""
        await self._open()
        return await self._aggregates.count_by(query, column)

    async def summarize(self, query: Query, bucket_s: int) -> Summary:
        """What all records that a question admits come to, in whole and in buckets."""
        await self._open()
        return await self._aggregates.summarize(query, bucket_s)

    async def rank(
        self, query: Query, column: str, *, bucket_s: int, order: GroupOrder, limit: int
    ) -> list[Group]:
        """What they come to by value of a dimension."""
        await self._open()
        return await self._aggregates.rank(query, column, bucket_s=bucket_s, order=order, limit=limit)

    async def prepare(self, kind: str, aid: int, first_round: int, last_round: int) -> None:
        """Have days that are over merged, of all account groups: charts of them are quicker then."""
        del aid
        await self._open()
        await self._settled.merge(kind, first_round, last_round)

    async def measurements(self, query: Query) -> list[Measurement]:
        """The dimensions and numbers of all records that a question admits."""
        await self._open()
        return await self._aggregates.measurements(query)

    async def prune(self, kind: str, before_round: int) -> int:
        """Delete whole rounds older than ``before_round``, in all account groups."""
        await self._open()
        return await self._removal.prune(kind, before_round)

    async def count_of(self, agent_id: str) -> dict[str, int]:
        """How many rows each table has of an agent, in all account groups."""
        await self._open()
        return await self._removal.count_of(agent_id)

    async def records_of(self, agent_id: str) -> AsyncIterator[tuple[str, Record]]:
        """Every record of an agent with its kind and detail, a few hundred at a time."""
        await self._open()
        async for found in self._removal.records_of(agent_id):
            yield found

    async def erase(self, agent_id: str) -> list[Erased]:
        """Remove all of an agent's records and details, and take no more of it, ever."""
        await self._open()
        # First: from here on nobody adds anything, and who was about to removes it itself (writer.py).
        await self._removal.refuse([digest_of(agent_id)], await self._everywhere())
        before = await self.count_of(agent_id)
        for _ in range(ERASE_ROUNDS):
            left = await self.count_of(agent_id)
            if not any(left.values()):
                break
            for kind in KINDS.values():
                if left[kind.table]:
                    await self._removal.erase(kind.name, frozenset({agent_id}))
        after = await self.count_of(agent_id)
        return [Erased(table=table, found=found, left=after[table]) for table, found in before.items()]

    async def sweep(self) -> None:
        """Wait until the files of what was erased are gone."""
        await self._open()
        await self._removal.sweep()

    async def stretches(self, kind: str) -> list[Stretch]:
        """Where there are records of a kind, in order of account group, then time."""
        await self._open()
        return await self._removal.stretches(KINDS[kind])

    async def records_between(
        self, kind: str, aid: int, first_round: int, last_round: int
    ) -> AsyncIterator[Record]:
        """Records with their details in order, a few hundred at a time."""
        await self._open()
        async for record in self._removal.between(KINDS[kind], aid, first_round, last_round):
            yield record

    async def erased(self) -> list[bytes]:
        """SHA-256 of the IDs of the agents that were erased."""
        await self._open()
        return await self._removal.erased()

    async def refuse(self, digests: Sequence[bytes]) -> None:
        """Take no more of some agents."""
        await self._open()
        if digests:
            await self._removal.refuse(digests, await self._everywhere())

    async def close(self) -> None:
        """Store what waits, and let go of the connections."""
        self._closed = True
        if self._writer is not None:
            await self._writer.close()
        await self._client.close()

    async def _open(self) -> Writer:
        """The writer, once tables were looked at; wrong ones are no fault of who waits for an answer."""
        try:
            return await self._look()
        except ConfigError as error:
            _log.error("the store cannot be used", reason=str(error))
            raise StoreUnavailableError("The store cannot be used: see the server's log") from None

    async def _look(self) -> Writer:
        if self._closed:
            raise StoreUnavailableError("The store is closed")
        if self._writer is None:
            async with self._opening:
                if self._writer is None:
                    status = await read_status(self._client, self._address)
                    _refuse_unusable(status)
                    quorum = Quorum(self._client, self._address, self._clock, status)
                    merge_s = self._address.merge_ms / 1000
                    self._writer = Writer(
                        self._client, self._names, self._clock, self._removal, merge_s, quorum
                    )
        return self._writer

    async def _everywhere(self) -> dict[str, str]:
        """Settings of an insert into a table of which all hosts have all rows: it must be on all of them."""
        if self._address.cluster is None:
            return {}
        rows = await self._client.execute(
            f"SELECT toInt64(count()) FROM system.clusters WHERE cluster = '{self._address.cluster}'"
            " FORMAT RowBinary"
        )
        (hosts,) = next(read_rows(rows, (read_int64,)))
        return {"insert_quorum": str(hosts)} if hosts > 1 else {}


def _refuse_unusable(status: Status) -> None:
    refuse_newer(status)
    if not status.version:
        accepted = "a database with our tables: hopsight admin store init --store ... makes them"
        raise ConfigError("store", "a ClickHouse database without our tables", accepted)
    if not status.is_usable:
        accepted = f"tables of version {status.known}: run hopsight admin store migrate --store ... first"
        raise ConfigError("store", f"ClickHouse tables of version {status.version}", accepted)
