"""From columns of numbers to measures: exact, in numpy, the same for every embedded store."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hopsight.errors import InvalidValueError
from hopsight.model.aggregates import (
    MAX_BUCKETS,
    MAX_GROUPS,
    Bucket,
    Group,
    GroupOrder,
    Measures,
    Summary,
)
from hopsight.model.query import Query

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Columns(Struct, frozen=True):
    """Some records as columns of equal length; NaN: not measured.

    Args:
        round_id: epoch seconds.
        group: number of the record's value of the dimension that is asked about; 0 throughout where none is.
        agent: number of its agent.
        loss_percent: as a store keeps it, likewise the next two.
        latency_ms: average RTT.
        jitter_ms: deviation of the RTTs.
    """

    round_id: Integers
    group: Integers
    agent: Integers
    loss_percent: Floats
    latency_ms: Floats
    jitter_ms: Floats


def check_buckets(query: Query, bucket_s: int) -> None:
    """See that a question can be answered.

    Raises:
        InvalidValueError: too many buckets.
    """
    count = (query.last_round - query.first_round) // bucket_s + 2
    if count > MAX_BUCKETS:
        raise InvalidValueError("bucket", f"{bucket_s} s ({count} buckets)", f"at most {MAX_BUCKETS} buckets")


def summarize(columns: Columns, bucket_s: int) -> Summary:
    """All of the columns, in whole and in buckets."""
    starts = columns.round_id // bucket_s * bucket_s
    buckets = tuple(
        Bucket(start_s=int(start_s), measures=_measures(columns, where)) for start_s, where in _parts(starts)
    )
    return Summary(whole=_measures(columns, np.arange(len(starts))), buckets=buckets)


def rank(
    columns: Columns,
    values: Sequence[str | None],
    query: Query,
    bucket_s: int,
    order: GroupOrder,
    limit: int,
) -> list[Group]:
    """The columns by value; ``values`` has the value of each number in ``columns.group``."""
    if not 1 <= limit <= MAX_GROUPS:
        raise InvalidValueError("limit", limit, f"1 to {MAX_GROUPS}")
    found = [(values[number], where) for number, where in _parts(columns.group)]
    ranked = sorted(
        ((value, _measures(columns, where), where) for value, where in found),
        key=lambda each: _place(each[0], each[1], order),
    )
    first = query.first_round // bucket_s
    count = query.last_round // bucket_s - first + 1
    return [
        Group(
            value=value,
            measures=measures,
            trend=_trend(columns, columns.latency_ms, where, bucket_s, first, count, median=True),
            trend_loss=_trend(columns, columns.loss_percent, where, bucket_s, first, count, median=False),
        )
        for value, measures, where in ranked[:limit]
    ]


def _place(value: str | None, measures: Measures, order: GroupOrder) -> tuple[bool, float, bool, str]:
    number = {
        "records": measures.records,
        "latency": measures.latency_p95_ms,
        "loss": measures.loss_percent,
        "jitter": measures.jitter_p50_ms,
    }[order]
    return number is None, -(number or 0.0), value is None, value or ""


def _parts(keys: Integers) -> list[tuple[int, Integers]]:
    """The places of each key, by key."""
    if not len(keys):
        return []
    order = np.argsort(keys, kind="stable")
    found, firsts = np.unique(keys[order], return_index=True)
    return list(zip(found.tolist(), np.split(order, firsts[1:]), strict=True))


def _measures(columns: Columns, where: Integers) -> Measures:
    latency = _known(columns.latency_ms[where])
    loss = _known(columns.loss_percent[where])
    p50, p95 = _percentiles(latency, (0.5, 0.95))
    (jitter,) = _percentiles(_known(columns.jitter_ms[where]), (0.5,))
    return Measures(
        records=len(where),
        agents=len(np.unique(columns.agent[where])),
        latency_p50_ms=p50,
        latency_p95_ms=p95,
        jitter_p50_ms=jitter,
        loss_percent=float(loss.mean()) if len(loss) else None,
        lossy=int((loss > 0).sum()),
        measured=len(latency),
    )


def _known(numbers: Floats) -> Floats:
    """Those that were measured, in order: sums in another order would differ in their last digits."""
    return np.sort(numbers[~np.isnan(numbers)])


def _percentiles(numbers: Floats, shares: tuple[float, ...]) -> tuple[float | None, ...]:
    """By nearest rank: each is a number that was measured."""
    if not len(numbers):
        return (None,) * len(shares)
    return tuple(float(each) for each in np.quantile(numbers, shares, method="inverted_cdf"))


def _trend(
    columns: Columns,
    numbers: Floats,
    where: Integers,
    bucket_s: int,
    first: int,
    count: int,
    *,
    median: bool,
) -> tuple[float | None, ...]:
    trend: list[float | None] = [None] * count
    for bucket, places in _parts(columns.round_id[where] // bucket_s):
        known = _known(numbers[where[places]])
        if len(known):
            trend[bucket - first] = _percentiles(known, (0.5,))[0] if median else float(known.mean())
    return tuple(trend)
