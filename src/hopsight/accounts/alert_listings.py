"""What lists of alerts hold; none of it is secret but the rules' recipients."""

from typing import Literal

from msgspec import Struct

from hopsight.model.alerts import AlertRule, Cause, MaintenanceWindow

Channel = Literal["webhook", "email", "service"]


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


class OutboxMessage(Struct, rename="camel", frozen=True, kw_only=True):
    """What is to be told of an incident, as it was when it happened.

    Args:
        text: what happened, for a person.
        cause: what explained it.
        failing_agents: how many failed.
        time_s: epoch seconds.
    """

    event: Literal["opened", "resolved"]
    text: str
    cause: Cause
    failing_agents: int
    time_s: int


class Waiting(Struct, frozen=True, kw_only=True):
    """A message to one recipient of a rule, claimed by whoever has this.

    Args:
        delivery_id: the same for every try.
        recipient: one of the rule's: a webhook's URL, an address, or a service's label.
        tries: how often it was claimed, this time included.
    """

    outbox_id: int
    delivery_id: str
    aid: int
    rule_id: int
    incident_id: int
    channel: Channel
    recipient: str
    message: OutboxMessage
    tries: int

    @property
    def address(self) -> tuple[int, str, str]:
        """Who is to be told: the same for all that wait for one recipient of one rule."""
        return (self.rule_id, self.channel, self.recipient)
