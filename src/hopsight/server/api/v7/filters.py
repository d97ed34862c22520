"""Filters as version 7 has them: an object of arrays, its keys those of ``model.dimensions.FILTERS``."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from hopsight.errors import InvalidValueError
from hopsight.model.dimensions import FILTERS, NETWORK_PROBES, NETWORK_SESSIONS, USER_SESSIONS, WEB_SESSIONS
from hopsight.server.api.filters import MAX_VALUE_CHARS, MAX_VALUES, SearchFilter

_OURS: Final = frozenset({"verdict"})
"""Filters that the vendor's version has not, and so nor has ours: /hopsight/v1 takes them."""

_Values = Annotated[
    tuple[Annotated[str, Meta(max_length=MAX_VALUE_CHARS)], ...], Meta(min_length=1, max_length=MAX_VALUES)
]


def _filters(kind: str, name: str) -> type[Struct]:
    keys = [key for key, row in FILTERS.items() if kind in row.kinds and key not in _OURS]
    fields: list[tuple[str, Any, Any]] = [(key, _Values | None, None) for key in keys]
    return msgspec.defstruct(
        name,
        fields,
        kw_only=True,
        frozen=True,
        forbid_unknown_fields=True,
        namespace={"__doc__": "Filters, all of which must hold; a record passes one by any of its values."},
    )


def _search(kind: str, name: str) -> type[Struct]:
    inner = _filters(kind, f"{name}Filters")
    return msgspec.defstruct(
        f"{name}Search",
        [("searchFilters", inner | None, None)],
        kw_only=True,
        frozen=True,
        forbid_unknown_fields=True,
        namespace={"__doc__": "What a client posts."},
    )


SEARCHES: Final[Mapping[str, type[Struct]]] = {
    NETWORK_SESSIONS: _search(NETWORK_SESSIONS, "RealUserTestNetwork"),
    USER_SESSIONS: _search(USER_SESSIONS, "RealUserTest"),
    # Here the filters are the whole body.
    WEB_SESSIONS: _filters(WEB_SESSIONS, "RealUserTestPageFilters"),
    NETWORK_PROBES: _search(NETWORK_PROBES, "LocalNetworkTopology"),
}
"""The body of a search of each kind."""

_decoders: Final = {kind: msgspec.json.Decoder(body) for kind, body in SEARCHES.items()}


def parse_search(kind: str, body: bytes) -> tuple[SearchFilter, ...]:
    """Read a body; empty or ``{}`` means no filter.

    Raises:
        InvalidValueError: it is not such a body, or names a filter that this resource does not take.
    """
    if not body.strip(b" \t\r\n"):
        return ()
    try:
        parsed: Any = _decoders[kind].decode(body)
        # The decoder above takes the last of two equal keys: see that there are none.
        json.loads(body, object_pairs_hook=_without_duplicates)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidValueError("body", str(error) or "nested too deeply", _accepted(kind)) from None
    filters = parsed if kind == WEB_SESSIONS else parsed.searchFilters
    given = {} if filters is None else msgspec.structs.asdict(filters)
    return tuple(SearchFilter(key, values) for key, values in given.items() if values is not None)


def _accepted(kind: str) -> str:
    keys = ", ".join(key for key, row in FILTERS.items() if kind in row.kinds and key not in _OURS)
    example = '{"agentId": ["..."]}' if kind == WEB_SESSIONS else '{"searchFilters": {"agentId": ["..."]}}'
    return f"{example} with any of {keys}"


def _without_duplicates(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise InvalidValueError("body", f"key {name!r} comes twice", "each key once")
