"""What rules and maintenance windows may hold: what a type alone cannot say."""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import structs

from hopsight.accounts.alert_recipients import checked_emails, checked_services
from hopsight.accounts.checks import checked_name
from hopsight.errors import InvalidValueError
from hopsight.model.alerts import WEEK_S, AlertFilter, AlertRule, MaintenanceWindow, Webhook
from hopsight.model.dimensions import FILTERS, USER_SESSIONS

# Credentials in a URL would be shown to whoever may read rules.
_URL: Final = re.compile(r"https?://[A-Za-z0-9.\[\]:_-]+(?:[/?][!-~]*)?", re.ASCII)
_KEYS: Final = [key for key, row in FILTERS.items() if USER_SESSIONS in row.kinds]


def checked_rule(rule: AlertRule, secrets: Mapping[str, str]) -> AlertRule:
    """A rule that means something; ``secrets``: those of its recipients that are known already.

    Raises:
        InvalidValueError: it does not.
    """
    if rule.rounds > rule.of_rounds:
        raise InvalidValueError("rounds", rule.rounds, f"at most ofRounds ({rule.of_rounds})")
    if (rule.verdict is None) == (rule.metric == "verdict"):
        raise InvalidValueError("verdict", rule.verdict, "one with the metric verdict, none with any other")
    webhooks = tuple(_checked_webhook(each, secrets) for each in rule.webhooks)
    if len({each.url for each in webhooks}) < len(webhooks):
        raise InvalidValueError("webhooks", "the same URL twice", "each URL once")
    filters = _checked_filters(rule.filters)
    return structs.replace(
        rule,
        name=checked_name(rule.name, "name"),
        webhooks=webhooks,
        emails=checked_emails(rule.emails),
        services=checked_services(rule.services, secrets),
        filters=filters,
    )


def checked_window(window: MaintenanceWindow) -> MaintenanceWindow:
    """A maintenance window that ends after it starts, and within a week if it comes again.

    Raises:
        InvalidValueError: it does not.
    """
    if window.end_s <= window.start_s:
        raise InvalidValueError("endS", window.end_s, f"after startS ({window.start_s})")
    if window.weekly and window.end_s - window.start_s > WEEK_S:
        raise InvalidValueError("endS", window.end_s, "a week after startS at most, when it is weekly")
    filters = _checked_filters(window.filters)
    return structs.replace(window, name=checked_name(window.name, "name"), filters=filters)


def _checked_filters(filters: tuple[AlertFilter, ...]) -> tuple[AlertFilter, ...]:
    """In the stored spelling."""
    for each in filters:
        if each.key not in _KEYS:
            raise InvalidValueError("filter key", each.key, ", ".join(_KEYS))
    return tuple(
        AlertFilter(each.key, tuple(FILTERS[each.key].normalize(value) for value in each.values))
        for each in filters
    )


def _checked_webhook(given: Webhook, secrets: Mapping[str, str]) -> Webhook:
    if not _URL.fullmatch(given.url):
        raise InvalidValueError("webhook URL", given.url, "http://HOST[:PORT]/PATH or https, no credentials")
    secret = given.secret or secrets.get(given.url)
    if secret is None:
        raise InvalidValueError("webhook secret", "none", "8 to 255 characters for a URL that is new")
    return Webhook(url=given.url, secret=secret)
