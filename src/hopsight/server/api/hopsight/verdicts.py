"""How many sessions have which verdict: counted where they are stored, however many they are."""

from typing import Any, Final

import msgspec
from litestar import get, post
from litestar.connection import Request

from hopsight.model.dimensions import USER_SESSIONS
from hopsight.model.times import format_utc
from hopsight.server.api.answers import Answer
from hopsight.server.api.asking import Asked, ask
from hopsight.server.api.bodies import read_json_body
from hopsight.server.api.common_parameters import TIMES
from hopsight.server.api.description import described
from hopsight.server.api.filters import SearchBody, SearchFilter, parse_search_filters
from hopsight.server.api.hopsight.descriptions import BODY_STATUSES, COMMON, ROOT, operation
from hopsight.server.api.hopsight.documents import VERDICTS, VerdictCount, VerdictsAnswer
from hopsight.server.api.hopsight.records import answer_json
from hopsight.server.api.record_pages import parse_walk, resolve

PATH: Final = f"{ROOT}/verdicts"

_COUNTED: Final = operation(
    "How many user sessions of a time range, or of the last round, have which verdict",
    parameters=(*COMMON, *TIMES),
    answer=VerdictsAnswer,
)
_SEARCHED: Final = operation(
    "The same of the sessions that filters leave",
    *BODY_STATUSES,
    parameters=(*COMMON, *TIMES),
    body=SearchBody,
    answer=VerdictsAnswer,
)
_encode: Final = msgspec.json.Encoder().encode


@get(PATH, opt=described(_COUNTED))
async def count_verdicts(request: Request[Any, Any, Any]) -> Answer:
    """Answer with the counts."""
    return await _answer(await ask(request), ())


@post(PATH, opt=described(_SEARCHED))
async def count_verdicts_of(request: Request[Any, Any, Any]) -> Answer:
    """Answer with the counts of those that the filters leave."""
    asked = await ask(request)
    body = await read_json_body(request.scope, request.receive)
    return await _answer(asked, parse_search_filters(body))


async def _answer(asked: Asked, filters: tuple[SearchFilter, ...]) -> Answer:
    store = asked.services.store
    walk = parse_walk(USER_SESSIONS, asked.aid, asked.parameters, filters, asked.services.clock.now())
    query = await resolve(walk, store)
    is_empty = query.last_round < query.first_round
    counts = {} if is_empty else await store.count_by(query, "verdict")
    answer = VerdictsAnswer(
        verdicts=[VerdictCount(verdict=name, sessions=counts.get(name, 0)) for name in VERDICTS],
        without_verdict=counts.get(None, 0),
        sessions=sum(counts.values()),
        round_id=None if walk.time_range or is_empty else query.last_round,
        from_=format_utc(walk.time_range.start_s) if walk.time_range else None,
        to=format_utc(walk.time_range.end_s) if walk.time_range else None,
    )
    return answer_json(asked, _encode(answer))


HANDLERS: Final = (count_verdicts, count_verdicts_of)
