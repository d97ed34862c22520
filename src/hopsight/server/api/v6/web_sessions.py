"""Web pages (API.md section 3.4): the list, and one page's HTTP Archive."""

from typing import Any, Final

import msgspec
from litestar import get, post
from litestar.connection import Request

from hopsight.errors import InvalidValueError
from hopsight.model.dimensions import WEB_SESSIONS
from hopsight.model.ids import parse_session_id
from hopsight.model.query import Cursor
from hopsight.model.web_sessions import is_page_id, web_record_id
from hopsight.server.api.answers import Answer
from hopsight.server.api.description import Parameter, described
from hopsight.server.api.filters import SearchBody
from hopsight.server.api.stored import read_stored
from hopsight.server.api.v6.asking import ask
from hopsight.server.api.v6.descriptions import BODY_STATUSES, COMMON, RECORD_PARAMETERS, operation
from hopsight.server.api.v6.documents import RECORDS, HarAnswer
from hopsight.server.api.v6.records import list_records, search_records
from hopsight.server.api.v6.rendering import render
from hopsight.server.api.v6.user_sessions import PATH as SESSIONS_PATH
from hopsight.server.api.v6.user_sessions import SESSION

PATH: Final = f"{SESSIONS_PATH}/web"
TAG: Final = "Web pages"

_LISTED: Final = operation(
    "Web pages of a time range, or of the last round",
    TAG,
    parameters=RECORD_PARAMETERS,
    answer=RECORDS[WEB_SESSIONS],
)
_SEARCHED: Final = operation(
    "The same, narrowed by filters",
    TAG,
    *BODY_STATUSES,
    parameters=RECORD_PARAMETERS,
    body=SearchBody,
    answer=RECORDS[WEB_SESSIONS],
)
_READ: Final = operation(
    "One page as an HTTP Archive 1.2",
    TAG,
    404,
    parameters=(
        SESSION,
        Parameter(
            name="pageId", meaning="ID of the page in its session", schema={"type": "string"}, where="path"
        ),
        *COMMON,
    ),
    answer=HarAnswer,
)
_decode: Final = msgspec.json.Decoder(HarAnswer).decode


@get(PATH, opt=described(_LISTED))
async def list_web_sessions(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page of the list."""
    return await list_records(request, WEB_SESSIONS)


@post(PATH, opt=described(_SEARCHED))
async def search_web_sessions(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page of those that the filters leave."""
    return await search_records(request, WEB_SESSIONS)


@get(f"{SESSIONS_PATH}/{{userSessionId:str}}/page/{{pageId:str}}", opt=described(_READ))
async def read_web_page(request: Request[Any, Any, Any]) -> Answer:
    """Answer with one page's archive."""
    asked = await ask(request)
    session_id, page_id = request.path_params["userSessionId"], request.path_params["pageId"]
    round_id = parse_session_id(session_id).round_id
    if not is_page_id(page_id):
        raise InvalidValueError("pageId", page_id, "up to 32 letters, digits, _ and -")
    place = Cursor(round_id, web_record_id(session_id, page_id))
    record = await read_stored(asked, WEB_SESSIONS, place)
    return render(asked.scope, asked.format, _decode(record.detail or b"{}"))


HANDLERS: Final = (list_web_sessions, search_web_sessions, read_web_page)
