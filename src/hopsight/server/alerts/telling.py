"""One message to one recipient, once: by webhook, e-mail or chat service."""

import asyncio
from typing import Final
from urllib.parse import urlsplit

from hopsight.accounts.alert_listings import Channel
from hopsight.accounts.alert_recipients import masked
from hopsight.clock import Clock
from hopsight.model.alerts import AlertRule, ChatService, Webhook
from hopsight.server.alerts.doors import Doors
from hopsight.server.alerts.messages import IncidentMessage, NotTakenError, encode, signature_of

TRY_S: Final = 40.0
"""Longer than any door waits by itself, and shorter than a claim on a message holds."""

Recipient = Webhook | ChatService | str
"""Who is told; a text is an e-mail address."""


def recipient_in(rule: AlertRule, channel: Channel, name: str) -> Recipient | None:
    """Who in a rule has this name; None: nobody any more."""
    if channel == "email":
        return name if name in rule.emails else None
    if channel == "service":
        return next((each for each in rule.services if each.label == name), None)
    return next((each for each in rule.webhooks if each.url == name), None)


def describe(recipient: Recipient) -> str:
    """A recipient in words for whoever may read incidents: no path of a URL, no whole address."""
    match recipient:
        case Webhook():
            return f"Webhook at {urlsplit(recipient.url).hostname or '?'}"
        case ChatService():
            return f"Service {recipient.label} ({recipient.kind})"
        case _:
            return f"E-mail to {masked(recipient)}"


async def tell(
    doors: Doors, clock: Clock, recipient: Recipient, message: IncidentMessage, delivery_id: str
) -> None:
    """Tell somebody once.

    Raises:
        NotTakenError: it was not taken, or not within ``TRY_S``.
    """
    try:
        async with asyncio.timeout(TRY_S):
            match recipient:
                case Webhook():
                    await _post(doors, clock, recipient, message, delivery_id)
                case ChatService():
                    await doors.chat(recipient.url or "", message)
                case _:
                    await doors.mail(recipient, message, delivery_id)
    except TimeoutError:
        raise NotTakenError(f"it was not taken within {TRY_S:g} s") from None


async def _post(
    doors: Doors, clock: Clock, webhook: Webhook, message: IncidentMessage, delivery_id: str
) -> None:
    body, timestamp_s = encode(message), int(clock.now())
    event = message.event if message.event == "test" else f"incident.{message.event}"
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "hopsight",
        "X-Hopsight-Delivery": delivery_id,
        "X-Hopsight-Event": event,
        "X-Hopsight-Timestamp": str(timestamp_s),
        "X-Hopsight-Signature": signature_of(webhook.secret or "", timestamp_s, body),
    }
    await doors.post(webhook.url, body, headers)
