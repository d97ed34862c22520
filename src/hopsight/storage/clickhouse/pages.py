"""Pages of ClickHouse: stretch by stretch, as old servers do not read in order of the key and then stop.

A stretch as long as it should take to fill a page is asked first; then ever longer ones, until the page is
full or the range is over. What stretches held is remembered for the next question of the same sort.
"""

# ruff: noqa: S608 - values become literals in queries.py

from collections import OrderedDict
from typing import Final

from msgspec import structs

from hopsight.model.kinds import KINDS
from hopsight.model.query import Cursor, Filter, PageOf, Query
from hopsight.storage.clickhouse.client import LONG_TIMEOUT_S, Client
from hopsight.storage.clickhouse.queries import admitted, behind, between, filtered
from hopsight.storage.clickhouse.row_binary import read_bytes, read_int64, read_rows, read_text
from hopsight.storage.clickhouse.schema import Names

FIRST_STRETCH_S: Final = 600
GROWTH: Final = 8
STRETCHES: Final = 5
"""After so many, all that is left is asked at once."""
WIDE_S: Final = FIRST_STRETCH_S * GROWTH**3
"""When the first stretch of a longer range is empty, it is asked where its records begin."""
SPARE: Final = 1.2
HINTS: Final = 1_000

_Sort = tuple[str, int, tuple[Filter, ...]]


class Pages:
    """Answers ``Store.page``."""

    def __init__(self, client: Client, names: Names) -> None:
        self._client = client
        self._names = names
        self._stretch_s: OrderedDict[_Sort, int] = OrderedDict()

    async def read(self, query: Query) -> PageOf:
        """Bodies in order, and the place of the last if there are more behind it."""
        if query.skip:
            query = await self._skipped(query)
        filters = filtered(query.filters)  # first: a column that is none is told whatever is stored
        first = query.first_round
        if query.after is not None:
            first = max(first, query.after.round_id)
        wanted = query.limit + 1
        found = await self._read_stretches(query, filters, first, wanted)
        if len(found) >= wanted:
            self._learn(query, found, wanted)
        more = len(found) > query.limit
        del found[query.limit :]
        place = Cursor(found[-1][0], found[-1][1]) if more and found else None
        return PageOf([body for _, _, body in found], place)

    async def _read_stretches(
        self, query: Query, filters: str, begin: int, wanted: int
    ) -> list[tuple[int, str, bytes]]:
        found: list[tuple[int, str, bytes]] = []
        length_s = self._stretch_s.get(_sort_of(query), FIRST_STRETCH_S)
        asked = 0
        while begin <= query.last_round and len(found) < wanted:
            end = query.last_round if asked == STRETCHES else min(begin + length_s - 1, query.last_round)
            some = await self._stretch(query, filters, begin, end, wanted - len(found))
            found += some
            if not asked and not some and query.last_round - end > WIDE_S:
                # Perhaps its records begin much later: where, costs as much as some stretches.
                end = await self._begin(query, end + 1) - 1
            begin, length_s, asked = end + 1, length_s * GROWTH, asked + 1
        return found

    async def _stretch(
        self, query: Query, filters: str, begin: int, end: int, limit: int
    ) -> list[tuple[int, str, bytes]]:
        after = f" AND {behind(query.after)}" if query.after is not None else ""
        rows = await self._client.execute(
            f"SELECT round_id, id, body FROM {self._names.table(KINDS[query.kind].table)} FINAL"
            f" WHERE {between(query.aid, begin, end)}{after}{filters}"
            f" ORDER BY round_id, id LIMIT {limit} FORMAT RowBinary",
            timeout_s=LONG_TIMEOUT_S if query.filters else 2 * 15.0,
        )
        return list(read_rows(rows, (read_int64, read_text, read_bytes)))

    async def _begin(self, query: Query, first: int) -> int:
        """The first round of a range that has records."""
        table = self._names.table(KINDS[query.kind].table)
        rows = await self._client.execute(
            f"SELECT count(), min(round_id) FROM {table} WHERE {between(query.aid, first, query.last_round)}"
            " FORMAT RowBinary"
        )
        count, oldest = next(read_rows(rows, (read_int64, read_int64)), (0, 0))
        return max(first, oldest) if count else query.last_round + 1

    async def _skipped(self, query: Query) -> Query:
        """The question behind what is to be left out."""
        after = f" AND {behind(query.after)}" if query.after is not None else ""
        skip = min(query.skip, (1 << 63) - 1)
        rows = await self._client.execute(
            f"SELECT round_id, id FROM {self._names.table(KINDS[query.kind].table)} FINAL"
            f" WHERE {admitted(query)}{after} ORDER BY round_id, id LIMIT {skip - 1}, 1 FORMAT RowBinary",
            timeout_s=LONG_TIMEOUT_S,
        )
        last = next(read_rows(rows, (read_int64, read_text)), None)
        if last is None:
            return structs.replace(query, first_round=query.last_round + 1, after=None, skip=0)
        return structs.replace(query, after=Cursor(*last), skip=0)

    def _learn(self, query: Query, found: list[tuple[int, str, bytes]], wanted: int) -> None:
        """Remember how long a stretch was that filled a page."""
        span_s = found[-1][0] - found[0][0] + 60
        self._stretch_s[_sort_of(query)] = max(60, int(span_s * SPARE * wanted / len(found)))
        self._stretch_s.move_to_end(_sort_of(query))
        if len(self._stretch_s) > HINTS:
            self._stretch_s.popitem(last=False)


def _sort_of(query: Query) -> _Sort:
    return query.kind, query.aid, query.filters
