"""Columns of a range, for charts: from chunks where there are any, else from the table.

Everything runs in the thread that reads, with its connection. Only claiming and filling chunks is handed to
the writer, whose answer is waited for: never the other way round, so who stores something never waits for a
chart, but at most for a transaction of some megabytes. A range of few records is read as it is.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any, Final, NamedTuple

import apsw
import numpy as np

from hopsight.errors import StoreUnavailableError
from hopsight.storage.columns import Columns, Pieces, View
from hopsight.storage.memory_limit import memory_bytes
from hopsight.storage.sqlite_chunks import (
    CHUNK_S,
    Chunk,
    claim,
    fill,
    filled_marks,
    marks,
    read_filled,
    read_rows,
    start_of,
)

CHUNKS_BYTES: Final = 128 << 20
"""Most memory for chunks."""
VIEW_BYTES: Final = 512 << 20
"""Most memory for the columns of the ranges that were asked about last, if the machine has no more ..."""
VIEW_SHARE: Final = 8
"""... and this part of what it has, if that is more: without it a range that is too large is read anew for
every question."""
SETTLED_S: Final = 120
"""A chunk is left alone until the newest round is so much younger: records still come."""
FEW_ROWS: Final = 5_000
"""A stretch with no more records is read as it is."""
CLAIMS: Final = 1_000
"""Most chunks that one transaction claims."""
FILLED: Final = 100_000
"""Most chunks that are known to be filled: a year of five minutes."""
FILLS: Final = 16
"""Most chunks that one transaction fills."""
LARGE_PIECE_S: Final = ((6 * 3_600, 3_600), (0, CHUNK_S))
"""Ranges that are at least so long have a large piece that begins and ends at multiples of this: the longer
it stays the same, the better; what is beside it is read anew each time anything was added."""
_WRITE_WAIT_S: Final = 10.0
_NARROW: Final = (1 << 32) - CHUNK_S


class Range(NamedTuple):
    """Records that are asked about, between their oldest and newest round."""

    table: str
    aid: int
    first_round: int
    last_round: int


class ColumnReader:
    """Reads columns through one connection, in one thread.

    Args:
        connection: for reading.
        write: does a job with the writer's connection.
        is_closing: whether to break off.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        write: Callable[[Callable[[apsw.Connection], None]], "Future[None]"],
        is_closing: Callable[[], bool],
    ) -> None:
        self._connection = connection
        self._write = write
        self._is_closing = is_closing
        self._chunks: OrderedDict[tuple[str, int], Chunk] = OrderedDict()
        self._size = 0
        self._filled: set[tuple[str, int]] = set()
        self._view: tuple[tuple[Range, int], View] | None = None
        self._view_bytes = max(VIEW_BYTES, memory_bytes() // VIEW_SHARE)
        self._large = Pieces(self._view_bytes)

    def prepare(self, asked: Range | None) -> None:
        """Have chunks made of all that is settled in a range; outside of any transaction."""
        if asked is None or self._is_viewed(asked) or (settled := self._settled(asked)) is None:
            return
        table, aid = asked.table, asked.aid
        known = marks(self._connection, table, aid, *settled)
        wanted = [start for stretch in self._many(asked, settled, known) for start in stretch]
        for begin in range(0, len(wanted), CLAIMS):
            self._waited(partial(claim, table=table, aid=aid, starts=wanted[begin : begin + CLAIMS]))
        if wanted:
            known = marks(self._connection, table, aid, *settled)
        made = self._made(asked, known)
        while some := list(islice(made, FILLS)):
            self._waited(partial(fill, table=table, packed=some))

    def range(self, table: str, aid: int, first_round: int, last_round: int) -> Range | None:
        """A range from its first to its last record: the same for all questions that mean the same."""
        ends: Any = self._connection.execute(
            f"SELECT (SELECT min(round_id) FROM {table} WHERE aid = ?1 AND round_id BETWEEN ?2 AND ?3),"  # noqa: S608 - a name from KINDS
            f" (SELECT max(round_id) FROM {table} WHERE aid = ?1 AND round_id BETWEEN ?2 AND ?3)",
            (aid, first_round, last_round),
        ).fetchone()
        return None if ends[0] is None else Range(table, aid, *ends)

    def has(self, asked: Range | None) -> bool:
        """Whether the most of a range is in memory; inside of a transaction."""
        if asked is None:
            return False
        known = marks(self._connection, asked.table, asked.aid, *_ends(_inner(asked)))
        return (asked.table, tuple(known.items())) in self._large

    def read(self, asked: Range | None) -> View:
        """The columns of a range; inside of a transaction."""
        if asked is None:
            return View([_columns([])])
        if self._view is not None and self._is_viewed(asked):
            return self._view[1]
        self._view = None
        first, last = start_of(asked.first_round), start_of(asked.last_round)
        known = marks(self._connection, asked.table, asked.aid, first, last)
        inner = _inner(asked)
        large = {start: mark for start, mark in known.items() if start in inner}
        others = {start: mark for start, mark in known.items() if start not in inner}
        pieces = [self._large_piece(asked, large)] if large else []
        rest = [_cut(self._chunk(asked, start, mark), asked) for start, mark in others.items()]
        rest.extend(self._unclaimed_of(asked, known))
        if rest or not pieces:
            pieces.append(_columns(rest))
        view = View(pieces)
        if sum(piece.size for piece in pieces) <= self._view_bytes:
            self._view = (asked, self.version()), view
        return view

    def _large_piece(self, asked: Range, known: dict[int, int]) -> Columns:
        """What the chunks in the middle hold: it stays as long as their marks do, whatever else is added."""
        key = asked.table, tuple(known.items())
        if (found := self._large.get(key)) is not None:
            return found
        pieces = []
        for start, mark in known.items():
            self._check_open()
            pieces.append(self._chunk(asked, start, mark, remember=False))
        self._large.make_room(sum(len(piece.dim) for piece in pieces))
        columns = _columns(pieces)
        self._large.keep(key, columns)
        return columns

    def version(self) -> int:
        """Of what the connection sees: it changes whenever anybody else has written."""
        return int(self._connection.pragma("data_version"))

    def _is_viewed(self, asked: Range) -> bool:
        return self._view is not None and self._view[0] == (asked, self.version())

    def _settled(self, asked: Range) -> tuple[int, int] | None:
        """The first and the last chunk of a range that are settled."""
        newest: int = self._connection.execute(
            f"SELECT max(round_id) FROM {asked.table} WHERE aid = ?",  # noqa: S608 - a name from KINDS
            (asked.aid,),
        ).get
        first = start_of(asked.first_round)
        last = min(start_of(asked.last_round), start_of(newest - SETTLED_S) - CHUNK_S)
        return (first, last) if first <= last else None

    def _many(self, asked: Range, settled: tuple[int, int], known: dict[int, int]) -> Iterator[list[int]]:
        """Stretches of chunks without a mark that hold more than a few records."""
        for first, last in _gaps(*settled, known):
            rows = read_rows(
                self._connection, asked.table, asked.aid, first, last + CHUNK_S - 1, FEW_ROWS + 1
            )
            if len(rows) > FEW_ROWS:
                yield list(range(first, last + 1, CHUNK_S))

    def _made(self, asked: Range, known: dict[int, int]) -> Iterator[tuple[int, bytes]]:
        """Those that are not filled yet, made: their mark, and what to fill them with."""
        self._find_filled(asked, known)
        for start, mark in known.items():
            if (asked.table, mark) in self._filled or (asked.table, mark) in self._chunks:
                continue
            self._check_open()
            with self._connection:  # the mark must hold for the rows
                current = marks(self._connection, asked.table, asked.aid, start, start)
                found = None
                if current.get(start) == mark and not self._is_filled(asked.table, mark):
                    found = self._from_rows(asked, start, mark)
            if found is not None:
                yield mark, found.pack()

    def _is_filled(self, table: str, mark: int) -> bool:
        sql = f"SELECT packed IS NOT NULL FROM {table}_chunk WHERE mark = ?"  # noqa: S608 - a name from KINDS
        return bool(self._connection.execute(sql, (mark,)).get)

    def _find_filled(self, asked: Range, known: dict[int, int]) -> None:
        """Learn which are filled: a mark stands for one state, so what is filled stays so."""
        new = [start for start, mark in known.items() if (asked.table, mark) not in self._filled]
        if not new:
            return
        if len(self._filled) >= FILLED:
            self._filled.clear()
        found = filled_marks(self._connection, asked.table, asked.aid, min(new), max(new))
        self._filled.update((asked.table, mark) for mark in found)

    def _unclaimed_of(self, asked: Range, known: dict[int, int]) -> Iterator[Chunk]:
        """What no chunk holds."""
        for begin, end in _gaps(start_of(asked.first_round), start_of(asked.last_round), known):
            self._check_open()
            yield from self._unclaimed(asked, begin, end)

    def _unclaimed(self, asked: Range, first: int, last: int) -> Iterator[Chunk]:
        rows = read_rows(
            self._connection,
            asked.table,
            asked.aid,
            max(first, asked.first_round),
            min(last + CHUNK_S - 1, asked.last_round),
        )
        begin = 0
        while begin < len(rows):
            start = start_of(rows[begin][0])
            end = begin
            while end < len(rows) and rows[end][0] < start + CHUNK_S:
                end += 1
            yield Chunk.of(start, rows[begin:end])
            begin = end

    def _chunk(self, asked: Range, start: int, mark: int, *, remember: bool = True) -> Chunk:
        key = asked.table, mark
        if (known := self._chunks.get(key)) is not None:
            self._chunks.move_to_end(key)
            return known
        found = read_filled(self._connection, asked.table, start, mark)
        if found is None:
            return self._from_rows(asked, start, mark)
        if remember:
            self._remember(key, found)
        return found

    def _from_rows(self, asked: Range, start: int, mark: int) -> Chunk:
        rows = read_rows(self._connection, asked.table, asked.aid, start, start + CHUNK_S - 1)
        found = Chunk.of(start, rows)
        self._remember((asked.table, mark), found)
        return found

    def _remember(self, key: tuple[str, int], chunk: Chunk) -> None:
        self._chunks[key] = chunk
        self._size += chunk.size
        while self._size > CHUNKS_BYTES:
            _, oldest = self._chunks.popitem(last=False)
            self._size -= oldest.size

    def _waited(self, job: Callable[[apsw.Connection], None]) -> None:
        # Without its chunks a question is answered all the same, only later.
        with suppress(StoreUnavailableError, FutureTimeoutError):
            self._write(job).result(_WRITE_WAIT_S)

    def _check_open(self) -> None:
        if self._is_closing():
            raise StoreUnavailableError("The store is closed")


def _gaps(first: int, last: int, known: dict[int, int]) -> Iterator[tuple[int, int]]:
    """The first and last chunk of each stretch that has no marks."""
    begin = first
    for start in [*sorted(known), last + CHUNK_S]:
        if begin < start:
            yield begin, start - CHUNK_S
        begin = start + CHUNK_S


def _cut(chunk: Chunk, asked: Range) -> Chunk:
    """What of a chunk is in the range."""
    if asked.first_round <= chunk.start_s and chunk.start_s + CHUNK_S - 1 <= asked.last_round:
        return chunk
    begin = int(np.searchsorted(chunk.since_s, asked.first_round - chunk.start_s, "left"))
    end = int(np.searchsorted(chunk.since_s, asked.last_round - chunk.start_s, "right"))
    return chunk._replace(
        since_s=chunk.since_s[begin:end],
        dim=chunk.dim[begin:end],
        loss_percent=chunk.loss_percent[begin:end],
        latency_ms=chunk.latency_ms[begin:end],
        jitter_ms=chunk.jitter_ms[begin:end],
    )


def _inner(asked: Range) -> range:
    """Where chunks of the large piece begin."""
    length_s = asked.last_round - asked.first_round
    step_s = next(step_s for least_s, step_s in LARGE_PIECE_S if length_s >= least_s)
    begin = -(-asked.first_round // step_s) * step_s
    end = (asked.last_round + 1) // step_s * step_s
    return range(begin, max(begin, end), CHUNK_S)


def _ends(starts: range) -> tuple[int, int]:
    """The first and the last; the other way round when there is none."""
    return (starts[0], starts[-1]) if starts else (0, -1)


def _columns(pieces: Sequence[Chunk]) -> Columns:
    none = np.empty(0)
    if not pieces:
        return Columns.of(none.astype(np.int64), none.astype(np.uint32), lambda _: none)
    kind = np.uint32 if pieces[0].start_s >= 0 and pieces[-1].start_s < _NARROW else np.int64
    return Columns.of(
        np.concatenate([np.add(piece.since_s, piece.start_s, dtype=kind) for piece in pieces]),
        np.concatenate([piece.dim for piece in pieces]),
        lambda number: np.concatenate([getattr(piece, number) for piece in pieces]),
    )
