"""Questions as ClickHouse's SQL. Values become literals here, and nowhere else.

Version 18 has no parameters, so literals it is: a whole number as it is, a text as it is if it holds nothing
but harmless characters, else in hexadecimal. Names come from ``KINDS`` and ``Dimensions``, never from a
question.
"""

import re
from collections.abc import Iterable
from typing import Final

from hopsight.model.query import Cursor, Filter, Query
from hopsight.storage.clickhouse.row_binary import DIMENSION_COLUMNS

_LARGEST: Final = (1 << 63) - 1
_HARMLESS: Final = re.compile(r"[A-Za-z0-9 .,:;_/@+-]*", re.ASCII)


def text(value: str) -> str:
    """A text as a literal."""
    if _HARMLESS.fullmatch(value):
        return f"'{value}'"
    return f"unhex('{value.encode('utf-8', 'surrogatepass').hex()}')"


def number(value: int) -> str:
    """The nearest whole number that a column can hold."""
    bounded = max(-_LARGEST, min(value, _LARGEST))
    return f"({bounded})" if bounded < 0 else str(bounded)


def column(name: str) -> str:
    """A field of ``Dimensions``.

    Raises:
        LookupError: it is none.
    """
    if name not in DIMENSION_COLUMNS:
        raise LookupError(f"{name} is no field of Dimensions")
    return name


def between(aid: int, first_round: int, last_round: int) -> str:
    """Rounds of an account group, both ends included."""
    return f"aid = {number(aid)} AND round_id BETWEEN {number(first_round)} AND {number(last_round)}"


def admitted(query: Query) -> str:
    """All that account group, rounds and filters of a question admit."""
    return between(query.aid, query.first_round, query.last_round) + filtered(query.filters)


def filtered(filters: Iterable[Filter]) -> str:
    """Filters as further conditions."""
    return "".join(f" AND {_filter(each)}" for each in filters)


def behind(place: Cursor) -> str:
    """Records behind a place."""
    return f"(round_id, id) > ({number(place.round_id)}, {text(place.record_id)})"


def texts(values: Iterable[str]) -> str:
    """Texts, with a comma between."""
    return ", ".join(text(value) for value in values)


def _filter(one: Filter) -> str:
    name = column(one.column)
    return f"{name} IN ({texts(one.values)})" if one.values else "0"
