"""From columns of numbers to measures: exact, in numpy, the same for every embedded store.

No step looks at one record after the other. A number's column is sorted once and each record given its place
in that order (``Ranked``); what is asked afterwards sorts whole numbers, part and place in one, and picks.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Final, NamedTuple, Self

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
Places = NDArray[np.uint32]
Numbers = NDArray[np.integer]
"""Whole numbers of any width: narrow ones are sorted in half the time."""

_NARROW: Final = 1 << 32
_MEDIAN: Final = (0.5,)
_SHARES: Final = (0.5, 0.95)


class Ranked:
    """A column of numbers, sorted, and the place of each record in that order.

    Args:
        numbers: those that were measured, sorted.
        place: of each of them, in the order of the records.
        rows: which records those are; None: all.
        records: how many there are, measured or not.
    """

    def __init__(self, numbers: Floats, place: Places, rows: Places | None, records: int) -> None:
        self.sorted = numbers
        self.place = place
        self.rows = rows
        self.records = records

    @classmethod
    def of(cls, column: Floats) -> Self:
        """From a column, NaN where it was not measured."""
        order = np.argsort(column)
        known = len(column) - int(np.isnan(column).sum())
        place = np.empty(len(column), dtype=np.uint32)
        place[order] = np.arange(len(column), dtype=np.uint32)
        numbers = column[order[:known]]
        if known == len(column):
            return cls(numbers, place, None, len(column))
        rows = np.flatnonzero(place < known).astype(np.uint32)
        return cls(numbers, place[rows], rows, len(column))

    def followed_by(self, other: Self) -> Self:
        """With some more records, few: cheaper than to sort them all."""
        at = np.searchsorted(self.sorted, other.sorted, side="right")
        # So many of the others come before each of ours.
        before = np.cumsum(np.bincount(at, minlength=len(self.sorted) + 1), dtype=np.uint32)
        theirs = (at + np.arange(len(at))).astype(np.uint32)
        place = np.concatenate([self.place + before.take(self.place), theirs.take(other.place)])
        rows = None
        if self.rows is not None or other.rows is not None:
            rows = np.concatenate([self._known_rows(), other._known_rows() + np.uint32(self.records)])
        numbers = np.insert(self.sorted, at, other.sorted)
        return type(self)(numbers, place, rows, self.records + other.records)

    def _known_rows(self) -> Places:
        return np.arange(self.records, dtype=np.uint32) if self.rows is None else self.rows

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return self.sorted.nbytes + self.place.nbytes + (0 if self.rows is None else self.rows.nbytes)


class Columns:
    """Some records as columns of equal length.

    Args:
        round_id: epoch seconds.
        dim: number of the record's combination of dimensions, from 0.
        loss_known: of which records the loss was measured; None: of all.
        lossy: which lost anything, lowest loss first: sums are always made in this order, so that they come
            to the same whatever order the records are in.
        losses: how much those lost.
        latency: average RTTs.
        jitter: deviations of the RTTs.
    """

    def __init__(
        self,
        round_id: Numbers,
        dim: Numbers,
        loss_known: NDArray[np.bool_] | None,
        lossy: tuple[Integers, Floats],
        ranked: tuple[Ranked, Ranked],
    ) -> None:
        self.round_id = round_id
        self.dim = dim
        self.loss_known = loss_known
        self.lossy, self.losses = lossy
        self.latency, self.jitter = ranked
        self._buckets: tuple[tuple[int, int], Numbers] | None = None

    @classmethod
    def of(
        cls, round_id: Numbers, dim: Numbers, loss_percent: Floats, latency_ms: Floats, jitter_ms: Floats
    ) -> Self:
        """From what a store keeps, NaN where it was not measured."""
        known = ~np.isnan(loss_percent)
        lossy = np.flatnonzero(known & (loss_percent != 0))
        ranked = Ranked.of(latency_ms), Ranked.of(jitter_ms)
        ordered = _in_order(lossy, loss_percent[lossy])
        return cls(round_id, dim, None if known.all() else known, ordered, ranked)

    def followed_by(self, other: Self) -> Self:
        """With some more records, few: cheaper than to make them anew."""
        known = None
        if self.loss_known is not None or other.loss_known is not None:
            known = np.concatenate([self._loss_known(), other._loss_known()])
        return type(self)(
            np.concatenate([self.round_id, other.round_id]),
            np.concatenate([self.dim, other.dim]),
            known,
            _in_order(
                np.concatenate([self.lossy, other.lossy + len(self)]),
                np.concatenate([self.losses, other.losses]),
            ),
            (self.latency.followed_by(other.latency), self.jitter.followed_by(other.jitter)),
        )

    def __len__(self) -> int:
        return len(self.round_id)

    @cached_property
    def records_of_dim(self) -> Integers:
        """How many records each combination of dimensions has."""
        return np.bincount(self.dim)

    @cached_property
    def loss_known_of_dim(self) -> Integers:
        """In how many of them the loss was measured."""
        if self.loss_known is None:
            return self.records_of_dim
        return np.bincount(self.dim[self.loss_known], minlength=len(self.records_of_dim))

    def buckets(self, first: int, bucket_s: int) -> Numbers:
        """The bucket of each record, counted from ``first``; the last answer is remembered."""
        if self._buckets is None or self._buckets[0] != (first, bucket_s):
            number = np.floor_divide(self.round_id, bucket_s, dtype=np.int64) - first
            self._buckets = (first, bucket_s), number.astype(np.int32)
        return self._buckets[1]

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        own = self.round_id.nbytes + self.dim.nbytes + 2 * self.losses.nbytes + 5 * len(self)
        return own + self.latency.size + self.jitter.size

    def _loss_known(self) -> NDArray[np.bool_]:
        return np.ones(len(self), dtype=np.bool_) if self.loss_known is None else self.loss_known


def _in_order(lossy: Integers, losses: Floats) -> tuple[Integers, Floats]:
    order = np.argsort(losses)
    return lossy[order], losses[order]


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


class _Counts(NamedTuple):
    records: Integers
    agents: Integers
    loss_known: Integers


class _Parts(NamedTuple):
    """Measures of many parts, a column each; NaN: not measured."""

    counts: _Counts
    latency_p50_ms: Floats
    latency_p95_ms: Floats
    jitter_p50_ms: Floats
    loss_percent: Floats
    lossy: Integers
    measured: Integers

    def measures(self, part: int) -> Measures:
        """One of them."""
        return Measures(
            records=int(self.counts.records[part]),
            agents=int(self.counts.agents[part]),
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
        return Columns.of(none.astype(np.int64), none.astype(np.int64), none, none, none)
    rounds, dims, losses, latencies, jitters = zip(*rows, strict=True)
    return Columns.of(
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
    admitted = np.where(dims.group >= 0, 0, -1)
    whole = admitted.astype(np.int32).take(columns.dim)
    all_of_it = _measured(columns, whole, 1, _counts_of_groups(columns, dims.agent, admitted, 1))
    first, count = _buckets(query, bucket_s)
    parts = _in_buckets(columns, whole, first, count, bucket_s)
    found = _measured(columns, parts, count, _counts_of_parts(columns, dims, parts, count))
    return Summary(
        whole=all_of_it.measures(0),
        buckets=tuple(
            Bucket(start_s=(first + part) * bucket_s, measures=found.measures(part))
            for part in np.flatnonzero(found.counts.records).tolist()
        ),
    )


def rank(
    columns: Columns, dims: Dims, query: Query, bucket_s: int, order: GroupOrder, limit: int
) -> list[Group]:
    """The admitted columns by value."""
    groups = len(dims.values)
    parts = dims.group.astype(np.int32).take(columns.dim)
    found = _measured(columns, parts, groups, _counts_of_groups(columns, dims.agent, dims.group, groups))
    numbers = {
        "records": found.counts.records.astype(np.float64),
        "latency": found.latency_p95_ms,
        "loss": found.loss_percent,
        "jitter": found.jitter_p50_ms,
    }[order].tolist()
    present = np.flatnonzero(found.counts.records).tolist()
    ranked = sorted(present, key=lambda part: _place(dims.values[part], _known(numbers[part])))[:limit]
    first, count = _buckets(query, bucket_s)
    # The last place is that of part -1: what is not admitted.
    places = np.full(groups + 1, -1, dtype=np.int32)
    places[ranked] = np.arange(len(ranked), dtype=np.int32)
    trends = _in_buckets(columns, places.take(parts, mode="wrap"), first, count, bucket_s)
    cells = len(ranked) * count
    (latency,), _ = _percentiles(columns.latency, trends, cells, _MEDIAN)
    latencies = [_known(each) for each in latency.tolist()]
    known = _counted(trends if columns.loss_known is None else trends[columns.loss_known], cells)
    losses = [_known(each) for each in _losses(columns, trends, known).mean.tolist()]
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
    made = parts * np.int32(count) + columns.buckets(first, bucket_s)
    made[parts < 0] = -1
    return made


def _measured(columns: Columns, parts: Numbers, count: int, counts: _Counts) -> _Parts:
    (p50, p95), measured = _percentiles(columns.latency, parts, count, _SHARES)
    (jitter,), _ = _percentiles(columns.jitter, parts, count, _MEDIAN)
    loss = _losses(columns, parts, counts.loss_known)
    return _Parts(counts, p50, p95, jitter, loss.mean, loss.lossy, measured)


def _counted(parts: Numbers, count: int) -> Integers:
    """How many records each part has; those of part -1 are in none."""
    return np.bincount(parts[parts >= 0], minlength=count)


def _percentiles(
    ranked: Ranked, parts: Numbers, count: int, shares: tuple[float, ...]
) -> tuple[list[Floats], Integers]:
    """By nearest rank, each a number that was measured, of every part; and how many were measured."""
    places = ranked.place
    if ranked.rows is not None:
        parts = parts.take(ranked.rows)
    if len(parts) and parts.min() < 0:
        admitted = np.flatnonzero(parts >= 0)
        places, parts = places.take(admitted), parts.take(admitted)
    size = max(1, len(ranked.sorted))
    width = np.dtype(np.uint32 if count * size <= _NARROW else np.uint64)
    keys = parts.astype(width)
    keys *= width.type(size)
    keys += places
    keys.sort()
    starts = np.searchsorted(keys, np.arange(count, dtype=width) * width.type(size))
    measured: Integers = np.diff(starts, append=len(keys))
    some = measured > 0
    found = []
    for share in shares:
        picked = np.full(count, np.nan)
        chosen = starts[some] + np.maximum(np.ceil(share * measured[some]).astype(np.int64) - 1, 0)
        picked[some] = ranked.sorted[(keys[chosen] % width.type(size)).astype(np.int64)]
        found.append(picked)
    return found, measured


def _losses(columns: Columns, parts: Numbers, known: Integers) -> _Loss:
    where = parts.take(columns.lossy)
    admitted = where >= 0
    where, losses = where[admitted], columns.losses[admitted]
    total = np.bincount(where, weights=losses, minlength=len(known))
    mean = np.divide(total, known, out=np.full(len(known), np.nan), where=known > 0)
    return _Loss(mean, np.bincount(where, minlength=len(known)))


def _counts_of_groups(columns: Columns, agent: Integers, group: Integers, count: int) -> _Counts:
    """From the combinations of dimensions that occur."""
    records = columns.records_of_dim
    occurs = np.flatnonzero((records > 0) & (group >= 0))
    agents = int(agent.max(initial=0)) + 1
    pairs = np.unique(group[occurs] * agents + agent[occurs])
    return _Counts(
        _summed(group[occurs], records[occurs], count),
        np.bincount(pairs // agents, minlength=count),
        _summed(group[occurs], columns.loss_known_of_dim[occurs], count),
    )


def _summed(group: Integers, numbers: Integers, count: int) -> Integers:
    # Whole numbers that are far too small for a float to round.
    return np.bincount(group, weights=numbers, minlength=count).astype(np.int64)


def _counts_of_parts(columns: Columns, dims: Dims, parts: Numbers, count: int) -> _Counts:
    """From the records themselves."""
    agents = int(dims.agent.max(initial=0)) + 1
    seen = np.zeros((count + 1, agents), dtype=np.bool_)
    # What is in part -1 marks the last row, which is left out.
    seen[parts, dims.agent.astype(np.int32).take(columns.dim)] = True
    records = _counted(parts, count)
    known = records if columns.loss_known is None else _counted(parts[columns.loss_known], count)
    return _Counts(records, seen[:count].sum(axis=1), known)
