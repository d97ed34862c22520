"""Lists of records: one way for all kinds."""

from collections.abc import Callable
from typing import Any, Final

from litestar.connection import Request
from msgspec import Struct

from hopsight.errors import InvalidValueError
from hopsight.model.times import TimeRange
from hopsight.server.api.answers import Answer
from hopsight.server.api.bodies import read_json_body
from hopsight.server.api.filters import SearchFilter, parse_search_filters
from hopsight.server.api.record_pages import fetch, next_url, parse_walk, tail_of
from hopsight.server.api.v6.asking import Asked, ask
from hopsight.server.api.v6.rendering import render_records

Shown = Callable[[Asked], Callable[[bytes], bytes]]
"""From what is asked to how a stored document is served to who asks."""


class ListRules(Struct, frozen=True):
    """What is particular to the lists of a kind.

    Args:
        shown: what is served of a stored document; None: all of it.
        most_s: the longest time range that may be asked for; None: any.
    """

    shown: Shown | None = None
    most_s: int | None = None


NO_RULES: Final = ListRules()


async def list_records(request: Request[Any, Any, Any], kind: str, rules: ListRules = NO_RULES) -> Answer:
    """Answer a GET."""
    return await _answer(await ask(request), kind, (), rules)


async def search_records(request: Request[Any, Any, Any], kind: str, rules: ListRules = NO_RULES) -> Answer:
    """Answer a filtered POST: it reads, so every role may."""
    asked = await ask(request)
    body = await read_json_body(request.scope, request.receive)
    return await _answer(asked, kind, parse_search_filters(body), rules)


async def _answer(asked: Asked, kind: str, filters: tuple[SearchFilter, ...], rules: ListRules) -> Answer:
    services = asked.services
    started_s = services.clock.monotonic()
    walk = parse_walk(kind, asked.aid, asked.parameters, filters, services.clock.now())
    _check_range(walk.time_range, rules.most_s)
    query, page = await fetch(walk, services.store)
    following = next_url(walk, query, page, asked.scope, asked.parameters, services.config.public_url)
    bodies = page.bodies if rules.shown is None else list(map(rules.shown(asked), page.bodies))
    answer = render_records(asked.scope, asked.format, kind, bodies, tail_of(walk, following))
    services.metrics.page_built(services.clock.monotonic() - started_s)
    return answer


def _check_range(asked: TimeRange | None, most_s: int | None) -> None:
    if asked is not None and most_s is not None and asked.end_s - asked.start_s > most_s:
        given = f"{asked.end_s - asked.start_s} s"
        raise InvalidValueError(
            "window", given, f"at most {most_s // 3600} h a request: window, or from and to"
        )
