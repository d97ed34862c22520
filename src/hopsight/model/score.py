"""The experience score: one number from 0 to 1 for a user session, by a formula that anybody can redo.

Each input becomes a quality from 0 to 1, linear between a value that nobody notices and one with which nobody
can work. The score is the geometric mean of the qualities, weighted, over the inputs that there are: one bad
input cannot be made good by the others. ``docs/score.md`` explains it.
"""

import math
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from hopsight.model.har import HarPage
from hopsight.model.network_documents import Ping
from hopsight.model.user_sessions import SessionDetail

FORMULA_VERSION: Final = 1
DECIMALS: Final = 4
_SERVER_FAULT: Final = 500


class Input(Struct, frozen=True, kw_only=True):
    """One input of the formula.

    Args:
        name: what goes in.
        unit: its unit.
        good: up to here its quality is 1.
        bad: from here on its quality is 0.
        weight: what its quality counts.
    """

    name: str
    unit: str
    good: float
    bad: float
    weight: float

    def quality(self, value: float) -> float:
        """From 1 (``good`` or better) down to 0 (``bad`` or worse)."""
        return min(max((self.bad - value) / (self.bad - self.good), 0.0), 1.0)


LOSS: Final = Input(name="loss", unit="percent", good=0.0, bad=20.0, weight=4.0)
LATENCY: Final = Input(name="latency", unit="ms", good=50.0, bad=1_000.0, weight=3.0)
JITTER: Final = Input(name="jitter", unit="ms", good=5.0, bad=200.0, weight=1.0)
PAGE: Final = Input(name="page", unit="ms", good=1_000.0, bad=10_000.0, weight=2.0)
INPUTS: Final = (LOSS, LATENCY, JITTER, PAGE)


class Part(Struct, frozen=True, kw_only=True):
    """What one input came to."""

    input: Input
    value: float
    quality: float


class Score(Struct, frozen=True, kw_only=True):
    """A score, and what it was made from."""

    value: float
    parts: tuple[Part, ...]


def score_of(detail: SessionDetail) -> Score | None:
    """The score of a session by what is stored of it; None: nothing was measured that could be scored.

    Sessions that were only watched have none: the times of real traffic include waiting that is not the
    network's.
    """
    values = {**_network_values(detail.network.ping), **_page_values(detail.pages)}
    parts = tuple(
        Part(input=each, value=values[each.name], quality=each.quality(values[each.name]))
        for each in INPUTS
        if each.name in values
    )
    return Score(value=_mean(parts), parts=parts) if parts else None


def _network_values(ping: Ping | None) -> dict[str, float]:
    if ping is None or not ping.pkts_sent or ping.pkts_received is None:
        return {}
    loss_percent = 100 * (ping.pkts_sent - ping.pkts_received) / ping.pkts_sent
    values = {LOSS.name: loss_percent, LATENCY.name: ping.avg_rtt_ms, JITTER.name: ping.mean_dev_rtt_ms}
    return {name: value for name, value in values.items() if value is not None}


def _page_values(pages: Sequence[HarPage]) -> dict[str, float]:
    """The mean over the pages of how long they took; one that the server failed at counts as the worst."""
    times_ms = [time_ms for page in pages if (time_ms := _page_ms(page)) is not None]
    return {PAGE.name: sum(times_ms) / len(times_ms)} if times_ms else {}


def _page_ms(page: HarPage) -> float | None:
    if page.response_code is not None and page.response_code >= _SERVER_FAULT:
        return PAGE.bad
    timings = page.page_timings
    for time_ms in (timings.on_load, timings.on_content_load):
        if time_ms is not None and time_ms >= 0:
            return time_ms
    return None


def _mean(parts: Sequence[Part]) -> float:
    if any(part.quality == 0 for part in parts):
        return 0.0
    weights = sum(part.input.weight for part in parts)
    return round(
        math.exp(sum(part.input.weight * math.log(part.quality) for part in parts) / weights), DECIMALS
    )
