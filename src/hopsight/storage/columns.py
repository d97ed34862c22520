"""Some records as columns, and what of them was worked out: remembered for as long as they are."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Final, Literal, NamedTuple, Self, get_args

import numpy as np
from numpy.typing import NDArray

from hopsight.storage.memo import Memo
from hopsight.storage.ordered import CELLS, Floats, Integers, Numbers, Ordered

TRENDS: Final = 512
"""Most trends that are remembered of a piece."""
PASS_ROWS: Final = 2_000_000
"""Most records that are cut into cells at once, if a bucket holds no more: that needs some 60 bytes each."""
RECORD_BYTES: Final = 42
"""In columns, about."""
_NARROW: Final = 1 << 32

Number = Literal["loss_percent", "latency_ms", "jitter_ms"]


class Sparse(NamedTuple):
    """A few of the records: their dimensions and rounds."""

    dim: Numbers
    round_id: Numbers


class Buckets(NamedTuple):
    """A range cut into stretches of equal length.

    Args:
        first: the number of the first, counted from the epoch.
        number: how many there are.
        length_s: of each.
    """

    first: int
    number: int
    length_s: int

    def of(self, round_id: Numbers) -> Integers:
        """The bucket of each round, from 0."""
        # Narrow numbers are divided as such: in a third of the time.
        length_s = round_id.dtype.type(self.length_s)
        return np.subtract(np.floor_divide(round_id, length_s), self.first, dtype=np.int64)

    def bounds(self) -> Integers:
        """Where each begins and the last ends, epoch seconds."""
        return (np.arange(self.number + 1) + self.first) * self.length_s


class Columns:
    """Some records, in order of their rounds.

    Args:
        used: which combinations of dimensions occur; ``dim`` counts along these.
        round_id: epoch seconds.
        dim: combination of each record.
        losses: how much those lost that lost anything.
        lossy: which these are.
        loss_unknown: of which the loss was not measured.
        latency: average RTTs.
        jitter: deviations of the RTTs.
    """

    def __init__(
        self,
        used: Integers,
        round_id: Numbers,
        dim: Numbers,
        lossy: tuple[Sparse, Floats],
        loss_unknown: Sparse,
        ordered: tuple[Ordered, Ordered],
    ) -> None:
        self.used = used
        self.round_id = round_id
        self.dim = dim
        self.lossy, self.losses = lossy
        self.loss_unknown = loss_unknown
        self.latency, self.jitter = ordered
        self.records_of_dim = np.bincount(dim, minlength=len(used))
        self.unknown_of_dim = np.bincount(loss_unknown.dim, minlength=len(used))
        self.memo = Memo()
        self.trends: OrderedDict[Hashable, Floats] = OrderedDict()
        self._counts: tuple[Buckets, NDArray[np.int32]] | None = None
        self._rows: dict[str, tuple[Hashable, Integers]] = {}

    @classmethod
    def of(cls, round_id: Numbers, dim: Numbers, read: Callable[[Number], Floats]) -> Self:
        """From what a store keeps: ``dim`` as the store numbers them, numbers with NaN where there are none.

        Numbers are read one after the other, so that one alone of them is in memory beside what is made.
        """
        order = None
        if len(round_id) > 1 and (round_id[1:] < round_id[:-1]).any():
            order = np.argsort(round_id, kind="stable")
            round_id, dim = round_id[order], dim[order]
        if len(round_id) and round_id[0] >= 0 and round_id[-1] < _NARROW:
            round_id = round_id.astype(np.uint32)
        used, dim = _renumbered(dim)

        def read_ordered(number: Number) -> Floats:
            return read(number) if order is None else read(number)[order]

        loss_percent = read_ordered("loss_percent")
        unknown = np.flatnonzero(np.isnan(loss_percent))
        lossy = np.flatnonzero(loss_percent > 0)
        losses = loss_percent[lossy]
        del loss_percent
        return cls(
            used,
            round_id,
            dim,
            (Sparse(dim[lossy], round_id[lossy]), losses),
            Sparse(dim[unknown], round_id[unknown]),
            (
                Ordered.of(read_ordered("latency_ms"), dim, round_id, len(used)),
                Ordered.of(read_ordered("jitter_ms"), dim, round_id, len(used)),
            ),
        )

    def __len__(self) -> int:
        return len(self.round_id)

    def is_sparse(self, buckets: Buckets) -> bool:
        """Whether it has fewer records than there are combinations in buckets."""
        return len(self) < len(self.used) * buckets.number

    def counts(self, buckets: Buckets) -> Iterator[tuple[int, NDArray[np.int32]]]:
        """How many records buckets have of each combination: the first of some, and a row for each.

        What is small is remembered.
        """
        if self._counts is not None and self._counts[0] == buckets:
            yield 0, self._counts[1]
            return
        step = max(1, CELLS // max(1, len(self.used)))
        ends = np.searchsorted(self.round_id, buckets.bounds())
        for begin in range(0, buckets.number, step):
            some = range(begin, min(begin + step, buckets.number))
            made = np.zeros((len(some), len(self.used)), dtype=np.int32)
            for row, bucket in enumerate(some):
                rows = slice(ends[bucket], ends[bucket + 1])
                made[row] = np.bincount(self.dim[rows], minlength=len(self.used))
            if len(some) == buckets.number:
                self._counts = buckets, made
            yield begin, made

    def stretches(self, buckets: Buckets) -> Iterator[range]:
        """The buckets in stretches of few records: together they are all of them."""
        ends = np.searchsorted(self.round_id, buckets.bounds())
        begin = 0
        while begin < buckets.number:
            last = int(np.searchsorted(ends, ends[begin] + PASS_ROWS, side="right")) - 1
            end = min(max(last, begin + 1), buckets.number)
            yield range(begin, end)
            begin = end

    def rows_in(self, number: str, buckets: Buckets, touched: Sequence[int]) -> Integers:
        """Which of the records ordered by a number are in some of the buckets; the last answers are kept."""
        key = buckets, tuple(touched)
        if number not in self._rows or self._rows[number][0] != key:
            ordered: Ordered = getattr(self, number)
            bounds = buckets.bounds()
            chosen = np.zeros(len(ordered), dtype=np.bool_)
            for bucket in touched:
                chosen |= (ordered.round_id >= bounds[bucket]) & (ordered.round_id < bounds[bucket + 1])
            self._rows[number] = key, np.flatnonzero(chosen)
        return self._rows[number][1]

    def remember_trend(self, key: Hashable, trend: Floats) -> None:
        """Keep the median latencies of one group in buckets."""
        self.trends[key] = trend
        while len(self.trends) > TRENDS:
            self.trends.popitem(last=False)

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        own = self.round_id.nbytes + self.dim.nbytes + 16 * len(self.losses) + 8 * len(self.loss_unknown.dim)
        return own + self.latency.size + self.jitter.size


class Pieces:
    """Columns by what they were made from, those that were used last.

    Args:
        most_bytes: of all of them together.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._known: OrderedDict[Hashable, Columns] = OrderedDict()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._known

    def get(self, key: Hashable) -> Columns | None:
        """What is known under a key; used just now."""
        if key in self._known:
            self._known.move_to_end(key)
        return self._known.get(key)

    def make_room(self, records: int) -> None:
        """Forget as much as so many records are going to need."""
        self._shrink_to(self._most_bytes - records * RECORD_BYTES)

    def keep(self, key: Hashable, columns: Columns) -> None:
        """Know it from now on, if it is not too large."""
        self._known[key] = columns
        self._shrink_to(self._most_bytes)

    def _shrink_to(self, most_bytes: int) -> None:
        while self._known and sum(each.size for each in self._known.values()) > most_bytes:
            self._known.popitem(last=False)


class View:
    """Records in pieces, the large one first: it stays when something is added to the other.

    Args:
        pieces: at least one, which may be empty.
    """

    def __init__(self, pieces: Sequence[Columns]) -> None:
        self.pieces = tuple(pieces)
        losses = np.concatenate([each.losses for each in pieces])
        # Sums are always made in this order: they come to the same whatever order the records are in.
        self.loss_order = np.argsort(losses)
        self.losses = losses[self.loss_order]


def columns_of(rows: Sequence[tuple[int, int, float | None, float | None, float | None]]) -> Columns:
    """Rows of round, number of dimensions, loss, latency and jitter as columns."""
    rounds, dims, *numbers = zip(*rows, strict=True) if rows else ((),) * 5
    # None becomes NaN.
    named = dict(zip(get_args(Number), numbers, strict=True))
    return Columns.of(
        np.array(rounds, dtype=np.int64),
        np.array(dims, dtype=np.int64),
        lambda number: np.array(named[number], dtype=np.float64),
    )


def _renumbered(dim: Numbers) -> tuple[Integers, Numbers]:
    """Which numbers occur, in order; and each as its place among those."""
    if not len(dim):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint32)
    used = np.flatnonzero(np.bincount(dim))
    place = np.zeros(int(used[-1]) + 1, dtype=np.uint32)
    place[used] = np.arange(len(used), dtype=np.uint32)
    return used, place.take(dim, mode="clip")
