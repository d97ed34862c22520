"""What a round does to the incidents of a rule: opened, gone on, calmer, resolved. Functions over numbers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from hopsight.model.alerts import AlertRule, Cause
from hopsight.server.alerts.causes import NOBODY, Found, find_causes
from hopsight.server.alerts.evaluation import Verdicts

SAME_SHARE: Final = 0.5
"""Groups of agents that have so much of the smaller one in common are one incident, whatever explains it."""

StepName = Literal["opened", "continued", "calmer", "resolved"]


class OpenIncident(Struct, frozen=True, kw_only=True):
    """An incident that goes on, as it stood after the round before.

    Args:
        incident_id: which.
        cause: what explains it.
        agents: those that have failed in it.
        calm_rounds: rounds since enough agents failed last.
    """

    incident_id: int
    cause: Cause
    agents: frozenset[str]
    calm_rounds: int


class Step(Struct, frozen=True, kw_only=True):
    """What became of one incident.

    Args:
        name: what happened.
        incident: which; None: it is new.
        cause: what explains it now.
        agents: the worst number of each agent that fails now; None where the metric has none.
        calm_rounds: rounds since enough agents failed.
    """

    name: StepName
    incident: OpenIncident | None
    cause: Cause
    agents: dict[str, float]
    calm_rounds: int = 0


def advance(
    rule: AlertRule,
    opened: Sequence[OpenIncident],
    verdicts: Verdicts,
    providers: Mapping[str, str] = NOBODY,
) -> list[Step]:
    """Take the incidents of a rule one round on; ``providers``: those of agents."""
    found = find_causes(verdicts.failing, verdicts.good, rule.min_agents, providers)
    found, pairs = _with_rest(found, _paired(found, opened))
    steps = [_step(one, pairs.get(place), verdicts) for place, one in enumerate(found)]
    met = {incident.incident_id for incident in pairs.values()}
    return [*steps, *(_calmed(rule, each) for each in opened if each.incident_id not in met)]


def _paired(found: Sequence[Found], opened: Sequence[OpenIncident]) -> dict[int, OpenIncident]:
    """The incident that each group goes on with: that of its cause, or else one of the same agents."""
    pairs: dict[int, OpenIncident] = {}
    left = {each.incident_id: each for each in opened}
    for place, incident in _matches(found, opened):
        if place not in pairs and incident.incident_id in left:
            pairs[place] = left.pop(incident.incident_id)
    return pairs


def _with_rest(
    found: list[Found], pairs: dict[int, OpenIncident]
) -> tuple[list[Found], dict[int, OpenIncident]]:
    """The same, those that nothing explains among the agents of an incident that goes on, if most are of it.

    A cause that fades explains less and less: what it leaves behind is no incident of its own.
    """
    last = len(found) - 1
    if last < 0 or last in pairs or found[last].cause.dimension is not None:
        return found, pairs
    rest = {unit.agent_id for unit in found[last].units}
    place, shared = max(
        ((place, len(rest & each.agents)) for place, each in pairs.items()),
        key=lambda pair: pair[1],
        default=(0, 0),
    )
    if shared < SAME_SHARE * len(rest):
        return found, pairs
    kept = list(found[:last])
    kept[place] = Found(kept[place].cause, kept[place].units | found[last].units)
    return kept, pairs


def _matches(found: Sequence[Found], opened: Sequence[OpenIncident]) -> Iterator[tuple[int, OpenIncident]]:
    for place, one in enumerate(found):
        yield from ((place, each) for each in opened if _key(each.cause) == _key(one.cause))
    for place, one in enumerate(found):
        agents = {unit.agent_id for unit in one.units}
        for each in opened:
            smaller = min(len(agents), len(each.agents))
            if len(agents & each.agents) >= SAME_SHARE * smaller:
                yield place, each


def _key(cause: Cause) -> tuple[str | None, str | None]:
    return cause.dimension, cause.value


def _step(one: Found, incident: OpenIncident | None, verdicts: Verdicts) -> Step:
    agents: dict[str, float] = {}
    for unit in one.units:
        agents[unit.agent_id] = max(agents.get(unit.agent_id, 0.0), verdicts.values[unit])
    cause = one.cause
    if incident is not None and cause.dimension is None:
        # While it fades, too few are left to say why: it is still the same.
        before = incident.cause
        cause = Cause(dimension=before.dimension, value=before.value, failing=cause.failing)
    name: StepName = "opened" if incident is None else "continued"
    return Step(name=name, incident=incident, cause=cause, agents=agents)


def _calmed(rule: AlertRule, incident: OpenIncident) -> Step:
    calm_rounds = incident.calm_rounds + 1
    name: StepName = "resolved" if calm_rounds >= rule.clear_rounds else "calmer"
    return Step(name=name, incident=incident, cause=incident.cause, agents={}, calm_rounds=calm_rounds)
