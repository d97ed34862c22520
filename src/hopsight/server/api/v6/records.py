"""Lists of records: one way for all kinds."""

from typing import Any

from litestar.connection import Request

from hopsight.server.api.answers import Answer
from hopsight.server.api.bodies import read_json_body
from hopsight.server.api.filters import SearchFilter, parse_search_filters
from hopsight.server.api.record_pages import fetch, next_url, parse_walk, tail_of
from hopsight.server.api.v6.asking import Asked, ask
from hopsight.server.api.v6.rendering import render_records


async def list_records(request: Request[Any, Any, Any], kind: str) -> Answer:
    """Answer a GET."""
    return await _answer(ask(request), kind, ())


async def search_records(request: Request[Any, Any, Any], kind: str) -> Answer:
    """Answer a filtered POST: it reads, so every role may."""
    asked = ask(request)
    body = await read_json_body(request.scope, request.receive)
    return await _answer(asked, kind, parse_search_filters(body))


async def _answer(asked: Asked, kind: str, filters: tuple[SearchFilter, ...]) -> Answer:
    services = asked.services
    started_s = services.clock.monotonic()
    walk = parse_walk(kind, asked.aid, asked.parameters, filters, services.clock.now())
    query, page = await fetch(walk, services.store)
    following = next_url(walk, query, page, asked.scope, asked.parameters, services.config.public_url)
    answer = render_records(asked.scope, asked.format, kind, page.bodies, tail_of(walk, following))
    services.metrics.page_built(services.clock.monotonic() - started_s)
    return answer
