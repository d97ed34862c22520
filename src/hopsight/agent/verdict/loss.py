"""Where loss begins (``docs/verdict.md``, "Loss")."""

import math
from collections.abc import Sequence
from typing import Final

from hopsight.agent.verdict.statistics import (
    Count,
    critical_loss,
    likelihoods,
    lost_less,
    suffers,
)
from hopsight.agent.verdict.window import MIN_PROBES, Finding, Stretch
from hopsight.model.network_documents import Evidence

LIKELIER: Final = 4.0
"""A place is blamed when it explains the losses so many times better than any other."""
_MAX_RATIO: Final = 1e6


def last_measured(stretches: Sequence[Stretch]) -> int | None:
    """The last stretch with enough probes to be judged by."""
    for index in reversed(range(len(stretches))):
        series = stretches[index].series
        if series is not None and series.sent >= MIN_PROBES:
            return index
    return None


def limits_its_answers(stretches: Sequence[Stretch], index: int) -> bool:
    """Whether a router's own series is no measure of the way to it.

    It is none when what lies behind the router lost significantly less, when the router answered no ping
    but did answer the path trace (or let it pass), or when either was so before.
    """
    stretch, series = stretches[index], stretches[index].series
    if series is None or index == len(stretches) - 1 or series.count[0] == 0:
        return False
    if stretch.unreliable:
        return True
    if not series.rtts_ms and stretch.answers:
        return True
    return any(
        lost_less(behind.series.count, series.count)
        for behind in stretches[index + 1 :]
        if behind.series is not None and behind.series.sent
    )


def find_loss(stretches: Sequence[Stretch]) -> Finding | None:
    """The stretch in which loss begins, or those that it may begin in; None: there is no more than chance."""
    end = last_measured(stretches)
    if end is None:
        return None
    series = stretches[end].series
    # Loss that the last far end does not show hurts nobody: routers answer pings when they find the time.
    if series is None or not suffers(series.count) or limits_its_answers(stretches, end):
        return None
    fits = likelihoods(_counts(stretches, end))
    best = max(fits)
    suspects = tuple(index for index, fit in enumerate(fits) if fit >= best - math.log(LIKELIER))
    evidence = list(loss_evidence(stretches, suspects[0]) or loss_evidence(stretches, end))
    others = [fit for index, fit in enumerate(fits) if index not in suspects]
    if others:
        ratio = min(math.exp(min(best - max(others), 50.0)), _MAX_RATIO)
        evidence.append(Evidence(metric="likelihoodRatio", value=ratio, limit=LIKELIER, unit="times"))
    return Finding(suspects=suspects, evidence=tuple(evidence))


def loss_evidence(stretches: Sequence[Stretch], index: int) -> tuple[Evidence, ...]:
    """The loss of a stretch's own series, where it is more than chance."""
    series = stretches[index].series
    if series is None or series.sent < MIN_PROBES or not suffers(series.count):
        return ()
    if limits_its_answers(stretches, index):
        return ()
    lost, sent = series.count
    limit = 100 * critical_loss(sent) / sent
    evidence = [Evidence(metric="loss", value=100 * lost / sent, limit=limit, unit="percent")]
    if series.prohibited:
        evidence.append(
            Evidence(metric="prohibited", value=float(series.prohibited), limit=1.0, unit="probes")
        )
    return tuple(evidence)


def _counts(stretches: Sequence[Stretch], end: int) -> list[Count]:
    last = stretches[end].series
    dead = last is not None and not last.rtts_ms
    return [_count(stretches, index, dead=dead) for index in range(end + 1)]


def _count(stretches: Sequence[Stretch], index: int, *, dead: bool) -> Count:
    stretch, series = stretches[index], stretches[index].series
    if series is not None and series.sent and not limits_its_answers(stretches, index):
        return series.count
    # Answers alone, without the silences between, show that a way exists, not that it is free of loss: they
    # tell something only about an end from which nothing came at all.
    replies = len(series.rtts_ms) if series is not None else 0
    return 0, stretch.answers + replies if dead else 0
