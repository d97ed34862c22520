"""Tables of the alerts: incidents, rules (of webhooks the hosts alone), and maintenance."""

from typing import Final

from hopsight.accounts.alert_listings import Incident
from hopsight.server.web.alert_texts import rule_row
from hopsight.server.web.alerts import SHOWN
from hopsight.server.web.export.csv_writing import Cell, Table, instant
from hopsight.server.web.visitor import Visitor


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
            "min_agents", "filters", "webhook_hosts", "enabled",
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


ALERTS: Final = {"incidents": _incidents, "rules": _rules, "maintenance": _maintenance}
"""Rules and maintenance are told whole; of incidents that are over, those that the page lists."""
