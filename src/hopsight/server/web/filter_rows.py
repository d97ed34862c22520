"""Rows of a form about which sessions something is about: a key, and its values one a line."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Final

from msgspec import Struct

from hopsight.model.alerts import AlertFilter
from hopsight.model.dimensions import FILTERS, USER_SESSIONS
from hopsight.server.web.forms import Form

FILTER_KEYS: Final = sorted(key for key, row in FILTERS.items() if USER_SESSIONS in row.kinds)
MAX_FILTERS: Final = 50
MAX_VALUES: Final = 1_000
MAX_VALUE_CHARS: Final = 1_024


class FilterRow(Struct, frozen=True):
    """One row as it was typed; ``values``: one a line."""

    key: str = ""
    values: str = ""


def filter_rows_from(form: Form) -> tuple[FilterRow, ...]:
    """The rows that were filled in, with those that were left half empty."""
    pairs = zip_longest(form.all("filterKey"), form.all("filterValues"), fillvalue="")
    return tuple(FilterRow(key, values) for key, values in pairs if key or values.strip())


def filter_rows_of(filters: Sequence[AlertFilter]) -> tuple[FilterRow, ...]:
    """The rows of what is stored."""
    return tuple(FilterRow(each.key, "\n".join(each.values)) for each in filters)


def filters_of(rows: Sequence[FilterRow]) -> tuple[AlertFilter, ...]:
    """What the rows ask for.

    Raises:
        ValueError: a row is wrong; the text says which and what is accepted.
    """
    if len(rows) > MAX_FILTERS:
        raise ValueError(f"{len(rows)} rows; accepted: at most {MAX_FILTERS}")
    return tuple(_filter(place, row) for place, row in enumerate(rows, start=1))


def _filter(place: int, row: FilterRow) -> AlertFilter:
    values = tuple(dict.fromkeys(line.strip() for line in row.values.splitlines() if line.strip()))
    if row.key not in FILTER_KEYS:
        said = f"has the key {row.key[:40]!r}" if row.key else "has values without a key"
        raise ValueError(f"Row {place} {said}; accepted: {', '.join(FILTER_KEYS)}")
    if not values:
        raise ValueError(f"Row {place} ({row.key}) has no value; accepted: one or more, one a line")
    if len(values) > MAX_VALUES or max(map(len, values)) > MAX_VALUE_CHARS:
        accepted = f"at most {MAX_VALUES:,} values of {MAX_VALUE_CHARS:,} characters"
        raise ValueError(f"Row {place} ({row.key}) is too long; accepted: {accepted}")
    return AlertFilter(row.key, values)
