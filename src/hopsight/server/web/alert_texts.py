"""Alerts as a person reads them: rows of texts."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from hopsight.accounts.alert_listings import (
    Incident,
    IncidentAgent,
    IncidentEvent,
    StoredRule,
    StoredWindow,
    Suppressed,
)
from hopsight.accounts.alert_recipients import recipient_names
from hopsight.accounts.alert_rules import AlertRules
from hopsight.model.alerts import AlertFilter, Metric
from hopsight.model.times import format_utc
from hopsight.server.alerts.texts import cause_of, condition_of
from hopsight.server.web.overview import PATH as OVERVIEW_PATH
from hopsight.server.web.view import View

UNITS: Final[dict[Metric, str]] = {
    "latency": "ms", "loss": "%", "jitter": "ms", "verdict": "% of sessions", "no-data": "rounds",
}  # fmt: skip
_EVENTS: Final = {
    "opened": "Opened",
    "cause": "Cause changed",
    "grown": "Grew",
    "back": "Came back",
    "resolved": "Resolved",
    "notified": "Told",
    "not-notified": "Not told",
}
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400


class IncidentRow(Struct, frozen=True, kw_only=True):
    """One incident; times in UTC.

    Args:
        lasted: how long it has gone on, or did.
        failing: agents that failed in its last round; ``agents``: in any.
        quiet: rounds since enough agents failed, in words; empty: they do.
    """

    incident_id: int
    rule: str
    condition: str
    cause: str
    opened: str
    resolved: str | None
    lasted: str
    failing: int
    agents: int
    quiet: str
    url: str


class RuleRow(Struct, frozen=True, kw_only=True):
    """One rule."""

    rule_id: int
    name: str
    condition: str
    filters: str
    hosts: str
    enabled: bool


class WindowRow(Struct, frozen=True, kw_only=True):
    """One maintenance window; ``now``: whether it is on."""

    window_id: int
    name: str
    when: str
    filters: str
    now: bool
    suppressed: str


class AgentRow(Struct, frozen=True, kw_only=True):
    """One agent of an incident; times in UTC."""

    name: str
    first: str
    last: str
    worst: str
    url: str


class EventRow(Struct, frozen=True, kw_only=True):
    """Something that happened; the time in UTC."""

    time: str
    name: str
    text: str
    is_notice: bool


def incident_row(incident: Incident, now_s: float, url: str) -> IncidentRow:
    """An incident as texts."""
    end_s = incident.resolved_s if incident.resolved_s is not None else int(now_s)
    calm = incident.calm_rounds
    quiet = (
        f"calm for {calm} of {incident.rule.clear_rounds} rounds" if calm and not incident.resolved_s else ""
    )
    return IncidentRow(
        incident_id=incident.incident_id,
        rule=incident.rule.name,
        condition=condition_of(incident.rule),
        cause=cause_of(incident.cause),
        opened=format_utc(incident.opened_s),
        resolved=None if incident.resolved_s is None else format_utc(incident.resolved_s),
        lasted=describe_length(end_s - incident.opened_s),
        failing=incident.cause.failing,
        agents=incident.agents,
        quiet=quiet,
        url=url,
    )


def rule_row(stored: StoredRule) -> RuleRow:
    """A rule as texts; of who is told what everybody may see."""
    rule = stored.rule
    return RuleRow(
        rule_id=stored.rule_id,
        name=rule.name,
        condition=condition_of(rule),
        filters=_filters(rule.filters),
        hosts=", ".join(recipient_names(rule)) or "nobody",
        enabled=rule.enabled,
    )


def window_row(stored: StoredWindow, found: Sequence[Suppressed], now_s: int) -> WindowRow:
    """A maintenance window as texts."""
    window = stored.window
    weekly = "weekly from " if window.weekly else ""
    agents = len({each.agent_id for each in found})
    rules = ", ".join(sorted({each.rule_name for each in found}))
    return WindowRow(
        window_id=stored.window_id,
        name=window.name,
        when=f"{weekly}{format_utc(window.start_s)} for {describe_length(window.end_s - window.start_s)}",
        filters=_filters(window.filters),
        now=window.covers(now_s),
        suppressed=f"{agents} {'agent' if agents == 1 else 'agents'}: {rules}" if found else "nothing",
    )


def agent_rows(
    agents: Sequence[IncidentAgent], names: dict[str, str], metric: Metric, look: View
) -> list[AgentRow]:
    """The agents of an incident as texts, each with a link to what it measured."""
    return [
        AgentRow(
            name=names.get(each.agent_id, each.agent_id),
            first=format_utc(each.first_s),
            last=format_utc(each.last_s),
            worst=f"{each.worst:.1f} {UNITS[metric]}",
            url=look.with_filter("agentId", each.agent_id).url(OVERVIEW_PATH),
        )
        for each in agents
    ]


def event_rows(events: Sequence[IncidentEvent]) -> list[EventRow]:
    """What happened, as texts."""
    return [
        EventRow(
            time=format_utc(each.time_s),
            name=_EVENTS.get(each.event, each.event),
            text=each.text,
            is_notice=each.event in {"notified", "not-notified"},
        )
        for each in events
    ]


def suppressed_rows(rules: AlertRules, aid: int, incident: Incident) -> list[str]:
    """What maintenance kept out of the incidents of the same rule, while this one went on or just before."""
    rows = []
    for stored in rules.windows(aid):
        found = [
            each
            for each in rules.suppressed_by(stored.window_id)
            if each.rule_id == incident.rule_id
            and each.last_s >= incident.opened_s - _DAY_S
            and each.first_s <= (incident.resolved_s or each.first_s)
        ]
        if found:
            first, last = min(each.first_s for each in found), max(each.last_s for each in found)
            count = len({each.agent_id for each in found})
            agents = f"{count} {'agent' if count == 1 else 'agents'}"
            rows.append(f"{stored.window.name}: {agents}, {format_utc(first)} to {format_utc(last)}")
    return rows


def describe_length(length_s: int) -> str:
    """A length in its two largest units: ``2 h 5 min``."""
    days, rest_s = divmod(max(0, length_s), _DAY_S)
    hours, rest_s = divmod(rest_s, _HOUR_S)
    parts = [(days, "d"), (hours, "h"), (rest_s // _MINUTE_S, "min")]
    said = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(said[:2]) or "less than a minute"


def _filters(filters: Sequence[AlertFilter]) -> str:
    return "; ".join(f"{each.key} {' or '.join(each.values)}" for each in filters) or "all sessions"
