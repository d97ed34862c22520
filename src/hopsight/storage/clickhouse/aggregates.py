"""Charts and ranks in ClickHouse's own terms: the numbers that the embedded stores say, from SQL.

Percentiles are by nearest rank. ``quantilesExact(p)`` picks the number at ``floor(p * n)`` of ``n``, from 0,
and nearest rank is ``ceil(p * n) - 1``: the same but where ``p * n`` is whole. A ``p`` that is smaller by a
hair picks that one, and no other as long as ``n`` is below some hundred millions.
"""

# ruff: noqa: S608 - values become literals in queries.py

from collections.abc import Iterable, Sequence
from math import isnan
from typing import Any, Final

from hopsight.model.aggregates import Bucket, Group, GroupOrder, Measurement, Measures, Summary
from hopsight.model.dimensions import Dimensions
from hopsight.model.query import Query
from hopsight.storage.aggregates import check_buckets, check_limit
from hopsight.storage.clickhouse.client import LONG_TIMEOUT_S, Client
from hopsight.storage.clickhouse.queries import column, text
from hopsight.storage.clickhouse.row_binary import (
    DIMENSION_COLUMNS,
    NUMBER_COLUMNS,
    READ_DIMENSIONS,
    READ_NUMBERS,
    Read,
    nullable,
    read_float64,
    read_int64,
    read_rows,
    read_text,
)
from hopsight.storage.clickhouse.settled import Settled

_HAIR: Final = 1e-10
_MEDIAN: Final = f"{0.5 - _HAIR!r}"
_P95: Final = f"{0.95 - _HAIR!r}"
# Losses are added lowest first: the sum is the same whatever order records are in, and on however many hosts.
_LOST: Final = "arraySum(arraySort(groupArrayIf(assumeNotNull(loss_percent), ifNull(loss_percent, 0) > 0)))"
_LATENCIES: Final = f"quantilesExactIf({_MEDIAN}, {_P95})(assumeNotNull(latency_ms), isNotNull(latency_ms))"
_MEASURES: Final = (
    "toInt64(count()) AS records",
    "toInt64(uniqExact(agent_id)) AS agents",
    f"{_LATENCIES} AS latencies",
    "latencies[1] AS latency_p50",
    "latencies[2] AS latency_p95",
    f"quantileExactIf({_MEDIAN})(assumeNotNull(jitter_ms), isNotNull(jitter_ms)) AS jitter_p50",
    f"toFloat64({_LOST}) AS lost",
    "toInt64(countIf(ifNull(loss_percent, 0) > 0)) AS lossy",
    "toInt64(count(loss_percent)) AS loss_known",
    "toInt64(count(latency_ms)) AS measured",
)
# Stands for what is selected from. No literal holds it: a brace is written in hexadecimal.
_SOURCE: Final = "{source}"
_MEASURED: Final = ("round_id", "agent_id", "loss_percent", "latency_ms", "jitter_ms")
_NAMES: Final = (
    "records", "agents", "latency_p50", "latency_p95", "jitter_p50", "lost",
    "lossy", "loss_known", "measured",
)  # fmt: skip
_READ_MEASURES: Final[tuple[Read, ...]] = (
    read_int64, read_int64, read_float64, read_float64, read_float64, read_float64,
    read_int64, read_int64, read_int64,
)  # fmt: skip
_ORDERS: Final[dict[GroupOrder, str]] = {
    "records": "toFloat64(records)",
    "latency": "if(measured = 0, nan, latency_p95)",
    "loss": "lost / loss_known",
    "jitter": "if(count(jitter_ms) = 0, nan, jitter_p50)",
}


class Aggregates:
    """Answers questions about many records."""

    def __init__(self, client: Client, settled: Settled) -> None:
        self._client = client
        self._settled = settled

    async def summarize(self, query: Query, bucket_s: int) -> Summary:
        """Answer ``Store.summarize``: one statement, whose last row is the whole."""
        check_buckets(query, bucket_s)
        first = query.first_round // bucket_s
        rows = await self._read(
            f"SELECT bucket, {', '.join(_NAMES)} FROM ("
            f"SELECT toInt64(intDiv(round_id, {bucket_s}) - {first} + 1) AS bucket, {', '.join(_MEASURES)}"
            f" FROM {_SOURCE} GROUP BY bucket WITH ROLLUP) ORDER BY bucket",
            (read_int64, *_READ_MEASURES),
            query,
            _MEASURED,
        )
        whole, buckets = _NOTHING, []
        for number, *values in rows:
            if number:
                buckets.append(Bucket(start_s=(first + number - 1) * bucket_s, measures=_measures(values)))
            elif values[0]:
                whole = _measures(values)
        return Summary(whole=whole, buckets=tuple(buckets))

    async def rank(
        self, query: Query, by: str, *, bucket_s: int, order: GroupOrder, limit: int
    ) -> list[Group]:
        """Answer ``Store.rank``: who is first, and then the trends of those."""
        name = column(by)
        check_buckets(query, bucket_s)
        check_limit(limit)
        number = _ORDERS[order]
        rows = await self._read(
            f"SELECT value, {', '.join(_NAMES)} FROM ("
            f"SELECT toNullable({name}) AS value, {', '.join(_MEASURES)}, {number} AS number"
            f" FROM {_SOURCE} GROUP BY value)"
            f" ORDER BY isNaN(number), number DESC, isNull(value), value LIMIT {limit}",
            (nullable(read_text), *_READ_MEASURES),
            query,
            (*_MEASURED, name),
        )
        ranked = {value: _measures(measures) for value, *measures in rows}
        if not ranked:
            return []
        trends = await self._trends(query, name, bucket_s, list(ranked))
        return [
            Group(value=value, measures=measures, trend=tuple(trend), trend_loss=tuple(losses))
            for (value, measures), (trend, losses) in zip(ranked.items(), trends, strict=True)
        ]

    async def count_by(self, query: Query, by: str) -> dict[str | None, int]:
        """Answer ``Store.count_by``."""
        name = column(by)
        rows = await self._read(
            f"SELECT toNullable({name}) AS value, toInt64(count()) FROM {_SOURCE} GROUP BY value",
            (nullable(read_text), read_int64),
            query,
            (name,),
        )
        return dict(rows)

    async def measurements(self, query: Query) -> list[Measurement]:
        """Answer ``Store.measurements``."""
        columns = (*DIMENSION_COLUMNS, *NUMBER_COLUMNS)
        rows = await self._read(
            f"SELECT {', '.join(columns)} FROM {_SOURCE}", (*READ_DIMENSIONS, *READ_NUMBERS), query, columns
        )
        known: dict[tuple[Any, ...], Dimensions] = {}
        found = []
        for row in rows:
            values = row[: len(DIMENSION_COLUMNS)]
            if values not in known:
                known[values] = Dimensions(**dict(zip(DIMENSION_COLUMNS, values, strict=True)))
            found.append(Measurement(known[values], *row[len(DIMENSION_COLUMNS) :]))
        return found

    async def _trends(
        self, query: Query, name: str, bucket_s: int, values: Sequence[str | None]
    ) -> list[tuple[list[float | None], list[float | None]]]:
        """Median latency and mean loss of each value's buckets, in order; None where nothing was measured."""
        first = query.first_round // bucket_s
        count = max(0, query.last_round // bucket_s - first + 1)
        trends: dict[Any, tuple[list[float | None], list[float | None]]] = {
            value: ([None] * count, [None] * count) for value in values
        }
        rows = await self._read(
            f"SELECT toNullable({name}) AS value, toInt64(intDiv(round_id, {bucket_s}) - {first}) AS bucket,"
            f" quantileExactIf({_MEDIAN})(assumeNotNull(latency_ms), isNotNull(latency_ms)),"
            f" toInt64(count(latency_ms)), toFloat64({_LOST}), toInt64(count(loss_percent))"
            f" FROM {_SOURCE} AND ({_one_of(name, values)}) GROUP BY value, bucket",
            (nullable(read_text), read_int64, read_float64, read_int64, read_float64, read_int64),
            query,
            (*_MEASURED, name),
        )
        for value, bucket, median_ms, measured, lost, loss_known in rows:
            trend, losses = trends[value]
            trend[bucket] = median_ms if measured else None
            losses[bucket] = lost / loss_known if loss_known else None
        return list(trends.values())

    async def _read(
        self, sql: str, columns: Sequence[Read], query: Query, named: Sequence[str]
    ) -> Iterable[tuple[Any, ...]]:
        """Ask with settled days read as they are; all with ``FINAL`` if one of them changed meanwhile."""
        settled = await self._settled.parts(query)
        answer = await self._ask(sql, self._settled.source(query, settled, named))
        if settled and await self._settled.parts(query) != settled:
            answer = await self._ask(sql, self._settled.source(query, {}, named))
        return read_rows(answer, columns)

    async def _ask(self, sql: str, source: str) -> bytes:
        return await self._client.execute(
            f"{sql.replace(_SOURCE, source)} FORMAT RowBinary", timeout_s=LONG_TIMEOUT_S
        )


def _one_of(name: str, values: Iterable[str | None]) -> str:
    known = ", ".join(text(value) for value in values if value is not None)
    conditions = [f"{name} IN ({known})"] if known else []
    if None in values:
        conditions.append(f"isNull({name})")
    return " OR ".join(conditions)


def _measures(values: Sequence[Any]) -> Measures:
    records, agents, latency_p50, latency_p95, jitter_p50, lost, lossy, loss_known, measured = values
    return Measures(
        records=records,
        agents=agents,
        latency_p50_ms=latency_p50 if measured else None,
        latency_p95_ms=latency_p95 if measured else None,
        # Of no jitters it is NaN on every version.
        jitter_p50_ms=None if isnan(jitter_p50) else jitter_p50,
        loss_percent=lost / loss_known if loss_known else None,
        lossy=lossy,
        measured=measured,
    )


_NOTHING: Final = Measures(
    records=0,
    agents=0,
    latency_p50_ms=None,
    latency_p95_ms=None,
    jitter_p50_ms=None,
    loss_percent=None,
    lossy=0,
    measured=0,
)
