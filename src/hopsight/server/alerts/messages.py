"""What is told to somebody about an incident: one document, whatever door it leaves by."""

import hashlib
import hmac
from typing import Literal

import msgspec
from msgspec import Struct

from hopsight.accounts.alert_listings import OutboxMessage, StoredRule
from hopsight.model.alerts import CauseName
from hopsight.model.times import format_utc
from hopsight.server.alerts.texts import condition_of


class NotTakenError(Exception):
    """It was not taken; the text says why, and holds nothing of the URL but its host.

    Args:
        reason: what happened.
        permanent: True when sending the same again cannot help.
    """

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        self.permanent = permanent
        super().__init__(reason)


class CauseMessage(Struct, rename="camel", frozen=True, kw_only=True):
    """What the failing agents share; both None: nothing that explains it."""

    dimension: CauseName | None
    value: str | None


class IncidentMessage(Struct, rename="camel", frozen=True, kw_only=True):
    """An incident was opened or resolved; or nothing happened, and somebody tries who is told.

    Args:
        event: which of these.
        incident_id: 0: a test, which is about none.
        text: what happened, for a person; names no agent.
        condition: when the rule fails, for a person.
        failing_agents: how many fail now.
        time_s: the end of the round, epoch seconds.
        link: the page of the incident.
    """

    event: Literal["opened", "resolved", "test"]
    incident_id: int
    aid: int
    rule_id: int
    rule_name: str
    condition: str
    text: str
    cause: CauseMessage
    failing_agents: int
    time_s: int
    link: str


def message_of(incident_id: int, told: OutboxMessage, stored: StoredRule, base_url: str) -> IncidentMessage:
    """What to tell of an incident."""
    return IncidentMessage(
        event=told.event,
        incident_id=incident_id,
        aid=stored.aid,
        rule_id=stored.rule_id,
        rule_name=stored.rule.name,
        condition=condition_of(stored.rule),
        text=told.text,
        cause=CauseMessage(dimension=told.cause.dimension, value=told.cause.value),
        failing_agents=told.failing_agents,
        time_s=told.time_s,
        link=f"{base_url}/alerts/{incident_id}?aid={stored.aid}",
    )


def trial_message(stored: StoredRule, now_s: int, base_url: str) -> IncidentMessage:
    """What says of itself that it is a test."""
    return IncidentMessage(
        event="test",
        incident_id=0,
        aid=stored.aid,
        rule_id=stored.rule_id,
        rule_name=stored.rule.name,
        condition=condition_of(stored.rule),
        text="This is a test that somebody asked for: nothing is wrong.",
        cause=CauseMessage(dimension=None, value=None),
        failing_agents=0,
        time_s=now_s,
        link=f"{base_url}/alerts?aid={stored.aid}",
    )


def title_of(message: IncidentMessage) -> str:
    """One line for a message; of one incident always the same: services know by it what is over."""
    if message.event == "test":
        return f"Hopsight TEST: {message.rule_name}"
    return f"Hopsight: {message.rule_name}, incident {message.incident_id}"


def lines_of(message: IncidentMessage) -> list[str]:
    """What to say below the title."""
    state = {"opened": "Opened", "resolved": "Resolved", "test": "Test"}[message.event]
    return [
        f"{state}: {message.text}",
        f"Rule: {message.rule_name}: {message.condition}.",
        f"Time: {format_utc(message.time_s)} UTC",
        message.link,
    ]


def encode(message: IncidentMessage) -> bytes:
    """The message as JSON."""
    return msgspec.json.encode(message)


def signature_of(secret: str, timestamp_s: int, body: bytes) -> str:
    """``sha256=`` and the HMAC of time, a dot and body: who has the secret knows that it is ours, and new."""
    signed = b"%d.%b" % (timestamp_s, body)
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
