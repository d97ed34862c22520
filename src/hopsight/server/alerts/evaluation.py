"""Which agents fail a rule: from the numbers of single rounds to N of the last M. Functions over numbers."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Final, NamedTuple

from msgspec import Struct

from hopsight.model.aggregates import Measurement
from hopsight.model.alerts import AlertFilter, AlertRule
from hopsight.model.dimensions import FILTERS, Dimensions

SILENT_AFTER_ROUNDS: Final = 10
"""``no-data`` is about agents that had data in so many rounds before the last M: who was here, and went."""
_P95: Final = 0.95


class Unit(NamedTuple):
    """One agent's sessions with one site: what fails, or does not."""

    agent_id: str
    site: str | None


class Round(Struct, frozen=True):
    """The numbers of one round for a rule, and where each unit was when it was measured."""

    values: Mapping[Unit, float]
    places: Mapping[Unit, Dimensions]


class Verdicts(Struct, frozen=True):
    """The units that were measured, by whether they fail, with what is known of where they are.

    Args:
        failing: those over the threshold in N of the last M rounds.
        good: the others, without those that were over it when they were measured last: these may yet fail.
        values: the newest number of each that fails.
    """

    failing: Mapping[Unit, Dimensions]
    good: Mapping[Unit, Dimensions]
    values: Mapping[Unit, float]


def admits(filters: Sequence[AlertFilter], place: Dimensions) -> bool:
    """Whether all filters (their values in the stored spelling) hold of a session."""
    return all(getattr(place, FILTERS[each.key].column) in each.values for each in filters)


def summarize_round(rule: AlertRule, measurements: Iterable[Measurement]) -> Round:
    """The rule's number of each unit in one round; what was not measured has none."""
    found: defaultdict[Unit, list[Measurement]] = defaultdict(list)
    admitted: dict[int, bool] = {}
    for each in measurements:
        # Records of one agent at one place share their dimensions: filters look at each of them once.
        key = id(each.dimensions)
        if key not in admitted:
            admitted[key] = admits(rule.filters, each.dimensions)
        if admitted[key]:
            found[_unit_of(rule, each.dimensions)].append(each)
    numbers = {unit: _number(rule, some) for unit, some in found.items()}
    values = {unit: number for unit, number in numbers.items() if number is not None}
    return Round(values, {unit: found[unit][-1].dimensions for unit in values})


def judge(rule: AlertRule, rounds: Sequence[Round]) -> Verdicts:
    """Say who fails, by the last M of ``rounds`` (oldest first); who is in none of them is not here."""
    counted = rounds[-rule.of_rounds :]
    places: dict[Unit, Dimensions] = {}
    values: dict[Unit, float] = {}
    over: defaultdict[Unit, int] = defaultdict(int)
    newest: dict[Unit, float] = {}
    for each in counted:
        places |= each.places
        newest |= each.values
        for unit, value in each.values.items():
            if value > rule.threshold:
                over[unit] += 1
                values[unit] = value
    failing = {unit: place for unit, place in places.items() if over[unit] >= rule.rounds}
    well = {unit for unit, value in newest.items() if value <= rule.threshold} - failing.keys()
    good = {unit: place for unit, place in places.items() if unit in well}
    return Verdicts(failing, good, {unit: values[unit] for unit in failing})


def judge_silence(rule: AlertRule, rounds: Sequence[Round], excused: frozenset[str]) -> Verdicts:
    """The same for ``no-data``: agents that had data in the rounds before the last M, and now have none.

    Args:
        rule: of that metric.
        rounds: oldest first, with ``SILENT_AFTER_ROUNDS`` before the last M.
        excused: agents that are known to be asleep, offline, disabled or deleted.
    """
    last = rounds[-rule.of_rounds :]
    places: dict[Unit, Dimensions] = {}
    for each in rounds:
        places |= each.places
    missing = {unit: sum(unit not in each.values for each in last) for unit in places}
    before = {unit for each in rounds[: -rule.of_rounds] for unit in each.values}
    silent = {
        unit
        for unit in before
        if missing[unit] >= rule.rounds and unit not in last[-1].values and unit.agent_id not in excused
    }
    absent = {unit for unit in places if unit.agent_id in excused and unit not in last[-1].values}
    failing = {unit: places[unit] for unit in places if unit in silent}
    good = {unit: places[unit] for unit in places if unit not in silent and unit not in absent}
    return Verdicts(failing, good, {unit: float(missing[unit]) for unit in failing})


def _unit_of(rule: AlertRule, place: Dimensions) -> Unit:
    return Unit(place.agent_id, None if rule.metric == "no-data" else place.visited_site)


def _number(rule: AlertRule, some: Sequence[Measurement]) -> float | None:
    match rule.metric:
        case "latency":
            return _p95([each.latency_ms for each in some if each.latency_ms is not None])
        case "jitter":
            return _p95([each.jitter_ms for each in some if each.jitter_ms is not None])
        case "loss":
            losses = [each.loss_percent for each in some if each.loss_percent is not None]
            return fmean(losses) if losses else None
        case "verdict":
            # What was watched, not probed, has no verdict: neither this one nor another.
            said = [each.dimensions.verdict for each in some if each.dimensions.verdict is not None]
            return 100.0 * said.count(str(rule.verdict)) / len(said) if said else None
        case "no-data":
            return 0.0


def _p95(numbers: list[float]) -> float | None:
    """By nearest rank: a number that was measured."""
    if not numbers:
        return None
    return sorted(numbers)[math.ceil(_P95 * len(numbers)) - 1]
