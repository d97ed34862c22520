"""The form of an alert rule: what was typed, and the rule it describes or what is wrong. Pure."""

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, Final, get_args, get_type_hints

import msgspec
from msgspec import Struct, structs

from hopsight.errors import InvalidValueError
from hopsight.model.alerts import MAX_OF_ROUNDS, AlertRule, ChatService, Metric, Webhook
from hopsight.model.network_documents import VerdictResult
from hopsight.server.web.filter_rows import FilterRow, filter_rows_from, filter_rows_of, filters_of
from hopsight.server.web.forms import Form

METRICS: Final[tuple[str, ...]] = get_args(Metric)
METRIC_NAMES: Final[dict[Metric, str]] = {
    "latency": "latency, 95th percentile, ms",
    "loss": "loss, mean, %",
    "jitter": "jitter, 95th percentile, ms",
    "verdict": "sessions with a verdict, %",
    "no-data": "no-data: it has no session",
}
VERDICTS: Final[tuple[str, ...]] = get_args(VerdictResult)
MAX_WEBHOOKS: Final = 10
MAX_SERVICES: Final = 10
MAX_EMAILS: Final = 20
_MAX_URL_CHARS: Final = 2_048
_MIN_SECRET: Final = 8
_MAX_SECRET: Final = 255
_SHOWN_CHARS: Final = 60
OVERALL: Final = "form"
"""Where an error stands that is about no field alone."""

Errors = dict[str, str]
"""What is wrong, by the name of the field."""

_TYPES: Final = get_type_hints(AlertRule, include_extras=True)
_ROUNDS: Final = f"a whole number from 1 to {MAX_OF_ROUNDS}"
_NUMBERS: Final = {
    "threshold": "a number from 0 to 1000000000",
    "rounds": _ROUNDS,
    "of_rounds": _ROUNDS,
    "clear_rounds": "a whole number from 1 to 1440",
    "min_agents": "a whole number from 1 to 100000",
}
# How the accounts layer calls what it does not accept, and which field that is.
_FIELD_OF: Final = {
    "name": "name",
    "verdict": "verdict",
    "rounds": "rounds",
    "filter key": "filters",
    "webhooks": "webhooks",
    "webhook URL": "webhooks",
    "webhook secret": "webhooks",
    "emails": "emails",
    "e-mail address": "emails",
    "services": "services",
    "service label": "services",
    "service URL": "services",
}


class WebhookRow(Struct, frozen=True):
    """A webhook as it was typed; ``is_known``: it has a secret already. What was typed is never shown."""

    url: str = ""
    secret: str = ""
    is_known: bool = False


class ServiceRow(Struct, frozen=True):
    """A chat service as it was typed; ``is_known``: it has a URL already. What was typed is never shown."""

    label: str = ""
    url: str = ""
    is_known: bool = False


class RuleFields(Struct, frozen=True, kw_only=True):
    """The form as it was typed; what it begins with is what a rule has that nobody said more of."""

    name: str = ""
    metric: str = "latency"
    threshold: str = "150"
    verdict: str = ""
    rounds: str = "3"
    of_rounds: str = "5"
    clear_rounds: str = "5"
    min_agents: str = "3"
    enabled: bool = True
    filters: tuple[FilterRow, ...] = ()
    webhooks: tuple[WebhookRow, ...] = ()
    emails: str = ""
    services: tuple[ServiceRow, ...] = ()

    @property
    def has_secrets(self) -> bool:
        """Whether something was typed that is not shown again."""
        return any(each.secret for each in self.webhooks) or any(each.url for each in self.services)


def rule_fields_of(rule: AlertRule) -> RuleFields:
    """The form of a rule that is stored; without its secrets."""
    return RuleFields(
        name=rule.name,
        metric=rule.metric,
        threshold=f"{rule.threshold:.12g}",
        verdict=rule.verdict or "",
        rounds=str(rule.rounds),
        of_rounds=str(rule.of_rounds),
        clear_rounds=str(rule.clear_rounds),
        min_agents=str(rule.min_agents),
        enabled=rule.enabled,
        filters=filter_rows_of(rule.filters),
        webhooks=tuple(WebhookRow(each.url, is_known=True) for each in rule.webhooks),
        emails="\n".join(rule.emails),
        services=tuple(ServiceRow(each.label, is_known=True) for each in rule.services),
    )


def rule_fields_from(form: Form, stored: AlertRule | None) -> RuleFields:
    """The form that was sent, about a rule that is stored or a new one."""
    urls = {each.url for each in stored.webhooks} if stored else set()
    labels = {each.label for each in stored.services} if stored else set()
    webhooks = _pairs(form, "webhookUrl", "webhookSecret")
    services = _pairs(form, "serviceLabel", "serviceUrl")
    return RuleFields(
        name=form.one("name"),
        metric=form.one("metric"),
        threshold=form.one("threshold"),
        verdict=form.one("verdict"),
        rounds=form.one("rounds"),
        of_rounds=form.one("ofRounds"),
        clear_rounds=form.one("clearRounds"),
        min_agents=form.one("minAgents"),
        enabled=form.one("enabled") == "yes",
        filters=filter_rows_from(form),
        webhooks=tuple(WebhookRow(url, secret, url in urls) for url, secret in webhooks),
        emails=form.one("emails"),
        services=tuple(ServiceRow(label, url, label in labels) for label, url in services),
    )


def rule_of(fields: RuleFields) -> tuple[AlertRule | None, Errors]:
    """The rule that a form describes, or what is wrong, by field; the accounts layer looks at the rest."""
    errors: Errors = {}
    given: dict[str, Any] = {"name": fields.name.strip(), "enabled": fields.enabled}
    readers: dict[str, Callable[[], Any]] = {
        "metric": lambda: _one_of(fields.metric, METRICS),
        "verdict": lambda: _one_of(fields.verdict, VERDICTS) if fields.verdict else None,
        "filters": lambda: filters_of(fields.filters),
        "webhooks": lambda: _webhooks(fields.webhooks),
        "emails": lambda: _emails(fields.emails),
        "services": lambda: _services(fields.services),
    }
    readers |= {name: _number_reader(fields, name) for name in _NUMBERS}
    for name, read in readers.items():
        try:
            given[name] = read()
        except ValueError as error:
            errors[name] = str(error)
    if not given["name"]:
        errors["name"] = "It is empty; accepted: 1 to 255 characters"
    return (None if errors else AlertRule(**given)), errors


def errors_of(error: InvalidValueError) -> Errors:
    """Where the accounts layer's refusal belongs."""
    return {_FIELD_OF.get(error.name, OVERALL): str(error)}


def _number_reader(fields: RuleFields, name: str) -> Callable[[], int | float]:
    text = structs.asdict(fields)[name].strip()

    def read() -> int | float:
        if name == "threshold" and fields.metric == "no-data" and not text:
            return 0.0
        try:
            number: int | float = msgspec.convert(text, _TYPES[name], strict=False)
        except msgspec.ValidationError:
            raise ValueError(refused(text, _NUMBERS[name])) from None
        return number

    return read


def _one_of(text: str, accepted: Sequence[str]) -> str:
    if text not in accepted:
        raise ValueError(refused(text, ", ".join(accepted)))
    return text


def _webhooks(rows: Sequence[WebhookRow]) -> tuple[Webhook, ...]:
    _at_most(rows, MAX_WEBHOOKS)
    found = []
    for place, row in enumerate(rows, start=1):
        if not row.url:
            raise ValueError(f"Row {place} has a secret without a URL; accepted: both, or neither")
        if (
            len(row.url) > _MAX_URL_CHARS
            or not _MIN_SECRET <= len(row.secret or " " * _MIN_SECRET) <= _MAX_SECRET
        ):
            accepted = (
                f"a URL of up to {_MAX_URL_CHARS:,} characters, a secret of {_MIN_SECRET} to {_MAX_SECRET}"
            )
            raise ValueError(f"Row {place} is too short or too long; accepted: {accepted}")
        found.append(Webhook(url=row.url, secret=row.secret or None))
    return tuple(found)


def _emails(text: str) -> tuple[str, ...]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    _at_most(lines, MAX_EMAILS)
    return tuple(lines)


def _services(rows: Sequence[ServiceRow]) -> tuple[ChatService, ...]:
    _at_most(rows, MAX_SERVICES)
    found = []
    for place, row in enumerate(rows, start=1):
        if not row.label:
            raise ValueError(f"Row {place} has a URL without a name; accepted: both, or neither")
        if len(row.url) > _MAX_URL_CHARS:
            raise ValueError(
                f"The URL of row {place} is too long; accepted: up to {_MAX_URL_CHARS:,} characters"
            )
        found.append(ChatService(label=row.label, url=row.url or None))
    return tuple(found)


def _at_most(rows: Sequence[Any], most: int) -> None:
    if len(rows) > most:
        raise ValueError(f"{len(rows)} rows; accepted: at most {most}")


def _pairs(form: Form, shown: str, secret: str) -> list[tuple[str, str]]:
    """Rows of two fields that are not both empty."""
    pairs = zip_longest(form.all(shown), form.all(secret), fillvalue="")
    return [(one.strip(), other.strip()) for one, other in pairs if one.strip() or other.strip()]


def refused(text: str, accepted: str) -> str:
    """What is said of a value that is not accepted."""
    said = f"{text[:_SHOWN_CHARS]!r} is not accepted" if text else "It is empty"
    return f"{said}; accepted: {accepted}"
