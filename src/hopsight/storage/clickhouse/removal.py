"""What goes: days that are too old, as whole partitions; and single rows: parts are written anew without.

A row that is deleted is invisible once its mutation is done; its bytes lie in parts that are no longer in use
until ClickHouse removes those, by default eight minutes later (``old_parts_lifetime``).
"""

# ruff: noqa: S608 - values become literals in queries.py

from collections.abc import AsyncIterator, Sequence
from typing import Final

from hopsight.clock import Clock
from hopsight.errors import StoreUnavailableError
from hopsight.model.dimensions import Dimensions
from hopsight.model.kinds import KINDS, Kind
from hopsight.model.query import Cursor, Record
from hopsight.storage.clickhouse.client import LONG_TIMEOUT_S, Client
from hopsight.storage.clickhouse.queries import behind, between, number, text, texts
from hopsight.storage.clickhouse.row_binary import (
    DIMENSION_COLUMNS,
    NUMBER_COLUMNS,
    READ_DIMENSIONS,
    READ_NUMBERS,
    nullable,
    read_bytes,
    read_int64,
    read_rows,
    read_text,
)
from hopsight.storage.clickhouse.schema import ERASED, Names
from hopsight.storage.store import STRETCH_S, Stretch

DAY_S: Final = 86_400
POLL_S: Final = 0.1
POLLS: Final = 18_000
"""Half an hour: a mutation writes whole days anew."""
DETAILED_ROWS: Final = 200
"""Records read at a time when each may have a detail of megabytes."""
PLAIN_ROWS: Final = 5_000
"""And when none has any."""
SHORTEST_S: Final = 60
"""Rounds are not read in smaller pieces."""

_COLUMNS: Final = ("aid", "round_id", "id", *NUMBER_COLUMNS, "body", "detail", *DIMENSION_COLUMNS)


class Removal:
    """Deletes, and reads what is to be deleted."""

    def __init__(self, client: Client, names: Names, clock: Clock) -> None:
        self._client = client
        self._names = names
        self._clock = clock

    async def prune(self, kind: str, before_round: int) -> int:
        """Delete whole rounds older than ``before_round``; days that are too old as a whole cost nothing."""
        table = KINDS[kind].table
        condition = f"round_id < {number(before_round)}"
        gone = await self._count(table, condition)
        if not gone:
            return 0
        first_kept_day = before_round // DAY_S
        for day in await self._days(table):
            if day < first_kept_day:
                await self._client.execute(
                    f"ALTER TABLE {self._names.rows(table)} {self._names.on_cluster} DROP PARTITION {day}",
                    timeout_s=LONG_TIMEOUT_S,
                )
        if await self._count(table, condition):
            await self._delete(table, condition)
        return gone

    async def count_of(self, agent_id: str) -> dict[str, int]:
        """How many rows each table has of an agent."""
        return {
            kind.table: await self._count(kind.table, f"agent_id = {text(agent_id)}")
            for kind in KINDS.values()
        }

    async def refuse(self, digests: Sequence[bytes], settings: dict[str, str]) -> None:
        """Have nothing more of some agents stored."""
        values = ", ".join(f"('{digest.hex()}')" for digest in digests)
        await self._client.execute(
            f"INSERT INTO {self._names.table(ERASED)} (digest) VALUES {values}",
            settings=settings,
            timeout_s=LONG_TIMEOUT_S,
        )

    async def erased(self) -> list[bytes]:
        """The digests of all agents that were erased."""
        rows = await self._client.execute(
            f"SELECT DISTINCT digest FROM {self._names.table(ERASED)} ORDER BY digest FORMAT RowBinary"
        )
        return [bytes.fromhex(digest) for (digest,) in read_rows(rows, (read_text,))]

    async def stretches(self, kind: Kind) -> list[Stretch]:
        """Where there are records of a kind."""
        rows = await self._client.execute(
            f"SELECT aid, toInt64(intDiv(round_id, {STRETCH_S}) * {STRETCH_S}) AS first, toInt64(count())"
            f" FROM {self._names.table(kind.table)} FINAL"
            " GROUP BY aid, first ORDER BY aid, first"
            " FORMAT RowBinary",
            timeout_s=LONG_TIMEOUT_S,
        )
        return [Stretch(*row) for row in read_rows(rows, (read_int64, read_int64, read_int64))]

    async def erase(self, kind: str, agents: frozenset[str]) -> None:
        """Delete all rows of some agents; returns when nobody sees them any more."""
        await self._delete(KINDS[kind].table, f"agent_id IN ({texts(agents)})")

    async def sweep(self) -> None:
        """Wait until ClickHouse has removed the parts that are in use no more.

        Raises:
            StoreUnavailableError: it did not within half an hour.
        """
        tables = [self._names.plain_rows(kind.table) for kind in KINDS.values()]
        unused = (
            f"SELECT count() FROM {self._system('parts')}"
            f" WHERE NOT active AND database = '{self._names.plain_database}' AND table IN ({texts(tables)})"
        )
        if not await self._is_none(unused, POLLS):
            raise StoreUnavailableError("ClickHouse takes long: old files are not removed yet: ask again")

    async def records_of(self, agent_id: str) -> AsyncIterator[tuple[str, Record]]:
        """Every record of an agent with its kind, day by day."""
        for kind in KINDS.values():
            condition = f"agent_id = {text(agent_id)}"
            rows = await self._client.execute(
                f"SELECT aid, toInt64(intDiv(round_id, {DAY_S})) AS day"
                f" FROM {self._names.table(kind.table)} WHERE {condition} GROUP BY aid, day"
                " ORDER BY aid, day FORMAT RowBinary",
                timeout_s=LONG_TIMEOUT_S,
            )
            for aid, day in read_rows(rows, (read_int64, read_int64)):
                begin_s = day * DAY_S
                async for record in self.between(kind, aid, begin_s, begin_s + DAY_S - 1, condition):
                    yield kind.name, record

    async def between(
        self, kind: Kind, aid: int, first_round: int, last_round: int, condition: str = "1"
    ) -> AsyncIterator[Record]:
        """Records of an account group with their details, in order, a few hundred at a time."""
        rows_at_once = DETAILED_ROWS if kind.detail else PLAIN_ROWS
        place, length_s = Cursor(first_round, ""), SHORTEST_S
        while place.round_id <= last_round:
            end = min(place.round_id + length_s - 1, last_round)
            rows = await self._client.execute(
                f"SELECT {RECORD_SELECT} FROM {self._names.table(kind.table)} FINAL"
                f" WHERE {between(aid, place.round_id, end)} AND {behind(place)} AND {condition}"
                f" ORDER BY round_id, id LIMIT {rows_at_once} FORMAT RowBinary",
                timeout_s=LONG_TIMEOUT_S,
            )
            found = read_records(rows)
            for record in found:
                yield record
            if len(found) == rows_at_once:
                place = Cursor(found[-1].round_id, found[-1].record_id)
                length_s = max(SHORTEST_S, length_s // 2)
            else:
                place = Cursor(end + 1, "")
                length_s = length_s if len(found) > rows_at_once // 4 else length_s * 2

    async def _count(self, table: str, condition: str) -> int:
        answer = await self._client.execute(
            f"SELECT count() FROM {self._names.table(table)} FINAL WHERE {condition}",
            timeout_s=LONG_TIMEOUT_S,
        )
        return int(answer)

    async def _days(self, table: str) -> list[int]:
        """Days of which there are rows."""
        rows = await self._client.execute(
            f"SELECT DISTINCT toInt64(intDiv(round_id, {DAY_S})) AS day FROM {self._names.table(table)}"
            " ORDER BY day FORMAT RowBinary",
            timeout_s=LONG_TIMEOUT_S,
        )
        return [day for (day,) in read_rows(rows, (read_int64,))]

    async def _delete(self, table: str, condition: str) -> None:
        await self._client.execute(
            f"ALTER TABLE {self._names.rows(table)} {self._names.on_cluster} DELETE WHERE {condition}",
            timeout_s=LONG_TIMEOUT_S,
        )
        rows = self._names.plain_rows(table)
        waiting = (
            f"SELECT count() FROM {self._system('mutations')}"
            f" WHERE NOT is_done AND database = '{self._names.plain_database}' AND table = '{rows}'"
        )
        if not await self._is_none(waiting, POLLS):
            raise StoreUnavailableError("ClickHouse takes long: records are not deleted yet: ask again")

    def _system(self, table: str) -> str:
        """A table that tells of the server; on a cluster, of one replica of each shard."""
        if self._names.cluster is None:
            return f"system.{table}"
        return f"cluster('{self._names.cluster}', system, {table})"

    async def _is_none(self, sql: str, polls: int) -> bool:
        """Whether a count is zero by now, or becomes so while we look."""
        for _ in range(polls):
            if not int(await self._client.execute(sql)):
                return True
            await self._clock.sleep(POLL_S)
        return False


RECORD_SELECT: Final = ", ".join(_COLUMNS)
"""What ``read_records`` reads."""


def read_records(rows: bytes) -> list[Record]:
    """Whole records out of what ``RECORD_SELECT`` selects."""
    columns = (read_int64, read_int64, read_text, *READ_NUMBERS, read_bytes, nullable(read_bytes))
    found = []
    for row in read_rows(rows, (*columns, *READ_DIMENSIONS)):
        aid, round_id, record_id, loss_percent, latency_ms, jitter_ms, body, detail, *dimensions = row
        found.append(
            Record(
                aid=aid,
                round_id=round_id,
                record_id=record_id,
                dimensions=Dimensions(**dict(zip(DIMENSION_COLUMNS, dimensions, strict=True))),
                loss_percent=loss_percent,
                latency_ms=latency_ms,
                jitter_ms=jitter_ms,
                body=body,
                detail=detail,
            )
        )
    return found
