"""What counts of lost probes can tell, and what they cannot (``docs/verdict.md``, "How much is enough")."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

TOLERATED_LOSS: Final = 0.01
"""Share of probes that a healthy way may lose."""
SIGNIFICANCE: Final = 0.01
"""Loss is a fault when a healthy way would show as much in at most this share of windows."""
LIMITED_SIGNIFICANCE: Final = 0.05
"""A router answers by a limit of its own when what lies behind it lost so much less as chance rarely does."""

Count = tuple[int, int]
"""Probes lost, and probes sent."""


@lru_cache(maxsize=1024)
def critical_loss(sent: int) -> int:
    """The fewest lost probes of ``sent`` that are more than chance: 2 of 10, 5 of 100.

    Returns:
        ``sent + 1`` where not even the loss of all would be.
    """
    tail = 1.0
    for lost in range(1, sent + 1):
        tail -= math.exp(_log_binomial(lost - 1, sent, TOLERATED_LOSS))
        if tail <= SIGNIFICANCE:
            return lost
    return sent + 1


def suffers(count: Count) -> bool:
    """Whether so many losses are more than a healthy way has by chance."""
    lost, sent = count
    return lost >= critical_loss(sent)


def lost_less(behind: Count, router: Count) -> bool:
    """Whether ``behind`` lost so much less that the router's own losses cannot be the way's (Fisher)."""
    lost, sent = router
    all_lost, all_sent = lost + behind[0], sent + behind[1]
    ways = math.comb(all_sent, all_lost)
    at_least = sum(
        math.comb(sent, number) * math.comb(behind[1], all_lost - number)
        for number in range(lost, min(sent, all_lost) + 1)
    )
    return at_least <= LIMITED_SIGNIFICANCE * ways


def likelihoods(counts: Sequence[Count]) -> list[float]:
    """For each stretch, the log likelihood that loss begins there.

    Before it probes are lost as on a healthy way, from it on all series share one higher rate: that which
    fits them best. Stretches that nothing was sent to make their neighbours equally likely.
    """
    return [
        sum(_log_likelihood(count, TOLERATED_LOSS) for count in counts[:first])
        + _log_likelihood_of_one_rate(counts[first:])
        for first in range(len(counts))
    ]


def _log_likelihood_of_one_rate(counts: Sequence[Count]) -> float:
    lost, sent = sum(lost for lost, _ in counts), sum(sent for _, sent in counts)
    return _log_likelihood((lost, sent), max(TOLERATED_LOSS, lost / sent if sent else 0.0))


def _log_likelihood(count: Count, rate: float) -> float:
    lost, sent = count
    received = sent - lost
    return (lost * math.log(rate) if lost else 0.0) + (received * math.log1p(-rate) if received else 0.0)


def _log_binomial(lost: int, sent: int, rate: float) -> float:
    ways = math.lgamma(sent + 1) - math.lgamma(lost + 1) - math.lgamma(sent - lost + 1)
    return ways + _log_likelihood((lost, sent), rate)
