"""What a rule would find if it were looked at now: one step of the engine, of which nothing is written."""

from collections.abc import Mapping

from msgspec import structs

from hopsight.accounts.alert_checks import checked_rule
from hopsight.model.alerts import AlertRule
from hopsight.model.times import format_utc
from hopsight.server.alerts.causes import NOBODY, agents_of, find_causes
from hopsight.server.alerts.engine import AlertEngine
from hopsight.server.alerts.evaluation import Verdicts
from hopsight.server.alerts.providers import Providers
from hopsight.server.alerts.texts import cause_of
from hopsight.server.services import Services


async def preview_rule(services: Services, aid: int, rule: AlertRule) -> list[str]:
    """Hold a rule against the newest rounds, and say what comes of it.

    Raises:
        InvalidValueError: the rule means nothing.
        StoreUnavailableError: the rounds cannot be read now.
    """
    # Nobody is told of it, so nobody need be known.
    checked = checked_rule(structs.replace(rule, webhooks=(), emails=(), services=()), {})
    engine = AlertEngine(services.store, services.accounts, services.clock)
    newest, verdicts = await engine.judge_newest(aid, checked)
    providers = Providers(services.accounts, services.atlas, services.clock).of(aid)
    return preview_sentences(checked, newest, verdicts, providers)


def preview_sentences(
    rule: AlertRule, newest: int, verdicts: Verdicts, providers: Mapping[str, str] = NOBODY
) -> list[str]:
    """Who fails, and which incidents that would be. Pure."""
    failing, good = agents_of(verdicts.failing), agents_of(verdicts.good)
    if not failing and not good:
        return [f"Up to the round of {format_utc(newest)} UTC there is no session that it looks at."]
    both = agents_of([*verdicts.failing, *verdicts.good])
    said = [f"In the rounds up to {format_utc(newest)} UTC {failing} of {_agents(both)} fail."]
    found = find_causes(verdicts.failing, verdicts.good, rule.min_agents, providers)
    said += [
        f"It would be an incident of {_agents(agents_of(each.units))}: {cause_of(each.cause)}."
        for each in found
    ]
    return said if found else [*said, "It would be no incident."]


def _agents(count: int) -> str:
    return f"{count:,} {'agent' if count == 1 else 'agents'}"
