"""What happened in an incident, in words. No agent is named in them: the list of agents does that."""

from typing import Final

from hopsight.model.alerts import AlertRule, Cause
from hopsight.server.alerts.incidents import Step

METRICS: Final = {
    "latency": "95th percentile of latency over {threshold:g} ms",
    "loss": "loss over {threshold:g} %",
    "jitter": "95th percentile of jitter over {threshold:g} ms",
    "verdict": "verdict {verdict} in over {threshold:g} % of the sessions",
    "no-data": "no data",
}
CAUSES: Final = {
    "bssid": "access point",
    "gateway": "gateway",
    "networkId": "network",
    "vpnTarget": "VPN endpoint",
    "provider": "provider",
    "visitedSite": "destination",
    "domain": "destinations of",
}
NO_CAUSE: Final = "no common cause"


def condition_of(rule: AlertRule) -> str:
    """When a rule fails, in words."""
    what = METRICS[rule.metric].format(threshold=rule.threshold, verdict=rule.verdict)
    return f"{what}, in {rule.rounds} of {rule.of_rounds} rounds, for {rule.min_agents} agents or more"


def cause_of(cause: Cause) -> str:
    """A cause in words."""
    return NO_CAUSE if cause.dimension is None else f"{CAUSES[cause.dimension]} {cause.value}"


def events_of(rule: AlertRule, step: Step) -> tuple[tuple[str, str], ...]:
    """What a round did to an incident: names and texts; none where nothing is new."""
    count = f"{len(step.agents)} {'agent' if len(step.agents) == 1 else 'agents'}"
    before = step.incident
    if before is None:
        others = (
            "; no other agent has it" if not step.cause.others else f"; {step.cause.others} with it do not"
        )
        share = "" if step.cause.dimension is None else f", which all of them have{others}"
        return (("opened", f"{count} fail. Cause: {cause_of(step.cause)}{share}."),)
    if step.name == "resolved":
        rounds = f"{rule.clear_rounds} {'round' if rule.clear_rounds == 1 else 'rounds'}"
        return (("resolved", f"Fewer than {rule.min_agents} agents failed for {rounds}."),)
    if step.name == "continued" and before.calm_rounds:
        return (("back", f"After {before.calm_rounds} calm rounds {count} fail again."),)
    if (step.cause.dimension, step.cause.value) != (before.cause.dimension, before.cause.value):
        return (("cause", f"{count} fail. Cause now: {cause_of(step.cause)}."),)
    if len(step.agents) >= 2 * max(1, before.cause.failing):
        return (("grown", f"{count} fail now."),)
    return ()
