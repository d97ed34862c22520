"""Pages for people: the start, the last round as a table, and the readable documentation."""

from importlib.resources import files
from pathlib import PurePath
from typing import Any, Final

from litestar import get
from litestar.connection import Request

from hopsight.errors import NotFoundError
from hopsight.model.dimensions import (
    AGENT_STATES,
    FILTERS,
    NETWORK_PROBES,
    NETWORK_SESSIONS,
    USER_SESSIONS,
    WEB_SESSIONS,
)
from hopsight.model.kinds import KINDS
from hopsight.server.api.answers import Answer
from hopsight.server.api.links import origin
from hopsight.server.api.parameters import Parameters
from hopsight.server.api.visits import header
from hopsight.server.services import Services
from hopsight.server.web.last_round import read_last_round
from hopsight.server.web.overview import answer_overview
from hopsight.server.web.reference import describe_reference
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.rendering import render
from hopsight.server.web.signed_in import recognize
from hopsight.server.web.visitor import see

_TYPES: Final = {
    ".css": b"text/css;charset=UTF-8",
    ".js": b"text/javascript;charset=UTF-8",
    ".svg": b"image/svg+xml",
    ".txt": b"text/plain;charset=UTF-8",
}
_ROOT: Final = files(__package__).joinpath("static")
_FILES: Final = {
    f"{folder}{entry.name}": entry.read_bytes()
    for folder in ("", "vendor/")
    for entry in _ROOT.joinpath(folder).iterdir()
    if entry.is_file() and PurePath(entry.name).suffix in _TYPES
}
STATIC: Final = {name: _TYPES[PurePath(name).suffix] for name in sorted(_FILES)}
"""Every file that ``/static`` serves, and its type: read once, so that nothing but these can be asked for."""
_SERVED: Final = (NETWORK_SESSIONS, USER_SESSIONS, WEB_SESSIONS, NETWORK_PROBES, AGENT_STATES)
_LISTS: Final = [KINDS[kind].list_key for kind in _SERVED]
_FILTERS: Final = [(row, [kind in row.kinds for kind in _SERVED]) for row in FILTERS.values()]


@get("/")
async def read_start(request: Request[Any, Any, Any]) -> Answer:
    """The overview for whoever has signed in; for others, what this is.

    Unless they name an account group: then they sign in first, and come back to it.
    """
    scope = request.scope
    try:
        asked = Parameters(scope["query_string"]).one("aid")
        is_known = recognize(scope, request.app.state.services) or header(scope, b"authorization")
        if asked is None and not is_known:
            simulated = request.app.state.services.config.simulated
            return render(scope, "about.html", origin=_origin(request), simulated=simulated)
    except REFUSALS as error:
        return refusal(scope, error)
    return await answer_overview(request)


@get("/last-round")
async def read_rows_of_last_round(request: Request[Any, Any, Any]) -> Answer:
    """Every session of the newest round, for whoever has signed in."""
    try:
        return await _last_round(request)
    except REFUSALS as error:
        return refusal(request.scope, error)


@get("/docs")
async def read_docs(request: Request[Any, Any, Any]) -> Answer:
    """The API's description for people; needs no credentials."""
    reference = describe_reference(request.app.state.openapi, _origin(request))
    return render(request.scope, "docs.html", reference=reference, filters=_FILTERS, lists=_LISTS)


@get("/static/{name:path}")
async def read_static(request: Request[Any, Any, Any]) -> Answer:
    """One of the files that pages use."""
    name = str(request.path_params["name"]).lstrip("/")
    if name not in STATIC:
        raise NotFoundError(f"There is no file {name!r}")
    return Answer(_FILES[name], STATIC[name])


async def _last_round(request: Request[Any, Any, Any]) -> Answer:
    visitor = await see(request)
    services, aid = visitor.services, visitor.group.aid
    return visitor.render(
        "last_round.html",
        path="/last-round",
        round=await read_last_round(services, aid),
        has_agents=bool(services.accounts.agents(aid, limit=1)),
    )


def _origin(request: Request[Any, Any, Any]) -> str:
    services: Services = request.app.state.services
    return origin(request.scope, services.config.public_url)


HANDLERS: Final[list[Any]] = [read_start, read_rows_of_last_round, read_docs, read_static]
