"""What lists of alerts hold; none of it is secret but the rules' recipients."""

from msgspec import Struct

from hopsight.model.alerts import AlertRule, Cause, MaintenanceWindow


class StoredRule(Struct, frozen=True, kw_only=True):
    """A rule with its ID and account group; its recipients with their secrets."""

    rule_id: int
    aid: int
    rule: AlertRule


class Suppressed(Struct, rename="camel", frozen=True, kw_only=True):
    """An agent that would have failed a rule, but for a maintenance window; times in epoch seconds."""

    rule_id: int
    rule_name: str
    agent_id: str
    first_s: int
    last_s: int


class StoredWindow(Struct, frozen=True, kw_only=True):
    """A maintenance window with its ID and account group."""

    window_id: int
    aid: int
    window: MaintenanceWindow


class IncidentAgent(Struct, rename="camel", frozen=True, kw_only=True):
    """An agent of an incident.

    Args:
        first_s: the round in which it first failed in it, epoch seconds.
        last_s: the last one.
        worst: its largest number, in the unit of the rule's metric.
    """

    agent_id: str
    first_s: int
    last_s: int
    worst: float


class IncidentEvent(Struct, rename="camel", frozen=True, kw_only=True):
    """Something that happened in an incident, at a time in epoch seconds."""

    time_s: int
    event: str
    text: str


class Incident(Struct, frozen=True, kw_only=True):
    """What a rule found.

    Args:
        rule: as it was when the incident was opened, without secrets and people's addresses.
        cause: what explains it; as it was last while it went on.
        opened_s: epoch seconds: the end of the round that opened it.
        resolved_s: None: it goes on.
        calm_rounds: rounds since enough agents failed last.
        agents: how many agents have failed in it.
    """

    incident_id: int
    aid: int
    rule_id: int
    rule: AlertRule
    cause: Cause
    opened_s: int
    resolved_s: int | None
    calm_rounds: int
    agents: int
