"""The experience score: by hand, by rule, and never for nothing."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopsight.model.har import HarPage, PageTimings
from hopsight.model.network_documents import Ping
from hopsight.model.score import INPUTS, score_of
from hopsight.model.user_sessions import PassiveTraffic, SessionDetail, SessionNetwork

GOOD = Ping(pkts_sent=10, pkts_received=10, avg_rtt_ms=20.0, mean_dev_rtt_ms=1.0)


def detail_of(ping: Ping | None, *pages: HarPage) -> SessionDetail:
    """A session with these probes and pages."""
    return SessionDetail(network=SessionNetwork(ping=ping), pages=pages)


def page(load_ms: float, code: int = 200) -> HarPage:
    """A page that took so long."""
    return HarPage(
        id="page_0",
        title="A page",
        started_date_time="2026-01-01T00:00:00Z",
        response_code=code,
        page_timings=PageTimings(on_load=load_ms),
    )


def value_of(detail: SessionDetail) -> float:
    """The score that there must be."""
    score = score_of(detail)
    assert score is not None
    return score.value


def test_a_session_with_nothing_to_notice_scores_one() -> None:
    """Without loss, under 50 ms and 5 ms, the score is 1."""
    assert value_of(detail_of(GOOD)) == 1.0


def test_the_score_is_the_weighted_geometric_mean_of_the_qualities() -> None:
    """10 % loss, 525 ms and a page of 5.5 s have qualities of a half each, and 102.5 ms of jitter too."""
    half = Ping(pkts_sent=10, pkts_received=9, avg_rtt_ms=525.0, mean_dev_rtt_ms=102.5)
    assert value_of(detail_of(half, page(5_500.0))) == pytest.approx(0.5, abs=1e-4)


def test_weights_count_only_over_what_was_measured() -> None:
    """Loss of 10 % with perfect latency: the fourth of seven parts that weigh 4 and 3."""
    ping = Ping(pkts_sent=10, pkts_received=9, avg_rtt_ms=10.0)
    assert value_of(detail_of(ping)) == round(math.exp(4 * math.log(0.5) / 7), 4)


def test_losing_everything_scores_zero() -> None:
    """Total loss is data, and the worst there is."""
    assert value_of(detail_of(Ping(pkts_sent=10, pkts_received=0))) == 0.0


@pytest.mark.parametrize(
    "detail",
    [
        detail_of(None),
        detail_of(Ping(error="no address")),
        detail_of(Ping(pkts_sent=0, pkts_received=0)),
        SessionDetail(network=SessionNetwork(), passive=PassiveTraffic(connections=3, min_rtt_ms=1.0)),
    ],
)
def test_what_was_not_measured_has_no_score(detail: SessionDetail) -> None:
    """No data is no score, never 0."""
    assert score_of(detail) is None


def test_a_page_that_the_server_failed_at_is_the_worst_page() -> None:
    """A quick 503 is not a good page."""
    assert value_of(detail_of(GOOD, page(10.0, 503))) == 0.0


def test_a_page_alone_is_scored() -> None:
    """A session whose probes say nothing has the score of its page."""
    assert value_of(detail_of(None, page(1_000.0))) == 1.0


@given(
    st.integers(0, 10),
    st.floats(0, 1e5),
    st.floats(0, 1e5),
    st.lists(st.floats(0, 1e6), max_size=3),
)
def test_scores_stay_within_their_bounds_and_worse_is_never_better(
    received: int, rtt_ms: float, jitter_ms: float, pages: list[float]
) -> None:
    """From 0 to 1 for whatever was measured; one more loss never raises it."""

    def made(count: int) -> float:
        ping = Ping(pkts_sent=11, pkts_received=count, avg_rtt_ms=rtt_ms, mean_dev_rtt_ms=jitter_ms)
        return value_of(detail_of(ping, *map(page, pages)))

    assert 0 <= made(received) <= made(received + 1) <= 1


def test_the_page_in_the_documentation_has_the_numbers_of_the_code() -> None:
    """``docs/score.md`` names every input with its bounds and weight."""
    text = (Path(__file__).parents[2] / "docs" / "score.md").read_text(encoding="utf-8")
    for each in INPUTS:
        assert f"| {each.name} | {each.unit} | {each.good:g} | {each.bad:g} | {each.weight:g} |" in text
