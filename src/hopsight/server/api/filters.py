"""The body of a filtered POST (API.md section 2): decoded, bounded, and brought to the stored spelling."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from hopsight.errors import InvalidValueError
from hopsight.model.dimensions import FILTERS
from hopsight.model.query import Filter

MAX_FILTERS: Final = 50
MAX_VALUES: Final = 1_000
MAX_VALUE_CHARS: Final = 1_024


class SearchFilter(Struct, frozen=True, forbid_unknown_fields=True):
    """One filter: the record's ``key`` is one of ``values``."""

    key: str
    values: Annotated[
        tuple[Annotated[str, Meta(max_length=MAX_VALUE_CHARS)], ...],
        Meta(min_length=1, max_length=MAX_VALUES),
    ]


class SearchBody(Struct, rename="camel", frozen=True, forbid_unknown_fields=True):
    """What a client posts; all of the filters must hold."""

    search_filters: Annotated[tuple[SearchFilter, ...], Meta(max_length=MAX_FILTERS)] = ()


_DECODER: Final = msgspec.json.Decoder(SearchBody)
_ACCEPTED: Final = '{"searchFilters": [{"key": "agentId", "values": ["..."]}]}'


def parse_search_filters(body: bytes) -> tuple[SearchFilter, ...]:
    """Read a body; empty, ``{}`` and ``[]`` mean no filter.

    Raises:
        InvalidValueError: it is not such a body, or holds too much.
    """
    stripped = body.strip(b" \t\r\n")
    if stripped in {b"", b"[]"}:
        return ()
    try:
        parsed = _DECODER.decode(stripped)
        # The decoder above takes the last of two equal keys: see that there are none.
        json.loads(stripped, object_pairs_hook=_without_duplicates)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error) or "nested too deeply"
        raise InvalidValueError("body", reason, _ACCEPTED) from None
    return parsed.search_filters


def _without_duplicates(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise InvalidValueError("body", f"key {name!r} comes twice", "each key once")


def resolve_filters(kind: str, given: Sequence[SearchFilter]) -> tuple[Filter, ...]:
    """Turn filters into those of a ``Query`` for records of ``kind``.

    Raises:
        InvalidValueError: a key is unknown, or not one that this resource takes.
    """
    resolved = []
    for filter_ in given:
        row = FILTERS.get(filter_.key)
        if row is None or kind not in row.kinds:
            known = ", ".join(key for key, row in FILTERS.items() if kind in row.kinds)
            raise InvalidValueError("filter key", filter_.key, known)
        resolved.append(Filter(row.column, tuple(row.normalize(value) for value in filter_.values)))
    return tuple(resolved)
