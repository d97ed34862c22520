"""What agents that fail share, and those that do not fail do not. Functions over numbers.

For every value of every dimension that a cause can be, an agent with it speaks for it by the share of its
sites there that fail, and against it by the rest. The value that most speaks for explains its agents; what is
left is asked again. A gateway with twenty agents of which nine fail behind one access point has eleven
against it: the access point has none, and so is named. Agents that fail with one site of five speak four
times as much against their gateway as for it, and for the site without reserve.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from msgspec import Struct

from hopsight.model.alerts import CAUSE_COLUMNS, Cause, CauseName
from hopsight.model.dimensions import Dimensions
from hopsight.server.alerts.evaluation import Unit

Places = Mapping[Unit, Dimensions]

NOBODY: Final[Mapping[str, str]] = {}
MIN_SHARE: Final = 0.5
"""A value explains nothing when more speaks against it than for it."""


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
    speaks_for: float
    speaks_against: float
    is_contrast: bool

    @property
    def rank(self) -> tuple[float, ...]:
        """Larger explains better: what speaks for it less what speaks against it, then whether others differ.

        Among equals the first of ``CAUSE_COLUMNS`` is first: what is behind it looks the same.
        """
        order = list(CAUSE_COLUMNS).index(self.dimension)
        return self.speaks_for - self.speaks_against, self.is_contrast, -order


def find_causes(
    failing: Places, good: Places, min_agents: int, providers: Mapping[str, str] = NOBODY
) -> list[Found]:
    """Group units that fail by what explains most of them first; too few agents are no group.

    Those that nothing explains are the last group, with a cause that names nothing. ``providers``: of agents.
    """
    found = []
    left = dict(failing)
    while agents_of(left) >= min_agents:
        candidates = _candidates(left, failing, good, min_agents, providers)
        best = max(candidates, key=lambda each: each.rank, default=None)
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


def _candidates(
    left: Places, failing: Places, good: Places, min_agents: int, providers: Mapping[str, str]
) -> Iterator[_Candidate]:
    for dimension, column in CAUSE_COLUMNS.items():
        open_, ill, well = (_by_value(places, column, providers) for places in (left, failing, good))
        for value, units in open_.items():
            agents = agents_of(units)
            if agents < min_agents:
                continue
            good_units = well.get(value, frozenset())
            speaks_for, speaks_against = _weighed(units, ill[value], good_units)
            if speaks_for < MIN_SHARE * (speaks_for + speaks_against):
                continue
            yield _Candidate(
                dimension=dimension,
                value=value,
                units=units,
                agents=agents,
                others=len({unit.agent_id for unit in good_units} - {unit.agent_id for unit in ill[value]}),
                speaks_for=speaks_for,
                speaks_against=speaks_against,
                is_contrast=len(good_units) < len(good),
            )


def _weighed(units: Collection[Unit], ill: Collection[Unit], well: Collection[Unit]) -> tuple[float, float]:
    """What speaks for a value and against it, in agents.

    Args:
        units: those with it that fail, and are not explained yet.
        ill: all with it that fail.
        well: those with it that do not.
    """
    open_of, ill_of, well_of = (Counter(unit.agent_id for unit in some) for some in (units, ill, well))
    speaks_for = sum(count / (ill_of[agent] + well_of[agent]) for agent, count in open_of.items())
    speaks_against = sum(count / (ill_of[agent] + count) for agent, count in well_of.items())
    return speaks_for, speaks_against


def _by_value(places: Places, column: str | None, providers: Mapping[str, str]) -> dict[str, frozenset[Unit]]:
    found: defaultdict[str, set[Unit]] = defaultdict(set)
    for unit, place in places.items():
        value = providers.get(unit.agent_id) if column is None else getattr(place, column)
        if value is not None:
            found[value].add(unit)
    return {value: frozenset(units) for value, units in found.items()}
