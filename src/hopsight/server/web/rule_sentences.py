"""What a rule or a maintenance window means, in sentences. Pure."""

from collections.abc import Sequence

from hopsight.model.alerts import AlertFilter, AlertRule


def rule_sentences(rule: AlertRule) -> list[str]:
    """What it looks at, what fails, what an incident is, when it is over."""
    said = [f"It looks at {sessions_sentence(rule.filters)}.", _fails(rule), _incident(rule)]
    return said if rule.enabled else [*said, "It is switched off: nothing is looked at."]


def sessions_sentence(filters: Sequence[AlertFilter]) -> str:
    """Which sessions it is about: ``sessions where ssid is Office or Lab, and platform is Linux``."""
    if not filters:
        return "all sessions"
    return "sessions where " + ", and ".join(f"{each.key} is {_listed(each.values)}" for each in filters)


def _fails(rule: AlertRule) -> str:
    rounds = f"{rule.rounds} of {rule.of_rounds} rounds" if rule.of_rounds > 1 else "a round"
    if rule.metric == "no-data":
        return f"An agent that reported before fails when it has no data in {rounds} of a minute."
    what = {
        "latency": "the 95th percentile of latency is over {limit} ms",
        "loss": "mean loss is over {limit} %",
        "jitter": "the 95th percentile of jitter is over {limit} ms",
        "verdict": "over {limit} % have the verdict {verdict}",
    }[rule.metric].format(limit=f"{rule.threshold:g}", verdict=rule.verdict)
    return f"An agent fails when of its sessions with one site {what}, in {rounds} of a minute."


def _incident(rule: AlertRule) -> str:
    agents = f"{rule.min_agents} agents or more that fail for the same reason are"
    if rule.min_agents == 1:
        agents = "One failing agent is enough; all that fail for the same reason are"
    over = "a round" if rule.clear_rounds == 1 else f"{rule.clear_rounds} rounds in a row"
    return f"{agents} an incident; it is over after {over} with fewer."


def _listed(values: Sequence[str], most: int = 5) -> str:
    shown = " or ".join(values[:most])
    return shown if len(values) <= most else f"{shown} or {len(values) - most} more"
