"""Where delay, and its variation, is added (``docs/verdict.md``, "Delay")."""

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Final

from hopsight.agent.results import rtt_statistics
from hopsight.agent.verdict.window import MIN_PROBES, Finding, Series, Stretch
from hopsight.model.network_documents import Evidence, SegmentName

EXCESS_RTT_MS: Final[dict[SegmentName, float]] = {
    "lan": 50.0,
    "vpn": 150.0,
    "proxy": 100.0,
    "provider": 100.0,
    "destination": 300.0,
}
EXCESS_JITTER_MS: Final = 30.0


def median_rtt_ms(series: Series) -> float:
    """The middle of the times: one slow reply does not move it."""
    return statistics.median(series.rtts_ms)


def jitter_ms(series: Series) -> float:
    """The deviation of all replies but the slowest: one slow reply is thin evidence."""
    found = rtt_statistics(sorted(series.rtts_ms)[:-1])
    return found.mean_dev_rtt_ms if found is not None else 0.0


def find_delay(stretches: Sequence[Stretch]) -> list[Finding]:
    """Stretches that add too much delay, or too much variation of it."""
    return [
        *_excesses(stretches, "excessRtt", median_rtt_ms, _difference),
        *_excesses(stretches, "excessJitter", jitter_ms, _difference_of_deviations),
    ]


def _excesses(
    stretches: Sequence[Stretch],
    metric: str,
    measure: Callable[[Series], float],
    subtract: Callable[[float, float], float],
) -> list[Finding]:
    found: list[Finding] = []
    before_ms, unknown = 0.0, list[int]()
    for index, value_ms in enumerate(_as_seen_from_behind(stretches, measure)):
        if value_ms is None:
            unknown.append(index)
            continue
        suspects = (*unknown, index)
        limit_ms = sum(_limit_ms(metric, stretches[suspect].name) for suspect in suspects)
        excess_ms = subtract(value_ms, before_ms)
        if excess_ms >= limit_ms:
            evidence = Evidence(metric=metric, value=excess_ms, limit=limit_ms, unit="ms")
            found.append(Finding(suspects=suspects, evidence=(evidence,)))
        before_ms, unknown = value_ms, []
    return found


def _as_seen_from_behind(
    stretches: Sequence[Stretch], measure: Callable[[Series], float]
) -> list[float | None]:
    """Each stretch's value, lowered to the lowest behind it: what passes a router is not held up by it."""
    seen: list[float | None] = []
    lowest_ms = math.inf
    for stretch in reversed(stretches):
        series = stretch.series
        if series is None or not series.kernel_times or len(series.rtts_ms) < MIN_PROBES:
            seen.append(None)
            continue
        lowest_ms = min(lowest_ms, measure(series))
        seen.append(lowest_ms)
    return seen[::-1]


def _limit_ms(metric: str, name: SegmentName) -> float:
    return EXCESS_JITTER_MS if metric == "excessJitter" else EXCESS_RTT_MS[name]


def _difference(value_ms: float, before_ms: float) -> float:
    return max(0.0, value_ms - before_ms)


def _difference_of_deviations(value_ms: float, before_ms: float) -> float:
    # What two stretches vary by, independently, adds up as squares.
    return math.sqrt(max(0.0, value_ms**2 - before_ms**2))
