"""Tables of the alerts: incidents, rules (of who is told what everybody may see), and maintenance."""

from typing import Final

from msgspec import structs

from hopsight.accounts.alert_listings import Incident
from hopsight.model.dimensions import USER_SESSIONS
from hopsight.server.web.alert_texts import UNITS, rule_row
from hopsight.server.web.alerts import SHOWN, find_incident, look_of
from hopsight.server.web.export.csv_writing import Cell, Table, instant
from hopsight.server.web.export.measure_columns import series_table
from hopsight.server.web.export.tables_of_one import subject_of
from hopsight.server.web.view import bucket_s_of
from hopsight.server.web.visitor import Visitor

MOST_NAMES: Final = 1_000
"""Agents of an incident that are told by name; others by ID alone, as on the page."""


async def _incidents(visitor: Visitor) -> Table:
    """Those that go on, then the last that are over."""
    listing = visitor.services.accounts.alerts.incidents.listing
    aid = visitor.group.aid
    found = [*listing(aid, is_open=True), *listing(aid, is_open=False, limit=SHOWN)]
    return Table(
        columns=(
            "incident_id", "rule", "metric", "cause_dimension", "cause_value", "opened", "resolved",
            "agents_failing", "agents", "calm_rounds",
        ),
        rows=[_incident_cells(each) for each in found],
    )  # fmt: skip


def _incident_cells(incident: Incident) -> list[Cell]:
    cause = incident.cause
    return [
        incident.incident_id,
        incident.rule.name,
        incident.rule.metric,
        cause.dimension,
        cause.value,
        instant(incident.opened_s),
        instant(incident.resolved_s),
        cause.failing,
        incident.agents,
        incident.calm_rounds,
    ]


async def _rules(visitor: Visitor) -> Table:
    rows: list[list[Cell]] = []
    for stored in visitor.services.accounts.alerts.rules.listing(visitor.group.aid):
        rule, texts = stored.rule, rule_row(stored)
        rows.append(
            [
                stored.rule_id, rule.name, rule.metric,
                None if rule.metric == "no-data" else rule.threshold, rule.verdict, rule.rounds,
                rule.of_rounds, rule.clear_rounds, rule.min_agents, texts.filters, texts.hosts,
                "on" if rule.enabled else "off",
            ]
        )  # fmt: skip
    return Table(
        columns=(
            "rule_id", "name", "metric", "threshold", "verdict", "rounds", "of_rounds", "clear_rounds",
            "min_agents", "filters", "told", "enabled",
        ),
        rows=rows,
    )  # fmt: skip


async def _maintenance(visitor: Visitor) -> Table:
    windows = visitor.services.accounts.alerts.rules.windows(visitor.group.aid)
    return Table(
        columns=("window_id", "name", "from", "to", "repeats", "filters"),
        rows=[
            [
                each.window_id,
                each.window.name,
                instant(each.window.start_s),
                instant(each.window.end_s),
                "weekly" if each.window.weekly else "once",
                "; ".join(f"{one.key} {' or '.join(one.values)}" for one in each.window.filters) or None,
            ]
            for each in windows
        ],
    )


def at_incident(visitor: Visitor) -> tuple[Visitor, Incident]:
    """The incident that the URL's ``of`` names, and the visitor looking at what it is about."""
    incident = find_incident(visitor, subject_of(visitor, "an incident"))
    return structs.replace(visitor, view=look_of(visitor, incident)), incident


async def _metric(visitor: Visitor) -> Table:
    visitor, _ = at_incident(visitor)
    bucket_s = bucket_s_of(visitor.view.time_range)
    summary = await visitor.services.store.summarize(visitor.view.query(USER_SESSIONS), bucket_s)
    return series_table(summary, visitor.view.time_range, bucket_s)


async def _agents(visitor: Visitor) -> Table:
    _, incident = at_incident(visitor)
    accounts = visitor.services.accounts
    agents = accounts.alerts.incidents.agents(incident.incident_id)
    names = accounts.agent_names(visitor.group.aid, [each.agent_id for each in agents[:MOST_NAMES]])
    return Table(
        columns=("agent_id", "name", "first_failed", "last_failed", "worst", "unit"),
        rows=[
            [
                each.agent_id,
                names.get(each.agent_id, each.agent_id),
                instant(each.first_s),
                instant(each.last_s),
                each.worst,
                UNITS[incident.rule.metric],
            ]
            for each in agents
        ],
    )


async def _events(visitor: Visitor) -> Table:
    _, incident = at_incident(visitor)
    events = visitor.services.accounts.alerts.incidents.events(incident.incident_id)
    return Table(
        columns=("time", "event", "text"),
        rows=[[instant(each.time_s), each.event, each.text] for each in events],
    )


INCIDENT: Final = {"metric": _metric, "agents": _agents, "events": _events}
ALERTS: Final = {"incidents": _incidents, "rules": _rules, "maintenance": _maintenance}
"""Rules and maintenance are told whole; of incidents that are over, those that the page lists."""
