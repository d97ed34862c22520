"""What is told to somebody about an incident: one document, whatever door it leaves by."""

import hashlib
import hmac
from typing import Literal

import msgspec
from msgspec import Struct

from hopsight.accounts.incidents import IncidentChange
from hopsight.model.alerts import CauseName
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
    """An incident was opened or resolved.

    Args:
        event: which of the two.
        text: what happened, for a person; names no agent.
        condition: when the rule fails, for a person.
        failing_agents: how many fail now.
        time_s: the end of the round, epoch seconds.
        link: the page of the incident.
    """

    event: Literal["opened", "resolved"]
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


def message_of(incident_id: int, change: IncidentChange, now_s: int, base_url: str) -> IncidentMessage | None:
    """What to tell of a change; None: nothing."""
    texts = [text for event, text in change.events if event in {"opened", "resolved"}]
    if not texts:
        return None
    stored = change.rule
    return IncidentMessage(
        event="resolved" if change.resolved else "opened",
        incident_id=incident_id,
        aid=stored.aid,
        rule_id=stored.rule_id,
        rule_name=stored.rule.name,
        condition=condition_of(stored.rule),
        text=texts[-1],
        cause=CauseMessage(dimension=change.cause.dimension, value=change.cause.value),
        failing_agents=len(change.agents),
        time_s=now_s,
        link=f"{base_url}/alerts/{incident_id}?aid={stored.aid}",
    )


def encode(message: IncidentMessage) -> bytes:
    """The message as JSON."""
    return msgspec.json.encode(message)


def signature_of(secret: str, timestamp_s: int, body: bytes) -> str:
    """``sha256=`` and the HMAC of time, a dot and body: who has the secret knows that it is ours, and new."""
    signed = b"%d.%b" % (timestamp_s, body)
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
