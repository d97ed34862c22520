"""The default store: one SQLite file, one thread that writes, reads beside it (WAL).

Where a read runs: a page without filters that skips little takes a millisecond or two, and so do
``last_round`` and ``get``: these run on the event loop itself, as handing them to a thread costs more than it
saves. All else (filters, long skips, counts) may take longer, and runs in a thread with its own connection;
charts and ranks in another one.

What ``prune`` frees is used again by new records; the file does not shrink.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import apsw

from hopsight.errors import StoreUnavailableError
from hopsight.model.aggregates import Group, GroupOrder, Measurement, Summary
from hopsight.model.kinds import KINDS
from hopsight.model.query import PageOf, Query, Record
from hopsight.storage.sqlite_agent import (
    Place,
    count_orphans,
    count_rows,
    read_between,
    read_dims,
    read_some,
    read_stretches,
    spans_of,
    sweep,
)
from hopsight.storage.sqlite_aggregates import Aggregates, read_measurements
from hopsight.storage.sqlite_columns import ColumnReader
from hopsight.storage.sqlite_erase import read_erased
from hopsight.storage.sqlite_file import open_reader, open_writer, unavailable
from hopsight.storage.sqlite_query import bounded, read_counts, read_last_round, read_page, read_record
from hopsight.storage.sqlite_rows import Rows
from hopsight.storage.sqlite_writer import Writer
from hopsight.storage.store import Added, Erased, Stretch

SHORT_SKIP: Final = 2_000
MAX_WAITING_READS: Final = 64
LONG_RANGE_S: Final = 6 * 3_600
"""Ranges of which charts keep the most in memory."""

_CLOSED: Final = "The store is closed"

T = TypeVar("T")


class SqliteStore:
    """A store in the file at ``path``, which is made when there is none.

    Raises:
        ConfigError: the file is not ours, or is of a newer version.
        StoreUnavailableError: it cannot be opened.
    """

    prune_step_s = 1

    def __init__(self, path: Path) -> None:
        self._path = path
        connection = open_writer(path)
        self._rows = Rows(connection)
        self._writer = Writer(connection, self._rows.forget)
        self._reader = open_reader(path)
        self._long_reads = _LongReads(path)
        # Apart from the others: a first look at a week of a large store may take many seconds.
        self._charts = _LongReads(path, "store-charts")
        self._columns = ColumnReader(
            self._charts.connection,
            lambda job: self._writer.submit(lambda: job(connection)),
            lambda: self._charts.closed,
        )
        self._aggregates = Aggregates(self._charts.connection, self._columns)
        self._closed = False

    async def check(self) -> None:
        """It is as it was opened."""

    async def add(self, kind: str, records: Sequence[Record]) -> Added:
        """Keep records: on return all of them are on disk. One whose ID is known is left as it was."""
        return await self._write(lambda: self._rows.add(kind, records), len(records))

    async def page(self, query: Query) -> PageOf:
        """Answer a question, bodies in order of ``(round_id, record_id)``."""
        if query.filters or query.skip > SHORT_SKIP:
            return await self._long_reads.run(lambda connection: read_page(connection, query))
        with unavailable():
            return read_page(self._reader, query)

    async def last_round(self, kind: str, aid: int) -> int | None:
        """The newest round that holds records of this kind and account group."""
        with unavailable():
            return read_last_round(self._reader, kind, aid)

    async def get(self, kind: str, aid: int, round_id: int, record_id: str) -> Record | None:
        """One record, whole."""
        with unavailable():
            return read_record(self._reader, kind, aid, round_id, record_id)

    async def count_by(self, query: Query, column: str) -> dict[str | None, int]:
        """How many of the records there are of each value of ``column``, a field of ``Dimensions``."""
        # What somebody looks at is in memory and is counted there, but not behind a chart that takes seconds.
        if self._charts.is_idle and query.last_round - query.first_round >= LONG_RANGE_S:
            found = await self._charts.run(lambda _: self._aggregates.counts(query, column))
            if found is not None:
                return found
        return await self._long_reads.run(lambda connection: read_counts(connection, query, column))

    async def summarize(self, query: Query, bucket_s: int) -> Summary:
        """What all records that a question admits come to, in whole and in buckets."""
        return await self._charts.run(lambda _: self._aggregates.summary(query, bucket_s))

    async def rank(
        self, query: Query, column: str, *, bucket_s: int, order: GroupOrder, limit: int
    ) -> list[Group]:
        """What they come to by value of a dimension."""
        return await self._charts.run(lambda _: self._aggregates.ranks(query, column, bucket_s, order, limit))

    async def prepare(self, kind: str, aid: int, first_round: int, last_round: int) -> None:
        """Have chunks made of what is settled in a range."""
        place = KINDS[kind].table, aid, first_round, last_round
        await self._charts.run(lambda _: self._columns.prepare(self._columns.range(*place)))

    async def measurements(self, query: Query) -> list[Measurement]:
        """The dimensions and numbers of all records that a question admits."""
        return await self._long_reads.run(lambda connection: read_measurements(connection, query))

    async def prune(self, kind: str, before_round: int) -> int:
        """Delete whole rounds older than ``before_round``, in short transactions between those of ``add``."""
        removed = 0
        while step := await self._write(lambda: self._rows.prune_rows(kind, before_round)):
            removed += step
        behind: int | None = 0 if removed else None
        while behind is not None:
            behind = await self._prune_dims(kind, behind)
        return removed

    async def count_of(self, agent_id: str) -> dict[str, int]:
        """How many rows each table has of an agent, in all account groups."""
        return await self._long_reads.run(lambda connection: count_rows(connection, agent_id))

    async def records_of(self, agent_id: str) -> AsyncIterator[tuple[str, Record]]:
        """Every record of an agent with its kind and detail, a few hundred at a time."""
        for kind in KINDS.values():
            for dim in await self._long_reads.run(partial(read_dims, kind=kind, agent_id=agent_id)):
                place = Place(dim, -1, "")
                while found := await self._long_reads.run(partial(read_some, kind=kind, place=place)):
                    for record in found:
                        yield kind.name, record
                    place = Place(dim, found[-1].round_id, found[-1].record_id)

    async def erase(self, agent_id: str) -> list[Erased]:
        """Remove all of an agent's records and details, and take no more of it, ever."""
        # First: from here on nobody adds anything, whatever process has the file open.
        await self._write(lambda: self._rows.mark_erased(agent_id))
        before = await self.count_of(agent_id)
        spans = await self._long_reads.run(lambda connection: spans_of(connection, agent_id))
        for kind in KINDS.values():
            while await self._write(partial(self._rows.erase_some, kind.name, agent_id)):
                pass
        after = await self.count_of(agent_id)
        orphans = await self._long_reads.run(lambda connection: count_orphans(connection, spans))
        return [
            Erased(table=table, found=found, left=after[table] + orphans.get(table, 0))
            for table, found in before.items()
        ]

    async def sweep(self) -> None:
        """Write the file anew, so that the bytes of what was erased are gone."""
        await asyncio.to_thread(sweep, self._path)

    async def stretches(self, kind: str) -> list[Stretch]:
        """Where there are records of a kind, in order of account group, then time."""
        return await self._long_reads.run(partial(read_stretches, kind=KINDS[kind]))

    async def records_between(
        self, kind: str, aid: int, first_round: int, last_round: int
    ) -> AsyncIterator[Record]:
        """Records with their details in order, a few hundred at a time."""
        place = bounded(first_round), ""
        last = bounded(last_round)
        read = partial(read_between, kind=KINDS[kind], aid=aid, last_round=last)
        while found := await self._long_reads.run(partial(read, place=place)):
            for record in found:
                yield record
            place = found[-1].round_id, found[-1].record_id

    async def erased(self) -> list[bytes]:
        """SHA-256 of the IDs of the agents that were erased."""
        return await self._long_reads.run(read_erased)

    async def refuse(self, digests: Sequence[bytes]) -> None:
        """Take no more of some agents."""
        await self._write(lambda: self._rows.refuse(digests))

    async def close(self) -> None:
        """Store what is queued, break off long reads, and let go of the file."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._close_threads)
        self._reader.close()

    async def _prune_dims(self, kind: str, behind: int) -> int | None:
        return await self._write(lambda: self._rows.prune_dims(kind, behind))

    async def _write(self, job: Callable[[], T], weight: int = 0) -> T:
        return await asyncio.wrap_future(self._writer.submit(job, weight))

    def _close_threads(self) -> None:
        self._charts.close()
        self._long_reads.close()
        self._writer.close()


class _LongReads:
    """A thread for reads that could hold up the event loop, with its own connection.

    Only two, for charts and for all else: few threads keep the GIL's convoys short, and a slow question waits
    only for others like it.
    """

    def __init__(self, path: Path, name: str = "store-reader") -> None:
        self.connection = open_reader(path)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._waiting = 0
        self.closed = False

    async def run(self, read: Callable[[apsw.Connection], T]) -> T:
        """Run ``read`` in the thread.

        Raises:
            StoreUnavailableError: too many reads are waiting, or SQLite failed.
        """
        if self._waiting >= MAX_WAITING_READS:
            raise StoreUnavailableError("The store is busy: too many questions are waiting")
        if self.closed:
            raise StoreUnavailableError(_CLOSED)
        self._waiting += 1
        try:
            with unavailable():
                return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, read)
        finally:
            self._waiting -= 1

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits."""
        return not self._waiting

    def close(self) -> None:
        """Break off the read that runs and those that wait. Blocks."""
        self.closed = True
        self.connection.interrupt()
        self._thread.shutdown()
        self.connection.close()

    def _read(self, read: Callable[[apsw.Connection], T]) -> T:
        # Those that wait at close end here: cancelled futures would look as if their tasks were cancelled.
        if self.closed:
            raise StoreUnavailableError(_CLOSED)
        return read(self.connection)
