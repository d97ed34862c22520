"""From columns of numbers to measures: exact, in numpy, the same for every embedded store.

No step looks at one record after the other, and few at all of them: what is counted once for a combination of
dimensions serves every question about any of them.
"""

from collections.abc import Hashable, Sequence
from functools import partial
from math import isnan
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
from hopsight.storage.columns import Buckets, Columns, Sparse, View
from hopsight.storage.memo import digest_of
from hopsight.storage.ordered import Floats, Integers
from hopsight.storage.selection import Grouped, percentiles_of_groups
from hopsight.storage.trends import SHARES, cells_of, percentiles_in_cells

_MEDIAN: Final = (0.5,)


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


class Asked(NamedTuple):
    """A question about columns.

    Args:
        view: the columns.
        dims: what is asked about their combinations of dimensions.
        key: of the question's filters and dimension: under it answers about pieces are remembered.
    """

    view: View
    dims: Dims
    key: Hashable

    def pieces(self, group: Integers) -> list[tuple[Columns, Integers]]:
        """The pieces, and the group of each of their own combinations."""
        return [(piece, group[piece.used]) for piece in self.view.pieces]


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
    loss: _Loss
    measured: Integers

    def measures(self, part: int) -> Measures:
        """One of them."""
        return Measures(
            records=int(self.counts.records[part]),
            agents=int(self.counts.agents[part]),
            latency_p50_ms=_known(self.latency_p50_ms[part]),
            latency_p95_ms=_known(self.latency_p95_ms[part]),
            jitter_p50_ms=_known(self.jitter_p50_ms[part]),
            loss_percent=_known(self.loss.mean[part]),
            lossy=int(self.loss.lossy[part]),
            measured=int(self.measured[part]),
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


def summarize(asked: Asked, query: Query, bucket_s: int) -> Summary:
    """All of the columns that are admitted, in whole and in buckets."""
    group = np.where(asked.dims.group >= 0, 0, -1)
    whole = _measured_groups(asked, group, 1)
    buckets = _buckets(query, bucket_s)
    counts = _counts_in_buckets(asked, group, buckets)
    pieces = asked.pieces(group)
    latency = percentiles_in_cells(pieces, "latency", [asked.key], buckets)
    jitter = percentiles_in_cells(pieces, "jitter", [asked.key], buckets)
    loss = _losses_in_cells(asked, group, buckets, counts.loss_known)
    found = _Parts(counts, latency[0], latency[1], jitter[0], loss, latency[2].astype(np.int64))
    return Summary(
        whole=whole.measures(0),
        buckets=tuple(
            Bucket(start_s=(buckets.first + part) * bucket_s, measures=found.measures(part))
            for part in np.flatnonzero(counts.records).tolist()
        ),
    )


def count(asked: Asked) -> dict[str | None, int]:
    """How many records there are of each value; a value that no record has is left out."""
    records = np.zeros(len(asked.dims.values), dtype=np.int64)
    for piece, own in asked.pieces(asked.dims.group):
        admitted = np.flatnonzero(own >= 0)
        counted = np.bincount(own[admitted], piece.records_of_dim[admitted], len(records))
        records += counted.astype(np.int64)
    return {
        value: number for value, number in zip(asked.dims.values, records.tolist(), strict=True) if number
    }


def rank(asked: Asked, query: Query, bucket_s: int, order: GroupOrder, limit: int) -> list[Group]:
    """The admitted columns by value."""
    values = asked.dims.values
    if not values:
        return []
    found = _measured_groups(asked, asked.dims.group, len(values))
    numbers = {
        "records": found.counts.records.astype(np.float64),
        "latency": found.latency_p95_ms,
        "loss": found.loss.mean,
        "jitter": found.jitter_p50_ms,
    }[order].tolist()
    present = np.flatnonzero(found.counts.records).tolist()
    if not present:
        return []
    ranked = sorted(present, key=lambda part: _place(values[part], _known(numbers[part])))[:limit]
    buckets = _buckets(query, bucket_s)
    # The last place is that of group -1: what is not admitted.
    places = np.full(len(values) + 1, -1, dtype=np.int64)
    places[ranked] = np.arange(len(ranked))
    place = places[asked.dims.group]
    keys = [(asked.key, values[part]) for part in ranked]
    latencies = percentiles_in_cells(asked.pieces(place), "latency", keys, buckets)[0]
    known = _loss_known_in_cells(asked, place, len(ranked), buckets)
    trends = [_known(each) for each in latencies.tolist()]
    losses = [_known(each) for each in _losses_in_cells(asked, place, buckets, known).mean.tolist()]
    return [
        Group(
            value=values[part],
            measures=found.measures(part),
            trend=tuple(trends[row * buckets.number : (row + 1) * buckets.number]),
            trend_loss=tuple(losses[row * buckets.number : (row + 1) * buckets.number]),
        )
        for row, part in enumerate(ranked)
    ]


def _place(value: str | None, number: float | None) -> tuple[bool, float, bool, str]:
    return number is None, -(number or 0.0), value is None, value or ""


def _known(number: float) -> float | None:
    return None if isnan(number) else float(number)


def _buckets(query: Query, bucket_s: int) -> Buckets:
    first = query.first_round // bucket_s
    return Buckets(first, max(0, query.last_round // bucket_s - first + 1), bucket_s)


def _measured_groups(asked: Asked, group: Integers, groups: int) -> _Parts:
    pieces = asked.pieces(group)
    (p50, p95), measured = percentiles_of_groups(
        [Grouped(piece.latency, own) for piece, own in pieces], groups, SHARES
    )
    (jitter,), _ = percentiles_of_groups(
        [Grouped(piece.jitter, own) for piece, own in pieces], groups, _MEDIAN
    )
    counts = _counts_of_groups(asked, group, groups)
    lossy = np.concatenate([own.take(piece.lossy.dim) for piece, own in pieces])
    return _Parts(counts, p50, p95, jitter, _losses(asked.view, lossy, counts.loss_known), measured)


def _counts_of_groups(asked: Asked, group: Integers, groups: int) -> _Counts:
    """From the combinations of dimensions that occur."""
    agents = int(asked.dims.agent.max(initial=0)) + 1
    records, unknown = np.zeros((2, groups), dtype=np.int64)
    pairs = []
    for piece, own in asked.pieces(group):
        admitted = np.flatnonzero(own >= 0)
        chosen = own[admitted]
        # Whole numbers that are far too small for a float to round.
        records += np.bincount(chosen, piece.records_of_dim[admitted], groups).astype(np.int64)
        unknown += np.bincount(chosen, piece.unknown_of_dim[admitted], groups).astype(np.int64)
        pairs.append(chosen * agents + asked.dims.agent[piece.used[admitted]])
    seen = np.unique(np.concatenate(pairs)) // agents
    return _Counts(records, np.bincount(seen, minlength=groups), records - unknown)


def _counts_in_buckets(asked: Asked, group: Integers, buckets: Buckets) -> _Counts:
    """Of what is admitted, in each bucket."""
    agents = int(asked.dims.agent.max(initial=0)) + 1
    counted = np.zeros((2, buckets.number), dtype=np.int64)
    seen = np.zeros((buckets.number, agents), dtype=np.bool_)
    for piece, own in asked.pieces(group):
        agent = asked.dims.agent[piece.used]
        key = buckets, agents, digest_of(own, agent)
        counted += piece.memo.get(("counted", key), partial(_counted_in_buckets, piece, own, buckets))
        seen |= piece.memo.get(("seen", key), partial(_seen_in_buckets, piece, own, agent, agents, buckets))
    records, unknown = counted
    return _Counts(records, seen.sum(axis=1), records - unknown)


def _counted_in_buckets(piece: Columns, own: Integers, buckets: Buckets) -> Integers:
    """How many of what is admitted are in each bucket, and of how many the loss was not measured."""
    counted = np.zeros((2, buckets.number), dtype=np.int64)
    if piece.is_sparse(buckets):
        admitted = buckets.of(piece.round_id[own.take(piece.dim) >= 0])
        counted[0] = np.bincount(admitted, minlength=buckets.number)
    else:
        for first, counts in piece.counts(buckets):
            counted[0, first : first + len(counts)] = counts @ (own >= 0)
    rows = piece.loss_unknown
    counted[1] = np.bincount(buckets.of(rows.round_id)[own.take(rows.dim) >= 0], minlength=buckets.number)
    return counted


def _seen_in_buckets(
    piece: Columns, own: Integers, agent: Integers, agents: int, buckets: Buckets
) -> NDArray[np.bool_]:
    """Whether anything that is admitted is in each bucket (a row each) of each agent."""
    seen = np.zeros((buckets.number, agents), dtype=np.bool_)
    if piece.is_sparse(buckets):
        rows = np.flatnonzero(own.take(piece.dim) >= 0)
        seen[buckets.of(piece.round_id[rows]), agent[piece.dim[rows]]] = True
        return seen
    admitted = np.flatnonzero(own >= 0)
    for first, counts in piece.counts(buckets):
        row, column = np.nonzero(counts if len(admitted) == len(own) else counts[:, admitted])
        seen[row + first, agent[admitted[column]]] = True
    return seen


def _loss_known_in_cells(asked: Asked, place: Integers, rows: int, buckets: Buckets) -> Integers:
    """In how many records of each row and bucket the loss was measured."""
    known = np.zeros(rows * buckets.number, dtype=np.int64)
    for piece, own in asked.pieces(place):
        key = "loss known", buckets, rows, digest_of(own)
        known += piece.memo.get(key, partial(_loss_known_in_piece, piece, own, rows, buckets))
    return known


def _loss_known_in_piece(piece: Columns, own: Integers, rows: int, buckets: Buckets) -> Integers:
    unknown = _counted_in_cells(piece.loss_unknown, own, rows, buckets)
    admitted = np.flatnonzero(own >= 0)
    if piece.is_sparse(buckets) or not len(admitted):
        return _counted_in_cells(Sparse(piece.dim, piece.round_id), own, rows, buckets) - unknown
    known = np.zeros((rows, buckets.number), dtype=np.int64)
    order = admitted[np.argsort(own[admitted], kind="stable")]
    present, starts = np.unique(own[order], return_index=True)
    for first, counts in piece.counts(buckets):
        summed = np.add.reduceat(counts[:, order], starts, axis=1, dtype=np.int64)
        known[present, first : first + len(counts)] = summed.T
    return known.ravel() - unknown


def _counted_in_cells(records: Sparse, own: Integers, rows: int, buckets: Buckets) -> Integers:
    """How many of some records are in each row and bucket."""
    cells = cells_of(own.take(records.dim), buckets, buckets.of(records.round_id))
    return np.bincount(cells[cells >= 0], minlength=rows * buckets.number)


def _losses_in_cells(asked: Asked, place: Integers, buckets: Buckets, known: Integers) -> _Loss:
    cells = [
        cells_of(own.take(piece.lossy.dim), buckets, buckets.of(piece.lossy.round_id))
        for piece, own in asked.pieces(place)
    ]
    return _losses(asked.view, np.concatenate(cells), known)


def _losses(view: View, parts: Integers, known: Integers) -> _Loss:
    """Of each part; ``parts`` are those of the lossy records, as they are in the pieces."""
    where = parts.take(view.loss_order)
    admitted = where >= 0
    where, losses = where[admitted], view.losses[admitted]
    total = np.bincount(where, weights=losses, minlength=len(known))
    mean = np.divide(total, known, out=np.full(len(known), np.nan), where=known > 0)
    return _Loss(mean, np.bincount(where, minlength=len(known)))
