"""The order of a column of numbers, and percentiles out of pieces of it."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hopsight.storage.columns import columns_of
from hopsight.storage.ordered import Ordered, sort
from hopsight.storage.selection import Grouped, percentiles_of_groups

CLOSE = st.integers(0, 40).map(lambda steps: math.ldexp(1.0, 3) + steps * math.ulp(8.0))
NUMBER = st.one_of(CLOSE, st.floats(0, 1e6), st.just(-0.0), st.floats(-5, 5))


@given(st.lists(NUMBER, max_size=200))
def test_the_order_sorts(numbers: list[float]) -> None:
    """Whatever the numbers are, also those that differ in their last bits alone, their order sorts them."""
    column = np.array(numbers, dtype=np.float64)
    order, ordered = sort(column)
    assert sorted(order.tolist()) == list(range(len(numbers)))
    assert column[order].tolist() == ordered.tolist() == sorted(numbers)


def test_a_large_column_of_close_numbers_is_sorted() -> None:
    """Where the upper bits say nothing, the lower ones are looked at."""
    rng = np.random.default_rng(1)
    column = (8.0 + rng.integers(0, 1_000, 50_000) * math.ulp(8.0)).astype(np.float64)
    order, ordered = sort(column)
    assert (column[order] == ordered).all()
    assert (np.diff(ordered) >= 0).all()


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30)), max_size=80),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30)), max_size=20),
    st.integers(1, 7),
    st.sampled_from([0.01, 0.5, 0.95, 1.0]),
)
def test_percentiles_are_those_of_all_pieces(
    large: list[tuple[int, int]], small: list[tuple[int, int]], block_rows: int, share: float
) -> None:
    """However records are spread over pieces and blocks, a percentile is that of the textbook."""
    groups = 3
    pieces = []
    for some in (large, small):
        columns = columns_of([(60, dim, None, float(number), None) for dim, number in some])
        columns.latency.block_rows = block_rows
        # Combination 4 is in no group.
        group = np.array([-1 if dim == 4 else dim % groups for dim in columns.used.tolist()], dtype=np.int64)
        pieces.append(Grouped(columns.latency, group))
    (found,), measured = percentiles_of_groups(pieces, groups, (share,))
    for asked in range(groups):
        numbers = sorted(number for dim, number in [*large, *small] if dim != 4 and dim % groups == asked)
        assert measured[asked] == len(numbers)
        if numbers:
            assert found[asked] == numbers[max(0, math.ceil(share * len(numbers)) - 1)]
        else:
            assert np.isnan(found[asked])


def test_what_was_not_measured_is_in_no_order() -> None:
    """Records without the number are in no block and no count; the others are in its order."""
    none = math.nan
    made = Ordered.of(np.array([3.0, none, 1.0]), np.array([0, 1, 1]), np.array([60, 0, 0]), 2)
    assert made.numbers.tolist() == [1.0, 3.0]
    assert made.dim.tolist() == [1, 0]
    assert made.counts.tolist() == [[1], [1]]
