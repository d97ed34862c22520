"""Incidents: what alert rules found. Nobody writes them; they end when what they are about does."""

from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import get
from litestar.connection import Request

from hopsight.errors import InvalidValueError
from hopsight.server.api.answers import Answer
from hopsight.server.api.asking import Asked, ask
from hopsight.server.api.description import Parameter, described
from hopsight.server.api.hopsight.alert_documents import (
    IncidentDetail,
    IncidentsAnswer,
    incident_detail,
    incident_document,
)
from hopsight.server.api.hopsight.alert_rules import parse_number
from hopsight.server.api.hopsight.descriptions import COMMON, ROOT, operation
from hopsight.server.api.hopsight.records import answer_json
from hopsight.server.api.links import origin

PATH: Final = f"{ROOT}/incidents"
PAGE_ITEMS: Final = 100
_MAX_DIGITS: Final = 15

_STATE: Final = Parameter(
    name="state",
    meaning="`open`: those that go on; `resolved`: those that are over; default: both",
    schema={"type": "string", "enum": ["open", "resolved"]},
)
_BEFORE: Final = Parameter(
    name="before",
    meaning="older than the incident of this ID; comes in `next`",
    schema={"type": "string", "pattern": "^[0-9]{1,15}$"},
)
_LISTED: Final = operation(
    "Incidents, the newest first", parameters=(*COMMON, _STATE, _BEFORE), answer=IncidentsAnswer
)
_READ: Final = operation(
    "One incident, with its agents and what happened",
    404,
    parameters=(
        Parameter(name="incidentId", meaning="ID of the incident", schema={"type": "string"}, where="path"),
        *COMMON,
    ),
    answer=IncidentDetail,
)


@get(PATH, opt=described(_LISTED))
async def list_incidents(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page."""
    asked = await ask(request)
    state, before = asked.parameters.one("state"), asked.parameters.one("before")
    if state not in {None, "open", "resolved"}:
        raise InvalidValueError("state", state, "open or resolved")
    if before is not None and not (before.isascii() and before.isdigit() and len(before) <= _MAX_DIGITS):
        raise InvalidValueError("before", before, "the ID of an incident")
    found = asked.services.accounts.alerts.incidents.listing(
        asked.aid,
        is_open=None if state is None else state == "open",
        before=None if before is None else int(before),
        limit=PAGE_ITEMS + 1,
    )
    page = found[:PAGE_ITEMS]
    following = _next(asked, state, page[-1].incident_id) if len(found) > PAGE_ITEMS else None
    answer = IncidentsAnswer(incidents=[incident_document(each) for each in page], next=following)
    return answer_json(asked, msgspec.json.encode(answer))


@get(f"{PATH}/{{incidentId:str}}", opt=described(_READ))
async def read_incident(request: Request[Any, Any, Any]) -> Answer:
    """Answer with one, whole."""
    asked = await ask(request)
    accounts = asked.services.accounts
    incidents = accounts.alerts.incidents
    incident = incidents.get(asked.aid, parse_number(request, "incidentId"))
    agents = incidents.agents(incident.incident_id)
    names = accounts.agent_names(asked.aid, [each.agent_id for each in agents[:1_000]])
    detail = incident_detail(incident, agents, names, incidents.events(incident.incident_id))
    return answer_json(asked, msgspec.json.encode(detail))


def _next(asked: Asked, state: str | None, last: int) -> str:
    pairs = {"aid": str(asked.aid), "before": str(last)} | ({} if state is None else {"state": state})
    return f"{origin(asked.scope, asked.services.config.public_url)}{PATH}?{urlencode(pairs)}"


HANDLERS: Final = (list_incidents, read_incident)
