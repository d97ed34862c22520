"""What agents that fail share, and those that do not fail do not. Functions over numbers.

For every value of every dimension that a cause can be, an agent with it that fails speaks for it, and one
with it that does not fail speaks against it. The value that most speaks for explains its agents; the rest is
asked again. A gateway with twenty agents of which nine fail behind one access point has eleven against it:
the access point has none, and so is named.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from msgspec import Struct

from hopsight.model.alerts import CAUSE_COLUMNS, Cause, CauseName
from hopsight.model.dimensions import Dimensions
from hopsight.server.alerts.evaluation import Unit

Places = Mapping[Unit, Dimensions]

MIN_SHARE: Final = 0.5
"""A value explains nothing when more of the agents with it are well than fail."""


class Found(Struct, frozen=True):
    """A cause, and the units that it explains."""

    cause: Cause
    units: frozenset[Unit]


class _Candidate(Struct, frozen=True, kw_only=True):
    dimension: CauseName
    value: str
    units: frozenset[Unit]
    agents: int
    others: int
    good_units: int
    is_contrast: bool

    @property
    def rank(self) -> tuple[float, ...]:
        """Larger explains better: agents for less those against, then how pure, then whether others differ.

        Among equals the one that is nearest to the device is first: what is behind it looks the same.
        """
        share = len(self.units) / (len(self.units) + self.good_units)
        order = list(CAUSE_COLUMNS).index(self.dimension)
        return self.agents - self.others, share, self.is_contrast, -order


def find_causes(failing: Places, good: Places, min_agents: int) -> list[Found]:
    """Group units that fail by what explains most of them first; too few agents are no group.

    Those that nothing explains are the last group, with a cause that names nothing.
    """
    found = []
    left = dict(failing)
    while agents_of(left) >= min_agents:
        best = max(_candidates(left, failing, good, min_agents), key=lambda each: each.rank, default=None)
        if best is None:
            found.append(Found(Cause(failing=agents_of(left)), frozenset(left)))
            break
        cause = Cause(dimension=best.dimension, value=best.value, failing=best.agents, others=best.others)
        found.append(Found(cause, best.units))
        left = {unit: place for unit, place in left.items() if unit not in best.units}
    return found


def agents_of(units: Collection[Unit]) -> int:
    """How many agents they are of."""
    return len({unit.agent_id for unit in units})


def _candidates(left: Places, failing: Places, good: Places, min_agents: int) -> Iterator[_Candidate]:
    for dimension, column in CAUSE_COLUMNS.items():
        open_, ill, well = (_by_value(places, column) for places in (left, failing, good))
        for value, units in open_.items():
            agents = {unit.agent_id for unit in units}
            ill_agents = {unit.agent_id for unit in ill[value]}
            good_units = well.get(value, frozenset())
            others = {unit.agent_id for unit in good_units} - ill_agents
            if len(agents) < min_agents or len(agents) < MIN_SHARE * (len(agents) + len(others)):
                continue
            yield _Candidate(
                dimension=dimension,
                value=value,
                units=units,
                agents=len(agents),
                others=len(others),
                good_units=len(good_units),
                is_contrast=len(good_units) < len(good),
            )


def _by_value(places: Places, column: str) -> dict[str, frozenset[Unit]]:
    found: defaultdict[str, set[Unit]] = defaultdict(set)
    for unit, place in places.items():
        value = getattr(place, column)
        if value is not None:
            found[value].add(unit)
    return {value: frozenset(units) for value, units in found.items()}
