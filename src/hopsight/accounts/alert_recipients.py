"""Who a rule tells by e-mail and chat: what is accepted, what is secret of it, and what of it is shown."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from msgspec import structs

from hopsight.accounts.alert_listings import Channel
from hopsight.accounts.checks import checked_mailbox, checked_name
from hopsight.errors import InvalidValueError
from hopsight.model.alerts import AlertRule, ChatService, Webhook
from hopsight.model.chat_services import KINDS, QUERY_KEYS

MAX_LABEL_CHARS: Final = 64

# Printable ASCII, with one "?" at most, and nothing that the library or we could take for the end of a part
# when the other does not.
_CHARS: Final = r"[!$-+\-.-:=@-\[\]-~]"
_URL: Final = re.compile(rf"[a-z0-9]+://{_CHARS}+(?:\?{_CHARS}*)?")
_HIDDEN: Final = "(not shown: it holds a secret)"


def checked_emails(given: tuple[str, ...]) -> tuple[str, ...]:
    """Addresses, as they are spelled.

    Raises:
        InvalidValueError: one of them is none, or is there twice.
    """
    emails = tuple(checked_mailbox(each) for each in given)
    if len({each.lower() for each in emails}) < len(emails):
        raise InvalidValueError("emails", "the same address twice", "each address once")
    return emails


def checked_services(given: tuple[ChatService, ...], secrets: Mapping[str, str]) -> tuple[ChatService, ...]:
    """Services with their URLs; ``secrets``: what is known already.

    Raises:
        InvalidValueError: a service is none of those that may be told; its URL is not repeated.
    """
    services = tuple(_checked_service(each, secrets) for each in given)
    if len({each.label for each in services}) < len(services):
        raise InvalidValueError("services", "the same label twice", "each label once")
    return services


def secrets_of(rule: AlertRule) -> dict[str, str | None]:
    """What must not be shown of a rule, by what it belongs to: a webhook's URL, or a service's label."""
    # The URL of a webhook begins with "http", so none of them looks like the key of a service.
    return {each.url: each.secret for each in rule.webhooks} | {
        _key(each.label): each.url for each in rule.services
    }


def with_secrets(rule: AlertRule, secrets: Mapping[str, str]) -> AlertRule:
    """The rule as it was before its secrets were put aside."""
    webhooks = tuple(Webhook(url=each.url, secret=secrets[each.url]) for each in rule.webhooks)
    services = tuple(structs.replace(each, url=secrets[_key(each.label)]) for each in rule.services)
    return structs.replace(rule, webhooks=webhooks, services=services)


def without_secrets(rule: AlertRule) -> AlertRule:
    """The rule as it may be shown to those who may write it."""
    return structs.replace(
        rule,
        webhooks=tuple(Webhook(url=each.url) for each in rule.webhooks),
        services=tuple(ChatService(label=each.label, kind=each.kind) for each in rule.services),
    )


def for_readers(rule: AlertRule) -> AlertRule:
    """The rule as it may be shown to everybody in its account group.

    The path of a webhook often is all that one needs to post to it, and addresses are of people.
    """
    rule = without_secrets(rule)
    return structs.replace(
        rule,
        webhooks=tuple(Webhook(url="/".join(each.url.split("/")[:3])) for each in rule.webhooks),
        emails=tuple(masked(each) for each in rule.emails),
    )


def addresses_of(rule: AlertRule) -> list[tuple[Channel, str]]:
    """Everybody that a rule tells, by what names them in it; nothing of it is secret."""
    return [
        *(("webhook", each.url) for each in rule.webhooks),
        *(("email", each) for each in rule.emails),
        *(("service", each.label) for each in rule.services),
    ]


def masked(email: str) -> str:
    """An address by which those who have it know it again: ``j***@example.org``."""
    name, _, host = email.rpartition("@")
    return f"{name[:1]}***@{host}"


def recipient_names(rule: AlertRule) -> list[str]:
    """Who is told, for everybody: hosts of webhooks, masked addresses, and labels of services."""
    return [
        *(each.url.split("/")[2] for each in rule.webhooks),
        *(masked(each) for each in rule.emails),
        *(f"{each.label} ({each.kind})" for each in rule.services),
    ]


def _key(label: str) -> str:
    return f"service:{label}"


def _checked_service(given: ChatService, secrets: Mapping[str, str]) -> ChatService:
    label = checked_name(given.label, "service label")
    if len(label) > MAX_LABEL_CHARS:
        raise InvalidValueError("service label", label, f"1 to {MAX_LABEL_CHARS} characters")
    url = given.url or secrets.get(_key(label))
    if url is None:
        raise InvalidValueError("service URL", "none", "one, for a label that is new")
    kind = url.partition("://")[0]
    if kind not in KINDS:
        raise InvalidValueError("service URL", _HIDDEN, f"KIND://..., KIND one of {', '.join(KINDS)}")
    if not _URL.fullmatch(url) or not _may_be_parsed(url):
        accepted = f"{kind}://..., without spaces; after a ? only {', '.join(sorted(QUERY_KEYS))}"
        raise InvalidValueError("service URL", _HIDDEN, accepted)
    return ChatService(label=label, kind=kind, url=url)


def _may_be_parsed(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    keys = {key for key, _ in parse_qsl(parts.query, keep_blank_values=True)}
    return bool(parts.hostname) and keys <= QUERY_KEYS
