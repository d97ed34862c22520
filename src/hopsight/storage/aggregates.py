"""From columns of numbers to measures: exact, in numpy, the same for every embedded store.

No step looks at one record after the other. A number's column is sorted once and each record given its place
in that order (``Ranked``); what is asked afterwards sorts whole numbers, part and place in one, and picks.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
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
Numbers = NDArray[np.integer]
"""Whole numbers of any width: narrow ones are sorted in half the time."""

_NARROW: Final = 1 << 32
_MEDIAN: Final = (0.5,)
_SHARES: Final = (0.5, 0.95)


class Ranked:
    """A column of numbers, sorted, and the place of each record in that order.

    Args:
        column: NaN where it was not measured.
    """

    def __init__(self, column: Floats) -> None:
        order = np.argsort(column)
        self.sorted: Floats = column[order]
        self.known = len(column) - int(np.isnan(column).sum())
        self.place = np.empty(len(column), dtype=np.uint32)
        self.place[order] = np.arange(len(column), dtype=np.uint32)


class Columns:
    """Some records as columns of equal length.

    Args:
        round_id: epoch seconds.
        dim: number of the record's combination of dimensions, from 0.
        loss_percent: as a store keeps it, NaN where it was not measured; likewise the next two.
        latency_ms: average RTT.
        jitter_ms: deviation of the RTTs.
    """

    def __init__(
        self, round_id: Numbers, dim: Numbers, loss_percent: Floats, latency_ms: Floats, jitter_ms: Floats
    ) -> None:
        self.round_id = round_id
        self.dim = dim
        known = ~np.isnan(loss_percent)
        self.loss_known = None if known.all() else known
        lossy = np.flatnonzero(known & (loss_percent != 0))
        # Sums are always made in this order, so that they come to the same whatever order the records are in.
        self.lossy = lossy[np.argsort(loss_percent[lossy])]
        self.losses = loss_percent[self.lossy]
        self.latency = Ranked(latency_ms)
        self.jitter = Ranked(jitter_ms)

    def __len__(self) -> int:
        return len(self.round_id)

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        ranks = self.latency.sorted.nbytes + self.latency.place.nbytes
        return self.round_id.nbytes + self.dim.nbytes + self.losses.nbytes * 2 + 2 * ranks + len(self)


class Dims(NamedTuple):
    """What is asked about each combination of dimensions.

    Args:
        agent: number of its agent, from 0.
        group: number of its value, from 0; -1: the question does not admit it.
        values: the value of each number.
    """

    agent: Integers
    group: Integers
    values: Sequence[str | None]


class _Loss(NamedTuple):
    mean: Floats
    lossy: Integers


class _Parts(NamedTuple):
    """Measures of many parts, a column each; NaN: not measured."""

    records: Integers
    agents: Integers
    latency_p50_ms: Floats
    latency_p95_ms: Floats
    jitter_p50_ms: Floats
    loss_percent: Floats
    lossy: Integers
    measured: Integers

    def measures(self, part: int) -> Measures:
        """One of them."""
        return Measures(
            records=int(self.records[part]),
            agents=int(self.agents[part]),
            latency_p50_ms=_known(self.latency_p50_ms[part]),
            latency_p95_ms=_known(self.latency_p95_ms[part]),
            jitter_p50_ms=_known(self.jitter_p50_ms[part]),
            loss_percent=_known(self.loss_percent[part]),
            lossy=int(self.lossy[part]),
            measured=int(self.measured[part]),
        )


def columns_of(rows: Sequence[tuple[int, int, float | None, float | None, float | None]]) -> Columns:
    """Rows of round, number of dimensions, loss, latency and jitter as columns."""
    if not rows:
        none = np.empty(0)
        return Columns(none.astype(np.int64), none.astype(np.int64), none, none, none)
    rounds, dims, losses, latencies, jitters = zip(*rows, strict=True)
    return Columns(
        np.array(rounds, dtype=np.int64),
        np.array(dims, dtype=np.int64),
        # None becomes NaN.
        np.array(losses, dtype=np.float64),
        np.array(latencies, dtype=np.float64),
        np.array(jitters, dtype=np.float64),
    )


def check_buckets(query: Query, bucket_s: int) -> None:
    """See that a question can be answered.

    Raises:
        InvalidValueError: too many buckets.
    """
    count = (query.last_round - query.first_round) // bucket_s + 2
    if count > MAX_BUCKETS:
        raise InvalidValueError("bucket", f"{bucket_s} s ({count} buckets)", f"at most {MAX_BUCKETS} buckets")


def check_limit(limit: int) -> None:
    """See that so many groups may be asked for.

    Raises:
        InvalidValueError: too many groups, or none.
    """
    if not 1 <= limit <= MAX_GROUPS:
        raise InvalidValueError("limit", limit, f"1 to {MAX_GROUPS}")


def summarize(columns: Columns, dims: Dims, query: Query, bucket_s: int) -> Summary:
    """All of the columns that are admitted, in whole and in buckets."""
    first, count = _buckets(query, bucket_s)
    admitted = np.where(dims.group >= 0, 0, -1)
    whole = admitted.astype(np.int32).take(columns.dim)
    parts = _in_buckets(columns, whole, first, count, bucket_s)
    found = _measured(columns, parts, count, _agents_of_parts(columns, dims, parts, count))
    all_of_it = _measured(columns, whole, 1, _agents_of_groups(columns, dims.agent, admitted, 1))
    return Summary(
        whole=all_of_it.measures(0),
        buckets=tuple(
            Bucket(start_s=(first + part) * bucket_s, measures=found.measures(part))
            for part in np.flatnonzero(found.records).tolist()
        ),
    )


def rank(
    columns: Columns, dims: Dims, query: Query, bucket_s: int, order: GroupOrder, limit: int
) -> list[Group]:
    """The admitted columns by value."""
    count_of_groups = len(dims.values)
    parts = dims.group.astype(np.int32).take(columns.dim)
    agents = _agents_of_groups(columns, dims.agent, dims.group, count_of_groups)
    found = _measured(columns, parts, count_of_groups, agents)
    numbers = {
        "records": found.records.astype(np.float64),
        "latency": found.latency_p95_ms,
        "loss": found.loss_percent,
        "jitter": found.jitter_p50_ms,
    }[order].tolist()
    present = np.flatnonzero(found.records).tolist()
    ranked = sorted(present, key=lambda part: _place(dims.values[part], _known(numbers[part])))[:limit]
    first, count = _buckets(query, bucket_s)
    # The last place is that of part -1: what is not admitted.
    places = np.full(count_of_groups + 1, -1, dtype=np.int32)
    places[ranked] = np.arange(len(ranked), dtype=np.int32)
    trends = _in_buckets(columns, places[parts], first, count, bucket_s)
    cells = len(ranked) * count
    (latency,), _ = _percentiles(columns.latency, trends, cells, _MEDIAN)
    latencies = [_known(each) for each in latency.tolist()]
    losses = [_known(each) for each in _losses(columns, trends, cells).mean.tolist()]
    return [
        Group(
            value=dims.values[part],
            measures=found.measures(part),
            trend=tuple(latencies[place * count : (place + 1) * count]),
            trend_loss=tuple(losses[place * count : (place + 1) * count]),
        )
        for place, part in enumerate(ranked)
    ]


def _place(value: str | None, number: float | None) -> tuple[bool, float, bool, str]:
    return number is None, -(number or 0.0), value is None, value or ""


def _known(number: float) -> float | None:
    return None if np.isnan(number) else float(number)


def _buckets(query: Query, bucket_s: int) -> tuple[int, int]:
    """The first bucket of a question, in lengths of buckets since the epoch, and how many there are."""
    first = query.first_round // bucket_s
    return first, max(0, query.last_round // bucket_s - first + 1)


def _in_buckets(columns: Columns, parts: Numbers, first: int, count: int, bucket_s: int) -> Numbers:
    """Each part cut into buckets; -1 stays what it is."""
    bucket = np.floor_divide(columns.round_id, bucket_s, dtype=np.int64) - first
    return np.where(parts < 0, -1, parts * count + bucket.astype(np.int32))


def _measured(columns: Columns, parts: Numbers, count: int, agents: Integers) -> _Parts:
    (p50, p95), measured = _percentiles(columns.latency, parts, count, _SHARES)
    (jitter,), _ = _percentiles(columns.jitter, parts, count, _MEDIAN)
    loss = _losses(columns, parts, count)
    return _Parts(_counted(parts, count), agents, p50, p95, jitter, loss.mean, loss.lossy, measured)


def _counted(parts: Numbers, count: int) -> Integers:
    """How many records each part has; those of part -1 are in none."""
    return np.bincount(parts + 1, minlength=count + 1)[1:]


def _percentiles(
    ranked: Ranked, parts: Numbers, count: int, shares: tuple[float, ...]
) -> tuple[list[Floats], Integers]:
    """By nearest rank, each a number that was measured, of every part; and how many were measured."""
    places = ranked.place
    if ranked.known < len(places) or (len(parts) and parts.min() < 0):
        looked_at = np.flatnonzero((places < ranked.known) & (parts >= 0))
        places, parts = places[looked_at], parts[looked_at]
    measured = np.bincount(parts, minlength=count)
    size = max(1, ranked.known)
    width = np.dtype(np.uint32 if count * size <= _NARROW else np.uint64)
    keys = np.multiply(parts, size, dtype=width, casting="unsafe") + places
    keys.sort()
    starts = np.cumsum(measured) - measured
    some = measured > 0
    found = []
    for share in shares:
        picked = np.full(count, np.nan)
        chosen = starts[some] + np.maximum(np.ceil(share * measured[some]).astype(np.int64) - 1, 0)
        picked[some] = ranked.sorted[(keys[chosen] % width.type(size)).astype(np.int64)]
        found.append(picked)
    return found, measured


def _losses(columns: Columns, parts: Numbers, count: int) -> _Loss:
    known = _counted(parts if columns.loss_known is None else parts[columns.loss_known], count)
    where = parts[columns.lossy] + 1
    total = np.bincount(where, weights=columns.losses, minlength=count + 1)[1:]
    mean = np.divide(total, known, out=np.full(count, np.nan), where=known > 0)
    return _Loss(mean, np.bincount(where, minlength=count + 1)[1:])


def _agents_of_groups(columns: Columns, agent: Integers, group: Integers, count: int) -> Integers:
    """How many agents each group has: from the combinations of dimensions that occur."""
    occurs = (np.bincount(columns.dim, minlength=len(group)) > 0) & (group >= 0)
    agents = int(agent.max(initial=0)) + 1
    pairs = np.unique(group[occurs] * agents + agent[occurs])
    return np.bincount(pairs // agents, minlength=count)


def _agents_of_parts(columns: Columns, dims: Dims, parts: Numbers, count: int) -> Integers:
    """How many agents each bucket has."""
    agents = int(dims.agent.max(initial=0)) + 1
    seen = np.zeros((count + 1, agents), dtype=np.bool_)
    # What is in part -1 marks the last row, which is left out.
    seen[parts, dims.agent.astype(np.int32).take(columns.dim)] = True
    counted: Integers = seen[:count].sum(axis=1)
    return counted
