"""Percentiles of groups in buckets: what belongs to the piece that stays is remembered with it."""

from collections.abc import Hashable, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hopsight.storage.columns import PASS_ROWS, Buckets, Columns
from hopsight.storage.ordered import Floats, Integers, Numbers, Ordered
from hopsight.storage.selection import percentiles_of_cells

SHARES: Final = (0.5, 0.95)

OrderedName = Literal["latency", "jitter"]


def cells_of(rows: Integers, buckets: Buckets, bucket: Integers) -> Integers:
    """Rows cut into buckets; -1 stays what it is."""
    return np.where(rows >= 0, rows * buckets.number + bucket, -1)


def percentiles_in_cells(
    pieces: Sequence[tuple[Columns, Integers]],
    number: OrderedName,
    keys: Sequence[Hashable],
    buckets: Buckets,
) -> Floats:
    """Percentiles of each row's buckets, rows one after the other.

    What is in the first piece alone is remembered with it, row by row. So beside that only those buckets are
    worked out that hold anything of the other pieces.

    Args:
        pieces: the large one first, and the row of each of their combinations of dimensions; -1: none.
        number: of what.
        keys: what each row is remembered by.
        buckets: they.

    Returns:
        The 50th and the 95th percentile, and how many were measured: a line each.
    """
    (main, own), *others = pieces
    made = _remembered(main, number, own, keys, buckets)
    cells, numbers = [], []
    for piece, rows in others:
        ordered: Ordered = getattr(piece, number)
        found = cells_of(rows.take(ordered.dim), buckets, buckets.of(ordered.round_id))
        cells.append(found[found >= 0])
        numbers.append(ordered.numbers[found >= 0])
    touched = np.unique(np.concatenate(cells) % buckets.number) if others else np.empty(0, dtype=np.int64)
    if not len(touched):
        return made
    ordered = getattr(main, number)
    chosen = main.rows_in(number, buckets, touched.tolist())
    rows = own.take(ordered.dim.take(chosen))
    found = cells_of(rows, buckets, buckets.of(ordered.round_id.take(chosen)))
    together = np.concatenate([ordered.numbers.take(chosen[found >= 0]), *numbers])
    order = np.argsort(together, kind="stable")
    parts = np.concatenate([found[found >= 0], *cells]).take(order)
    again = _percentiles(together.take(order), parts, len(keys) * buckets.number)
    result = made.reshape(3, len(keys), buckets.number).copy()
    result[:, :, touched] = again.reshape(result.shape)[:, :, touched]
    return result.reshape(made.shape)


def _remembered(
    piece: Columns, number: OrderedName, own: Integers, keys: Sequence[Hashable], buckets: Buckets
) -> Floats:
    """The same of one piece, from what is remembered of it; what is not is worked out first."""
    known = {key: piece.trends.get((number, key, buckets)) for key in keys}
    missing = [row for row, key in enumerate(keys) if known[key] is None]
    if missing:
        row_of = np.full(len(keys) + 1, -1, dtype=np.int32)
        row_of[missing] = np.arange(len(missing))
        made = _in_stretches(piece, _rows_of(getattr(piece, number), row_of[own]), len(missing), buckets)
        for place, row in enumerate(missing):
            part = made[:, place].copy()
            piece.remember_trend((number, keys[row], buckets), part)
            known[keys[row]] = part
    return np.concatenate([part for part in known.values() if part is not None], axis=1)


class _Rows(NamedTuple):
    """Records in order of a number, with the row that each is in."""

    numbers: Floats
    row: NDArray[np.int32]
    round_id: Numbers

    def between(self, first_s: int, end_s: int) -> "_Rows":
        """Those of some rounds."""
        return self.taken(np.flatnonzero((self.round_id >= first_s) & (self.round_id < end_s)))

    def taken(self, places: Integers) -> "_Rows":
        """Those at some places."""
        return _Rows(
            self.numbers.take(places, mode="clip"),
            self.row.take(places, mode="clip"),
            self.round_id.take(places, mode="clip"),
        )


def _rows_of(ordered: Ordered, row_of_dim: NDArray[np.int32]) -> _Rows:
    """The records that are in a row; -1: none."""
    row = row_of_dim.take(ordered.dim, mode="clip")
    everything = _Rows(ordered.numbers, row, ordered.round_id)
    return everything.taken(np.flatnonzero(row >= 0)) if (row_of_dim < 0).any() else everything


def _in_stretches(piece: Columns, found: _Rows, rows: int, buckets: Buckets) -> Floats:
    """Percentiles of each of so many rows, bucket by bucket; a stretch of buckets at a time."""
    made = np.empty((3, rows, buckets.number))
    few = len(found.row) <= PASS_ROWS
    for some in [range(buckets.number)] if few else piece.stretches(buckets):
        part = Buckets(buckets.first + some.start, len(some), buckets.length_s)
        first_s, *_, end_s = part.bounds().tolist()
        chosen = found if few else found.between(first_s, end_s)
        cells = chosen.row * np.int64(part.number) + part.of(chosen.round_id)
        result = _percentiles(chosen.numbers, cells, rows * part.number)
        made[:, :, some.start : some.stop] = result.reshape(3, rows, part.number)
    return made


def _percentiles(numbers: Floats, cells: Integers, count: int) -> Floats:
    found, measured = percentiles_of_cells(numbers, cells, count, SHARES)
    return np.stack([*found, measured.astype(np.float64)])
