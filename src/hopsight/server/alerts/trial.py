"""Whether a rule's recipients can be told: asked before it is written, tried when somebody wants to know."""

import asyncio
import uuid
from typing import Final

from msgspec import Struct

from hopsight.accounts.alert_listings import StoredRule
from hopsight.accounts.alert_recipients import addresses_of
from hopsight.accounts.audit import Actor
from hopsight.config import ServerConfig
from hopsight.errors import ConflictError, InvalidValueError
from hopsight.model.alerts import AlertRule
from hopsight.server.alerts.doors import doors_of
from hopsight.server.alerts.messages import NotTakenError, trial_message
from hopsight.server.alerts.telling import Recipient, describe, recipient_in, tell
from hopsight.server.services import Services

AT_ONCE: Final = 8


class TrialOutcome(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """What became of a test message to one recipient.

    Args:
        recipient: who, in words without secrets.
        told: whether it was taken.
        reason: why not; None: it was.
    """

    recipient: str
    told: bool
    reason: str | None = None


def require_tellable(config: ServerConfig, rule: AlertRule) -> None:
    """See to it that a rule names nobody whom this server has no way to tell.

    Raises:
        InvalidValueError: it names e-mail addresses, and no mail server is set.
    """
    if rule.emails and config.smtp is None:
        accepted = "none: this server has no mail server set (--smtp-host)"
        raise InvalidValueError("emails", f"{len(rule.emails)} of them", accepted)


async def try_recipients(services: Services, aid: int, rule_id: int, by: Actor) -> list[TrialOutcome]:
    """Tell every recipient of a rule a test message, once, and wait for what becomes of it.

    It takes at most 40 s for every eight recipients; what is not taken is not tried again. The audit log says
    who did it.

    Args:
        services: of the server.
        aid: account group.
        rule_id: the rule; it may be switched off.
        by: who wants to know.

    Raises:
        NotFoundError: the account group has no such rule.
        ConflictError: too many rules are being tested.
    """
    rules = services.accounts.alerts.rules
    stored = rules.get(aid, rule_id)
    if services.trial_slots.locked():
        raise ConflictError("Several alert rules are being tested already; try again in a minute")
    async with services.trial_slots:
        rules.note_trial(aid, rule_id, by)
        return await _tell_all(services, stored)


async def _tell_all(services: Services, stored: StoredRule) -> list[TrialOutcome]:
    config, clock, slots = services.config, services.clock, asyncio.Semaphore(AT_ONCE)
    message = trial_message(stored, int(clock.now()), config.public_url or _own_url(config))
    doors = doors_of(config, clock)

    async def attempt(recipient: Recipient) -> TrialOutcome:
        async with slots:
            try:
                await tell(doors, clock, recipient, message, str(uuid.uuid4()))
            except NotTakenError as error:
                return TrialOutcome(recipient=describe(recipient), told=False, reason=str(error))
        return TrialOutcome(recipient=describe(recipient), told=True)

    found = [recipient_in(stored.rule, *each) for each in addresses_of(stored.rule)]
    return list(await asyncio.gather(*(attempt(each) for each in found if each is not None)))


def _own_url(config: ServerConfig) -> str:
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"{'https' if config.tls else 'http'}://{host}:{config.port}"
