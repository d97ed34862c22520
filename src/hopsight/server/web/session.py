"""One user session, as ``permalink`` opens it."""

from typing import Any, Final

import msgspec
from litestar import get
from litestar.connection import Request

from hopsight.errors import NotFoundError
from hopsight.model.dimensions import USER_SESSIONS
from hopsight.model.ids import parse_session_id
from hopsight.server.api.answers import Answer
from hopsight.server.api.documents import merged
from hopsight.server.api.links import origin
from hopsight.server.auth import choose_account_group
from hopsight.server.services import Services
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.rendering import render
from hopsight.server.web.signed_in import identify


@get("/sessions/{userSessionId:str}")
async def read_session(request: Request[Any, Any, Any]) -> Answer:
    """Show it to whoever may see its account group; others sign in first."""
    try:
        return await _page(request)
    except REFUSALS as error:
        return refusal(request.scope, error)


async def _page(request: Request[Any, Any, Any]) -> Answer:
    services: Services = request.app.state.services
    principal = identify(request.scope, services).principal
    text = request.path_params["userSessionId"]
    parsed = parse_session_id(text)
    aid = choose_account_group(principal, str(parsed.aid))
    record = await services.store.get(USER_SESSIONS, aid, parsed.round_id, text)
    if record is None:
        raise NotFoundError(f"There is no session {text!r}")
    whole = merged(record.body, record.detail)
    session = msgspec.json.decode(whole)
    return render(
        request.scope,
        "session.html",
        email=principal.email,
        origin=origin(request.scope, services.config.public_url),
        session_id=text,
        site=session["visitedSite"],
        agent=session["agentId"],
        date=session["date"],
        summary=session.get("verdict", {}).get("summary"),
        document=msgspec.json.format(whole, indent=2).decode(),
    )


HANDLERS: Final[list[Any]] = [read_session]
