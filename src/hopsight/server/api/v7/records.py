"""Lists of records in version 7: one way for all kinds."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from litestar.connection import Request
from msgspec import Struct

from hopsight.errors import InvalidValueError
from hopsight.model.query import PageOf, Query
from hopsight.model.times import TimeRange, format_instant
from hopsight.server.api.answers import Answer, compressed
from hopsight.server.api.bodies import read_json_body
from hopsight.server.api.cursors import PagePlace
from hopsight.server.api.filters import SearchFilter
from hopsight.server.api.record_pages import Walk, fetch, same_filters
from hopsight.server.api.time_ranges import V7_RANGE, parse_time_range
from hopsight.server.api.v7.asking import Asked, ask, link_to
from hopsight.server.api.v7.cursors import PARAMETER, format_cursor, parse_cursor
from hopsight.server.api.v7.documents import Links
from hopsight.server.api.v7.filters import parse_search
from hopsight.server.api.visits import header, visit_of

_REPLACED: Final = frozenset({"window", "startDate", "endDate", PARAMETER})
_json: Final = msgspec.json.Encoder()

Shown = Callable[[bytes], Struct]
"""From a stored document to version 7's."""


class ResultsTail(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """What follows the results of a page: the time range if one was asked for, and the links."""

    start_date: str | None = None
    end_date: str | None = None
    links: Links = msgspec.field(name="_links")


def results_answer(item: type[Struct], name: str) -> type[Struct]:
    """The answer that is a page of results."""
    return msgspec.defstruct(
        name,
        [
            ("results", list[item]),  # type: ignore[valid-type]
            ("startDate", str, ""),
            ("endDate", str, ""),
            ("links", Links, msgspec.field(name="_links", default_factory=Links)),
        ],
        kw_only=True,
        omit_defaults=True,
        namespace={"__doc__": "A page of results; the time range when one was asked for."},
    )


async def filter_records(
    request: Request[Any, Any, Any], kind: str, shown: Shown, most_s: int | None = None
) -> Answer:
    """Answer one page of those that the filters leave; it reads, so every role may.

    Args:
        request: what was asked.
        kind: the kind of record.
        shown: what is served of a stored document.
        most_s: the longest time range that may be asked for; None: any.
    """
    asked = await ask(request)
    body = await read_json_body(request.scope, request.receive)
    services = asked.services
    started_s = services.clock.monotonic()
    walk = parse_walk(asked, kind, parse_search(kind, body), most_s)
    query, page = await fetch(walk, services.store)
    results = _json.encode([shown(each) for each in page.bodies])
    tail = _json.encode(_tail(asked, walk, query, page))
    made = Answer(b'{"results":%b,%b' % (results, tail[1:]), asked.media_type.encode())
    services.metrics.page_built(services.clock.monotonic() - started_s)
    return compressed(made, header(asked.scope, b"accept-encoding"))


def parse_walk(asked: Asked, kind: str, filters: tuple[SearchFilter, ...], most_s: int | None) -> Walk:
    """Read the parameters of a list of records.

    Raises:
        InvalidValueError: one of them is wrong, or does not go with another.
    """
    time_range = parse_time_range(asked.parameters, asked.services.clock.now(), V7_RANGE)
    _check_range(time_range, most_s)
    text = asked.parameters.one(PARAMETER)
    cursor = parse_cursor(text, kind) if text else None
    place = cursor.place if cursor else None
    return Walk(
        kind=kind,
        aid=asked.aid,
        time_range=cursor.time_range if cursor else time_range,
        place=place,
        number=place.page if place else 1,
        filters=same_filters(filters, place),
    )


def _check_range(asked: TimeRange | None, most_s: int | None) -> None:
    if asked is not None and most_s is not None and asked.end_s - asked.start_s > most_s:
        given = f"{asked.end_s - asked.start_s} s"
        accepted = f"at most {most_s // 3600} h a request: window, or startDate and endDate"
        raise InvalidValueError("window", given, accepted)


def _tail(asked: Asked, walk: Walk, query: Query, page: PageOf) -> ResultsTail:
    links = _links(asked, walk, query, page)
    if walk.time_range is None:
        return ResultsTail(links=links)
    start, end = format_instant(walk.time_range.start_s), format_instant(walk.time_range.end_s)
    return ResultsTail(start_date=start, end_date=end, links=links)


def _links(asked: Asked, walk: Walk, query: Query, page: PageOf) -> Links:
    if page.next is None:
        return Links()
    place = PagePlace(
        of=walk.kind,
        page=walk.number + 1,
        round_id=page.next.round_id,
        item_id=page.next.record_id,
        pinned_round=None if walk.time_range else query.last_round,
        filters=walk.filters,
    )
    pairs = asked.parameters.without(_REPLACED)
    if walk.time_range is not None:
        pairs += [
            f"startDate={format_instant(walk.time_range.start_s)}".encode(),
            f"endDate={format_instant(walk.time_range.end_s)}".encode(),
        ]
    pairs.append(f"{PARAMETER}={format_cursor(place, walk.time_range)}".encode())
    return Links(next=link_to(asked, visit_of(asked.scope).path, pairs))
