"""States of agents: why there is a gap.

A state belongs to the round in which it starts, and is a day long at most. So the states of a time range are
those that start in it, and those of the day before that reach into it; the latter are found by looking at all
that started in that day, and so a page may hold fewer items than others and yet have a next.
"""

from typing import Any, Final

import msgspec
from litestar import get, post
from litestar.connection import Request
from msgspec import Struct, field

from hopsight.model.dimensions import AGENT_STATES
from hopsight.model.ids import SESSION_ROUND_S
from hopsight.model.kinds import KINDS
from hopsight.server.api.answers import Answer
from hopsight.server.api.asking import Asked, ask
from hopsight.server.api.bodies import read_json_body
from hopsight.server.api.description import described
from hopsight.server.api.documents import join_page
from hopsight.server.api.filters import SearchBody, SearchFilter, parse_search_filters
from hopsight.server.api.hopsight.descriptions import BODY_STATUSES, RECORD_PARAMETERS, ROOT, operation
from hopsight.server.api.hopsight.documents import RECORDS
from hopsight.server.api.hopsight.records import answer_json, parse_list
from hopsight.server.api.record_pages import fetch, next_url, tail_of
from hopsight.server.kinds.agent_states import MAX_SPAN_S

PATH: Final = f"{ROOT}/agent-states"
REACH_BACK_S: Final = MAX_SPAN_S + 2 * SESSION_ROUND_S

_LISTED: Final = operation(
    "States of agents: those that start in a time range or reach into it; or those of the last round"
    " in which any started",
    parameters=RECORD_PARAMETERS,
    answer=RECORDS[AGENT_STATES],
)
_SEARCHED: Final = operation(
    "The same, narrowed by filters",
    *BODY_STATUSES,
    parameters=RECORD_PARAMETERS,
    body=SearchBody,
    answer=RECORDS[AGENT_STATES],
)


@get(PATH, opt=described(_LISTED))
async def list_agent_states(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page."""
    return await _answer_page(await ask(request), ())


@post(PATH, opt=described(_SEARCHED))
async def search_agent_states(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page of those that the filters leave."""
    asked = await ask(request)
    body = await read_json_body(request.scope, request.receive)
    return await _answer_page(asked, parse_search_filters(body))


class _Span(Struct):
    """Of a state, what tells whether it reaches into a time range."""

    end_ms: int = field(name="endMs")


_spans: Final = msgspec.json.Decoder(_Span)


async def _answer_page(asked: Asked, filters: tuple[SearchFilter, ...]) -> Answer:
    services = asked.services
    started_s = services.clock.monotonic()
    walk, _ = parse_list(asked, AGENT_STATES, filters, reach_back_s=REACH_BACK_S)
    query, page = await fetch(walk, services.store)
    following = next_url(walk, query, page, asked.scope, asked.parameters, services.config.public_url)
    bodies = page.bodies
    if walk.time_range is not None:
        first_ms = walk.time_range.start_s * 1_000
        bodies = [body for body in bodies if _spans.decode(body).end_ms >= first_ms]
    answer = answer_json(asked, join_page(KINDS[AGENT_STATES].list_key, bodies, tail_of(walk, following)))
    services.metrics.page_built(services.clock.monotonic() - started_s)
    return answer


HANDLERS: Final = (list_agent_states, search_agent_states)
