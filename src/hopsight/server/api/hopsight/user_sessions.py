"""User sessions, with the way that they went and the verdict on it."""

from typing import Any, Final

from litestar import get, post
from litestar.connection import Request

from hopsight.model.dimensions import USER_SESSIONS
from hopsight.model.ids import parse_session_id
from hopsight.model.query import Cursor
from hopsight.server.api.answers import Answer
from hopsight.server.api.asking import ask
from hopsight.server.api.description import Parameter, described
from hopsight.server.api.filters import SearchBody
from hopsight.server.api.hopsight.descriptions import (
    BODY_STATUSES,
    COMMON,
    RECORD_PARAMETERS,
    ROOT,
    operation,
)
from hopsight.server.api.hopsight.documents import RECORDS, WHOLE
from hopsight.server.api.hopsight.records import EXPAND, list_records, read_record, search_records

PATH: Final = f"{ROOT}/user-sessions"

_LISTED: Final = operation(
    "User sessions of a time range, or of the last round",
    parameters=(*RECORD_PARAMETERS, EXPAND),
    answer=RECORDS[USER_SESSIONS],
)
_SEARCHED: Final = operation(
    "The same, narrowed by filters, the verdict among them",
    *BODY_STATUSES,
    parameters=(*RECORD_PARAMETERS, EXPAND),
    body=SearchBody,
    answer=RECORDS[USER_SESSIONS],
)
_READ: Final = operation(
    "One user session: network, segments, verdict, and what the kernel said of real traffic",
    404,
    parameters=(
        Parameter(
            name="userSessionId",
            meaning="ID of the session; a network session of the same ID has the same numbers",
            schema={"type": "string"},
            where="path",
        ),
        *COMMON,
    ),
    answer=WHOLE[USER_SESSIONS],
)


@get(PATH, opt=described(_LISTED))
async def list_user_sessions(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page."""
    return await list_records(request, USER_SESSIONS)


@post(PATH, opt=described(_SEARCHED))
async def search_user_sessions(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page of those that the filters leave."""
    return await search_records(request, USER_SESSIONS)


@get(f"{PATH}/{{userSessionId:str}}", opt=described(_READ))
async def read_user_session(request: Request[Any, Any, Any]) -> Answer:
    """Answer with one, whole."""
    asked = await ask(request)
    text = request.path_params["userSessionId"]
    place = Cursor(parse_session_id(text).round_id, text)
    return await read_record(asked, USER_SESSIONS, place)


HANDLERS: Final = (list_user_sessions, search_user_sessions, read_user_session)
