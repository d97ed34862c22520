"""Days of which no record can be there twice: charts of them need no ``FINAL``, which takes most of the time.

A day that lies in one part, made by a merge, has each key once: ``ReplacingMergeTree`` sees to that. Which
days do is asked before a chart is worked out and after it: if a part came in between, the answer is not used.
Days that are over are merged into one part by ``merge``, which is what ``Store.prepare`` is for.

On one server alone: on a cluster replicas merge at times of their own, so there no day is settled.
"""

# ruff: noqa: S608 - names are those that address.py has checked, values are numbers

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from hopsight.clock import Clock
from hopsight.model.kinds import KINDS
from hopsight.model.query import Query
from hopsight.storage.clickhouse.client import LONG_TIMEOUT_S, Client
from hopsight.storage.clickhouse.queries import admitted, between, filtered
from hopsight.storage.clickhouse.removal import DAY_S
from hopsight.storage.clickhouse.row_binary import read_int64, read_rows, read_text
from hopsight.storage.clickhouse.schema import Names

QUIET_S: Final = 2 * 3_600
"""A day is merged when it has been over for so long: most late records have come by then."""
MERGED_BYTES: Final = 20 << 30
"""Larger days are left to ClickHouse: to write them anew costs more than it saves."""

Parts = Mapping[int, str]
"""The one part that each settled day lies in."""
_FAR: Final = 1 << 40


class Settled:
    """Knows them.

    Args:
        client: speaks to ClickHouse.
        names: of the tables.
        clock: the time.
    """

    def __init__(self, client: Client, names: Names, clock: Clock) -> None:
        self._client = client
        self._names = names
        self._clock = clock

    async def parts(self, query: Query) -> Parts:
        """The settled days of a question's range."""
        if self._names.cluster is not None or query.first_round > query.last_round:
            return {}
        # A part with level 0 is as it was inserted: it could hold a record twice.
        condition = "count() = 1 AND min(level) > 0"
        rows = await self._ask_parts(query.kind, query.first_round, query.last_round, condition)
        return dict(rows)

    def source(self, query: Query, parts: Parts, columns: Sequence[str]) -> str:
        """What is selected from for a question: settled stretches as they are, the others with ``FINAL``."""
        table = self._names.table(KINDS[query.kind].table)
        if not parts:
            return f"{table} FINAL WHERE {admitted(query)}"
        named = ", ".join(dict.fromkeys(columns))
        arms = (
            f"SELECT {named} FROM {table}{'' if is_settled else ' FINAL'}"
            f" WHERE {between(query.aid, first, last)}{filtered(query.filters)}"
            for first, last, is_settled in _stretches(query, parts)
        )
        return f"({' UNION ALL '.join(arms)}) WHERE 1"

    async def merge(self, kind: str, first_round: int, last_round: int) -> None:
        """Have days that are over lie in one part each."""
        if self._names.cluster is not None:
            return
        over = int(self._clock.now() - QUIET_S) // DAY_S * DAY_S - 1
        condition = f"(count() > 1 OR min(level) = 0) AND sum(bytes_on_disk) < {MERGED_BYTES}"
        for day, _ in await self._ask_parts(kind, first_round, min(last_round, over), condition):
            await self._client.execute(
                f"OPTIMIZE TABLE {self._names.rows(KINDS[kind].table)} PARTITION {day} FINAL",
                timeout_s=LONG_TIMEOUT_S,
            )

    async def _ask_parts(
        self, kind: str, first_round: int, last_round: int, condition: str
    ) -> list[tuple[int, str]]:
        """Days of a range whose parts are as they should be, and the name of one of these."""
        first, last = (max(-_FAR, min(each // DAY_S, _FAR)) for each in (first_round, last_round))
        rows = await self._client.execute(
            "SELECT toInt64OrZero(partition) AS day, any(name) FROM system.parts"
            f" WHERE active AND database = '{self._names.plain_database}'"
            f" AND table = '{self._names.plain_rows(KINDS[kind].table)}' AND day BETWEEN {first} AND {last}"
            f" GROUP BY day HAVING {condition} FORMAT RowBinary"
        )
        return [(day, name) for day, name in read_rows(rows, (read_int64, read_text))]


def _stretches(query: Query, parts: Parts) -> Iterator[tuple[int, int, bool]]:
    """A range cut where settled days begin and end."""
    first = query.first_round
    while first <= query.last_round:
        is_settled = first // DAY_S in parts
        # Few days are settled, and a range may be as wide as its asker likes.
        ends = [day * DAY_S for day in parts if day * DAY_S > first] if not is_settled else []
        last = (min(ends) if ends else query.last_round + 1) - 1
        if is_settled:
            day = first // DAY_S
            while day + 1 in parts:
                day += 1
            last = (day + 1) * DAY_S - 1
        last = min(last, query.last_round)
        yield first, last, is_settled
        first = last + 1
