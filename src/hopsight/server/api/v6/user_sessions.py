"""User sessions (API.md sections 3.2 and 3.3)."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from litestar import get, post
from litestar.connection import Request
from msgspec import Struct

from hopsight.model.dimensions import USER_SESSIONS
from hopsight.model.ids import parse_session_id
from hopsight.model.query import Cursor
from hopsight.server.api.answers import Answer
from hopsight.server.api.description import Parameter, described
from hopsight.server.api.documents import merged
from hopsight.server.api.filters import SearchBody
from hopsight.server.api.links import link, origin
from hopsight.server.api.stored import read_stored
from hopsight.server.api.v6.asking import Asked, ask
from hopsight.server.api.v6.descriptions import BODY_STATUSES, COMMON, RECORD_PARAMETERS, operation
from hopsight.server.api.v6.documents import RECORDS
from hopsight.server.api.v6.records import ListRules, list_records, search_records
from hopsight.server.api.v6.rendering import render_record

PATH: Final = "/v6/endpoint-data/user-sessions"
TAG: Final = "User sessions"
SESSION: Final = Parameter(
    name="userSessionId",
    meaning="ID of the session; its `:` bare or percent-encoded",
    schema={"type": "string"},
    where="path",
)

_LISTED: Final = operation(
    "User sessions of a time range, or of the last round",
    TAG,
    parameters=RECORD_PARAMETERS,
    answer=RECORDS[USER_SESSIONS],
)
_SEARCHED: Final = operation(
    "The same, narrowed by filters",
    TAG,
    *BODY_STATUSES,
    parameters=RECORD_PARAMETERS,
    body=SearchBody,
    answer=RECORDS[USER_SESSIONS],
)
_READ: Final = operation(
    "One user session: network, pages and score",
    TAG,
    404,
    parameters=(SESSION, *COMMON),
    answer=RECORDS[USER_SESSIONS],
)


class _Named(Struct, rename="camel"):
    user_session_id: str


_name_of: Final = msgspec.json.Decoder(_Named).decode
_encode: Final = msgspec.json.Encoder().encode


def _permalinks(asked: Asked) -> Callable[[bytes], bytes]:
    base = link(origin(asked.scope, asked.services.config.public_url), "/sessions/", [])

    def with_permalink(body: bytes) -> bytes:
        # IDs of sessions are checked when they are taken in: there is nothing in them to escape.
        return b'%b,"permalink":%b}' % (body[:-1], _encode(base + _name_of(body).user_session_id))

    return with_permalink


_RULES: Final = ListRules(shown=_permalinks)


@get(PATH, opt=described(_LISTED))
async def list_user_sessions(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page."""
    return await list_records(request, USER_SESSIONS, _RULES)


@post(PATH, opt=described(_SEARCHED))
async def search_user_sessions(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page of those that the filters leave."""
    return await search_records(request, USER_SESSIONS, _RULES)


@get(f"{PATH}/{{userSessionId:str}}", opt=described(_READ))
async def read_user_session(request: Request[Any, Any, Any]) -> Answer:
    """Answer with one, whole."""
    asked = await ask(request)
    text = request.path_params["userSessionId"]
    record = await read_stored(asked, USER_SESSIONS, Cursor(parse_session_id(text).round_id, text))
    whole = merged(_permalinks(asked)(record.body), record.detail)
    return render_record(asked.scope, asked.format, USER_SESSIONS, whole)


HANDLERS: Final = (list_user_sessions, search_user_sessions, read_user_session)
