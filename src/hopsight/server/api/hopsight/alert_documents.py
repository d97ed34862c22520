"""Alert rules, incidents and maintenance windows as our own API answers with them."""

from msgspec import Struct, structs

from hopsight.accounts.alert_listings import Incident, IncidentAgent, IncidentEvent, StoredRule, StoredWindow
from hopsight.accounts.alert_recipients import for_readers, without_secrets
from hopsight.model.alerts import AlertRule, CauseName, MaintenanceWindow, Metric
from hopsight.model.sessions import DateTime
from hopsight.model.times import format_utc
from hopsight.server.alerts.texts import condition_of
from hopsight.server.alerts.trial import TrialOutcome


class AlertRuleDocument(AlertRule, rename="camel", frozen=True, kw_only=True):
    """A rule with its ID.

    Secrets of webhooks and URLs of services are not in it; whole URLs of webhooks and whole e-mail addresses
    only for administrators.
    """

    rule_id: int


class AlertRulesAnswer(Struct, rename="camel", frozen=True, kw_only=True):
    """All rules of the account group."""

    alert_rules: list[AlertRuleDocument]


class TrialAnswer(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """What became of a test message, for each recipient."""

    outcomes: list[TrialOutcome]


class MaintenanceWindowDocument(MaintenanceWindow, rename="camel", frozen=True, kw_only=True):
    """A window with its ID; times in epoch seconds."""

    window_id: int


class MaintenanceWindowsAnswer(Struct, rename="camel", frozen=True, kw_only=True):
    """All maintenance windows of the account group."""

    maintenance_windows: list[MaintenanceWindowDocument]


class SuppressedDocument(Struct, rename="camel", frozen=True, kw_only=True):
    """An agent that would have failed a rule, but for a window; the rounds in which it first and last did."""

    rule_id: int
    rule_name: str
    agent_id: str
    first: DateTime
    last: DateTime


class MaintenanceWindowDetail(MaintenanceWindowDocument, rename="camel", frozen=True, kw_only=True):
    """A window, and what it suppressed."""

    suppressed: list[SuppressedDocument]


class CauseDocument(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """What failing agents share, and those that do not fail do not; empty: nothing explains it."""

    dimension: CauseName | None = None
    value: str | None = None


class IncidentDocument(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """An incident.

    Args:
        condition: when its rule failed, in words.
        failing_agents: how many failed in its last round.
        agents: how many failed in any.
        opened: the end of the round that opened it, UTC.
        resolved: absent while it goes on.
    """

    incident_id: int
    rule_id: int
    rule_name: str
    metric: Metric
    condition: str
    cause: CauseDocument
    failing_agents: int
    agents: int
    opened: DateTime
    resolved: DateTime | None = None


class IncidentsAnswer(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """Incidents, the newest first; ``next``: URL of older ones."""

    incidents: list[IncidentDocument]
    next: str | None = None


class IncidentAgentDocument(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """An agent of an incident: the rounds in which it first and last failed, and its largest number."""

    agent_id: str
    agent_name: str | None = None
    first: DateTime
    last: DateTime
    worst: float


class IncidentEventDocument(Struct, rename="camel", frozen=True, kw_only=True):
    """Something that happened in an incident."""

    date: DateTime
    event: str
    text: str


class IncidentDetail(IncidentDocument, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """An incident with its agents, those that failed last first, and with what happened."""

    affected_agents: list[IncidentAgentDocument]
    events: list[IncidentEventDocument]


def rule_document(stored: StoredRule, *, is_writer: bool) -> AlertRuleDocument:
    """A rule as it is shown to somebody."""
    rule = without_secrets(stored.rule) if is_writer else for_readers(stored.rule)
    return AlertRuleDocument(rule_id=stored.rule_id, **structs.asdict(rule))


def window_document(stored: StoredWindow) -> MaintenanceWindowDocument:
    """A window as it is shown."""
    return MaintenanceWindowDocument(window_id=stored.window_id, **structs.asdict(stored.window))


def incident_document(incident: Incident) -> IncidentDocument:
    """An incident in a list."""
    resolved_s = incident.resolved_s
    return IncidentDocument(
        incident_id=incident.incident_id,
        rule_id=incident.rule_id,
        rule_name=incident.rule.name,
        metric=incident.rule.metric,
        condition=condition_of(incident.rule),
        cause=CauseDocument(dimension=incident.cause.dimension, value=incident.cause.value),
        failing_agents=incident.cause.failing,
        agents=incident.agents,
        opened=format_utc(incident.opened_s),
        resolved=None if resolved_s is None else format_utc(resolved_s),
    )


def incident_detail(
    incident: Incident, agents: list[IncidentAgent], names: dict[str, str], events: list[IncidentEvent]
) -> IncidentDetail:
    """One incident, whole."""
    return IncidentDetail(
        **structs.asdict(incident_document(incident)),
        affected_agents=[
            IncidentAgentDocument(
                agent_id=each.agent_id,
                agent_name=names.get(each.agent_id),
                first=format_utc(each.first_s),
                last=format_utc(each.last_s),
                worst=each.worst,
            )
            for each in agents
        ],
        events=[
            IncidentEventDocument(date=format_utc(each.time_s), event=each.event, text=each.text)
            for each in events
        ],
    )
