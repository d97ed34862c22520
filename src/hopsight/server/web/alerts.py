"""Alerts for people: what goes on, what was, the rules behind it, and maintenance; and one incident."""

from typing import Any, Final

from litestar import get
from litestar.connection import Request

from hopsight.accounts.alert_listings import Incident, StoredRule
from hopsight.errors import InvalidValueError
from hopsight.model.dimensions import FILTERS
from hopsight.model.times import TimeRange
from hopsight.server.api.acting import WRITERS
from hopsight.server.api.answers import Answer
from hopsight.server.api.filters import SearchFilter
from hopsight.server.web.alert_texts import (
    UNITS,
    IncidentRow,
    agent_rows,
    event_rows,
    incident_row,
    rule_row,
    suppressed_rows,
    window_row,
)
from hopsight.server.web.incident_chart import incident_chart, read_seen
from hopsight.server.web.overview import PATH as OVERVIEW_PATH
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.view import View
from hopsight.server.web.visitor import Visitor, see

PATH: Final = "/alerts"
SHOWN: Final = 50
"""Incidents of before that the page lists; the API has all."""
AROUND_S: Final = 3_600
"""The chart of an incident begins so long before it, and ends so long after it."""
_MAX_DIGITS: Final = 15


@get(PATH)
async def read_alerts(request: Request[Any, Any, Any]) -> Answer:
    """Show them to whoever has signed in."""
    try:
        return _alerts(await see(request))
    except REFUSALS as error:
        return refusal(request.scope, error)


@get(f"{PATH}/{{incidentId:str}}")
async def read_incident(request: Request[Any, Any, Any]) -> Answer:
    """Show one incident."""
    try:
        visitor = await see(request)
        return await _incident(visitor, request.path_params["incidentId"])
    except REFUSALS as error:
        return refusal(request.scope, error)


def _alerts(visitor: Visitor) -> Answer:
    alerts, aid = visitor.services.accounts.alerts, visitor.group.aid
    now_s = visitor.services.clock.now()
    opened = alerts.incidents.listing(aid, is_open=True)
    over = alerts.incidents.listing(aid, is_open=False, limit=SHOWN)
    return visitor.render(
        "alerts.html",
        path=PATH,
        opened=[_row(visitor, each, now_s) for each in opened],
        over=[_row(visitor, each, now_s) for each in over],
        shown=SHOWN,
        rules=[rule_row(each) for each in alerts.rules.listing(aid)],
        windows=[
            window_row(each, alerts.rules.suppressed_by(each.window_id), int(now_s))
            for each in alerts.rules.windows(aid)
        ],
        is_writer=visitor.role in WRITERS,
    )


def _row(visitor: Visitor, incident: Incident, now_s: float) -> IncidentRow:
    return incident_row(incident, now_s, f"{PATH}/{incident.incident_id}?aid={visitor.group.aid}")


def find_incident(visitor: Visitor, text: str) -> Incident:
    """An incident of the account group by its ID.

    Raises:
        InvalidValueError: this is none.
        NotFoundError: there is no such incident.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise InvalidValueError("incident", text, "the ID of an incident")
    return visitor.services.accounts.alerts.incidents.get(visitor.group.aid, int(text))


async def _incident(visitor: Visitor, text: str) -> Answer:
    incident = find_incident(visitor, text)
    accounts, aid = visitor.services.accounts, visitor.group.aid
    incidents = accounts.alerts.incidents
    agents = incidents.agents(incident.incident_id)
    names = accounts.agent_names(aid, [each.agent_id for each in agents[:1_000]])
    look = look_of(visitor, incident)
    now_s = visitor.services.clock.now()
    seen = await read_seen(visitor.services.store, incident.rule, look, now_s)
    stored = StoredRule(rule_id=incident.rule_id, aid=aid, rule=incident.rule)
    return visitor.render(
        "incident.html",
        path=f"{PATH}/{incident.incident_id}",
        incident=_row(visitor, incident, now_s),
        rule=rule_row(stored),
        chart=incident_chart(seen),
        bucket_minutes=seen.bucket_s // 60,
        metric=incident.rule.metric,
        threshold=incident.rule.threshold,
        unit=UNITS[incident.rule.metric],
        agents=agent_rows(agents, names, incident.rule.metric, look),
        events=event_rows(incidents.events(incident.incident_id)),
        suppressed=suppressed_rows(accounts.alerts.rules, aid, incident),
        look_url=look.url(OVERVIEW_PATH),
        rule_url=_rule_url(visitor, incident),
        has_cause=incident.cause.dimension in FILTERS,
    )


def _rule_url(visitor: Visitor, incident: Incident) -> str:
    """The rule as it is now; empty: it was deleted."""
    rules = visitor.services.accounts.alerts.rules.listing(visitor.group.aid)
    if all(each.rule_id != incident.rule_id for each in rules):
        return ""
    return f"{PATH}/rules/{incident.rule_id}?aid={visitor.group.aid}"


def look_of(visitor: Visitor, incident: Incident) -> View:
    """What the incident is about: the rule's filters, what its agents share, and its time."""
    now_s = int(visitor.services.clock.now())
    end_s = min(now_s, (incident.resolved_s or now_s) + AROUND_S)
    rounds_s = 60 * incident.rule.of_rounds
    look = View(
        aid=visitor.group.aid,
        time_range=TimeRange(max(0, incident.opened_s - rounds_s - AROUND_S), max(end_s, incident.opened_s)),
        window=None,
        filters=tuple(SearchFilter(each.key, each.values) for each in incident.rule.filters),
    )
    cause = incident.cause
    # No filter narrows to a provider.
    if cause.dimension is None or cause.dimension not in FILTERS or cause.value is None:
        return look
    alone = tuple(each for each in look.filters if each.key != cause.dimension)
    narrowed = View(aid=look.aid, time_range=look.time_range, window=None, filters=alone)
    return narrowed.with_filter(cause.dimension, cause.value)


HANDLERS: Final[list[Any]] = [read_alerts, read_incident]
