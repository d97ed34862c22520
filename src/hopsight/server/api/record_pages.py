"""Walking a list of records page by page: request to ``Query``, answer to the link of the next page.

The same for every kind of record. A page costs one call to the store; two where no time range was asked
for, since the last round is looked up first (and pinned in the link, so that it is looked up once).
"""

from collections.abc import Sequence
from typing import Final

from litestar.types import Scope
from msgspec import Struct

from hopsight.errors import InvalidValueError
from hopsight.model.query import PAGE_ITEMS, Cursor, PageOf, Query
from hopsight.model.times import TimeRange, format_utc
from hopsight.server.api.cursors import PARAMETER, PagePlace, format_page_place, parse_page_place
from hopsight.server.api.documents import Pages, Tail
from hopsight.server.api.filters import SearchFilter, resolve_filters
from hopsight.server.api.links import link, origin
from hopsight.server.api.parameters import Parameters
from hopsight.server.api.time_ranges import parse_time_range
from hopsight.server.api.visits import visit_of
from hopsight.storage.store import Store

MAX_PAGE: Final = 1_000
_REPLACED: Final = frozenset({"window", "from", "to", "page", PARAMETER})


class Walk(Struct, frozen=True, kw_only=True):
    """What a request asks of a list.

    Args:
        kind: the kind of record.
        aid: account group.
        time_range: the time range asked for; None: the last round.
        place: where the page starts; None: at the beginning.
        number: of the page, from 1.
        filters: as they were sent.
        limit: most records on a page.
        reach_back_s: how long before its time range records may begin that belong to it.
    """

    kind: str
    aid: int
    time_range: TimeRange | None
    place: PagePlace | None
    number: int
    filters: tuple[SearchFilter, ...]
    limit: int = PAGE_ITEMS
    reach_back_s: int = 0


def parse_walk(
    kind: str, aid: int, parameters: Parameters, filters: Sequence[SearchFilter], now_s: float
) -> Walk:
    """Read the parameters of a list of records.

    Raises:
        InvalidValueError: one of them is wrong, or does not go with another.
    """
    time_range = parse_time_range(parameters, now_s)
    place = parse_place(kind, parameters)
    if place is not None and (place.pinned_round is None) != (time_range is not None):
        raise InvalidValueError(PARAMETER, "", "the time range of the request that it comes from, or none")
    return Walk(
        kind=kind,
        aid=aid,
        time_range=time_range,
        place=place,
        number=place.page if place else parse_page_number(parameters),
        filters=same_filters(tuple(filters), place),
    )


def parse_place(of: str, parameters: Parameters) -> PagePlace | None:
    """Read ``pageId``."""
    text = parameters.one(PARAMETER)
    return None if text is None else parse_page_place(text, of)


def parse_page_number(parameters: Parameters, most: int = MAX_PAGE) -> int:
    """Read ``page``, deprecated: the store has to pass over everything before it."""
    text = parameters.one("page")
    if text is None:
        return 1
    digits = text.lstrip("0") if text.isascii() and text.isdigit() else ""
    if not digits or len(digits) > len(str(most)) or int(digits) > most:
        raise InvalidValueError("page", text, f"1 to {most}; follow pages.next to go further")
    return int(digits)


def same_filters(posted: tuple[SearchFilter, ...], place: PagePlace | None) -> tuple[SearchFilter, ...]:
    """The filters of a page: those of the first one, which may be sent again but not changed.

    Raises:
        InvalidValueError: others were sent.
    """
    if place is None:
        return posted
    if posted and posted != place.filters:
        raise InvalidValueError("body", "other filters", "the filters of the first page, or no body")
    return place.filters


async def fetch(walk: Walk, store: Store) -> tuple[Query, PageOf]:
    """Ask the store."""
    query = await resolve(walk, store)
    if query.last_round < query.first_round:
        return query, PageOf([], None)
    return query, await store.page(query)


async def resolve(walk: Walk, store: Store) -> Query:
    """The question that a walk comes to; its rounds end before they begin where there is no data at all.

    Raises:
        InvalidValueError: a filter is not one of this kind's.
    """
    filters = resolve_filters(walk.kind, walk.filters)
    first, last = await _rounds(walk, store)
    return Query(
        kind=walk.kind,
        aid=walk.aid,
        first_round=first,
        last_round=last,
        filters=filters,
        after=Cursor(walk.place.round_id, walk.place.item_id) if walk.place else None,
        skip=0 if walk.place else (walk.number - 1) * walk.limit,
        limit=walk.limit,
    )


async def _rounds(walk: Walk, store: Store) -> tuple[int, int]:
    """First and last round of the list; an empty span when there is no data at all."""
    if walk.time_range is not None:
        return walk.time_range.start_s - walk.reach_back_s, walk.time_range.end_s
    pinned = walk.place.pinned_round if walk.place else None
    if pinned is None:
        pinned = await store.last_round(walk.kind, walk.aid)
    return (pinned, pinned) if pinned is not None else (0, -1)


def tail_of(walk: Walk, following: str | None) -> Tail:
    """What follows the records of a page; ``following`` is the URL of the next one."""
    pages = Pages(current=walk.number, next=following)
    if walk.time_range is None:
        return Tail(pages=pages)
    start, end = format_utc(walk.time_range.start_s), format_utc(walk.time_range.end_s)
    return Tail(from_=start, to=end, pages=pages)


def next_url(
    walk: Walk, query: Query, page: PageOf, scope: Scope, parameters: Parameters, public_url: str | None
) -> str | None:
    """The absolute URL of the page after this; None: this is the last."""
    if page.next is None:
        return None
    place = PagePlace(
        of=walk.kind,
        page=walk.number + 1,
        round_id=page.next.round_id,
        item_id=page.next.record_id,
        pinned_round=None if walk.time_range else query.last_round,
        filters=walk.filters,
    )
    pairs = parameters.without(_REPLACED)
    if walk.time_range is not None:
        pairs += [_moment(b"from=", walk.time_range.start_s), _moment(b"to=", walk.time_range.end_s)]
    return page_url(scope, public_url, pairs, place)


def page_url(scope: Scope, public_url: str | None, pairs: list[bytes], place: PagePlace) -> str:
    """The request's own path with these parameters, and the place."""
    cursor = f"{PARAMETER}={format_page_place(place)}".encode()
    return link(origin(scope, public_url), visit_of(scope).path, [*pairs, cursor])


def _moment(prefix: bytes, time_s: int) -> bytes:
    return prefix + format_utc(time_s).replace(" ", "T").encode()
