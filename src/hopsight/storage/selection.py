"""Percentiles of many groups at once, by nearest rank: each is a number that was measured.

Records come in pieces: a large one that stays, a small one of what is new. Each is in order of its numbers.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hopsight.storage.ordered import Floats, Integers, Numbers, Ordered


class Grouped(NamedTuple):
    """A piece, and which group each combination of dimensions is in; -1: none."""

    piece: Ordered
    group: Integers


class _Wanted(NamedTuple):
    """Picks: of which group, in which block, and how many of the group come before it there."""

    group: Integers
    block: Integers
    within: Integers


def percentiles_of_groups(
    pieces: Sequence[Grouped], groups: int, shares: Sequence[float]
) -> tuple[list[Floats], Integers]:
    """Of each group, NaN where nothing was measured; and how many were measured."""
    pieces = sorted(pieces, key=lambda each: len(each.piece), reverse=True)
    main, *others = pieces
    blocks = [_blocks_of(main.piece, each.piece) for each in others]
    counts = main.piece.counts_of_groups(main.group, groups)
    width = counts.shape[1]
    for other, block in zip(others, blocks, strict=True):
        parts = other.group.take(other.piece.dim)
        cells = (parts * width + block)[parts >= 0]
        counts = counts + np.bincount(cells, minlength=groups * width).reshape(groups, width)
    reached = counts.cumsum(axis=1)
    measured: Integers = reached[:, -1].copy()
    some = np.flatnonzero(measured)
    found = [np.full(groups, np.nan) for _ in shares]
    wanted = [_locate(reached[some], ranks_of(share, measured[some]), some) for share in shares]
    together = _Wanted(*(np.concatenate(each) for each in zip(*wanted, strict=True)))
    picked = _pick(pieces, blocks, together)
    for number, column in enumerate(found):
        column[some] = picked[number * len(some) : (number + 1) * len(some)]
    return found, measured


def percentiles_of_cells(
    numbers: Floats, cells: Numbers, count: int, shares: Sequence[float]
) -> tuple[list[Floats], Integers]:
    """The same of numbers that are in order, and of the cell of each."""
    starts, keys, size = _sorted_by_part(cells, np.arange(count + 1, dtype=np.int64))
    measured = np.diff(starts)
    some = np.flatnonzero(measured)
    found = []
    for share in shares:
        picked = np.full(count, np.nan)
        chosen = starts[:-1][some] + ranks_of(share, measured[some])
        picked[some] = numbers.take((keys.take(chosen) % np.uint64(size)).astype(np.int64))
        found.append(picked)
    return found, measured


def ranks_of(share: float, measured: Integers) -> Integers:
    """The place of a percentile among so many numbers, from 0."""
    ranks: Integers = np.maximum(np.ceil(share * measured).astype(np.int64) - 1, 0)
    return ranks


def _blocks_of(main: Ordered, other: Ordered) -> Integers:
    """In which block of the main piece each number of another one belongs: never a lower one than before."""
    found: Integers = np.maximum(np.searchsorted(main.edges, other.numbers, side="right") - 1, 0)
    return found


def _locate(reached: Integers, rank: Integers, group: Integers) -> _Wanted:
    """Where the record with a rank of each row is, ``reached`` being the counts up to and with each block."""
    block = (reached <= rank[:, None]).sum(axis=1)
    before = np.where(block > 0, reached[np.arange(len(block)), np.maximum(block - 1, 0)], 0)
    return _Wanted(group, block, rank - before)


def _pick(pieces: Sequence[Grouped], blocks: Sequence[Integers], wanted: _Wanted) -> Floats:
    """The number that each wanted record has, block by block."""
    found = np.empty(len(wanted.block))
    if not len(found):
        return found
    order = np.argsort(wanted.block, kind="stable")
    present, starts = np.unique(wanted.block[order], return_index=True)
    for block, picks in zip(present.tolist(), np.split(order, starts[1:]), strict=True):
        numbers, parts = _block(pieces, blocks, block)
        groups, index = np.unique(wanted.group[picks], return_inverse=True)
        begins, keys, size = _sorted_by_part(parts, groups)
        place = keys.take(begins[index] + wanted.within[picks]) % np.uint64(size)
        found[picks] = numbers.take(place.astype(np.int64))
    return found


def _block(pieces: Sequence[Grouped], blocks: Sequence[Integers], block: int) -> tuple[Floats, Integers]:
    """The numbers in a block of all pieces, in order, and the group of each."""
    main, *others = pieces
    where = main.piece.block(block)
    numbers = main.piece.numbers[where]
    parts = main.group.take(main.piece.dim[where], mode="clip")
    for other, block_of in zip(others, blocks, strict=True):
        begin, end = np.searchsorted(block_of, [block, block + 1])
        if begin < end:
            numbers = np.concatenate([numbers, other.piece.numbers[begin:end]])
            parts = np.concatenate([parts, other.group.take(other.piece.dim[begin:end])])
            order = np.argsort(numbers, kind="stable")  # two runs that are sorted: fast
            numbers, parts = numbers.take(order), parts.take(order)
    return numbers, parts


def _sorted_by_part(parts: Numbers, asked: Integers) -> tuple[Integers, NDArray[np.uint64], int]:
    """Where each asked part begins among keys: places ordered by part, the part in front of each place.

    Args:
        parts: of each place; -1: none.
        asked: in order.

    Returns:
        Where each begins; the keys; and by what a key is to be divided: what remains is the place.
    """
    size = max(1, len(parts))
    places = np.flatnonzero(parts >= 0)
    keys = parts.take(places).astype(np.uint64)
    keys *= np.uint64(size)
    keys += places.astype(np.uint64)
    keys.sort()
    starts = np.searchsorted(keys, asked.astype(np.uint64) * np.uint64(size))
    return starts.astype(np.int64), keys, size
