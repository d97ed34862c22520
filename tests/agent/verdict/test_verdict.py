"""Verdicts: a table of injected faults, and what holds for any numbers (``docs/verdict.md``)."""

import math
import re
from itertools import pairwise
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from hopsight.agent.verdict import loss as verdict_loss
from hopsight.agent.verdict.delay import EXCESS_JITTER_MS, EXCESS_RTT_MS
from hopsight.agent.verdict.judge import RULES, judge, slept
from hopsight.agent.verdict.statistics import critical_loss, likelihoods, lost_less, suffers
from hopsight.agent.verdict.window import Device, Series, Service, Stretch, Window
from hopsight.model.network_documents import Segment, Verdict, VerdictResult

IDLE = Device(cpu_utilization=0.1, memory_used=0.5, samples=10)
BUSY = structs.replace(IDLE, cpu_utilization=0.98)
FULL = structs.replace(IDLE, memory_used=0.97)
ORDER = ("device", "lan", "vpn", "proxy", "provider", "destination")


def series(lost: int = 0, sent: int = 10, rtt_ms: float = 10.0, spread_ms: float = 0.5) -> Series:
    """So many lost, the others evenly spread around a time."""
    received = sent - lost
    rtts_ms = tuple(rtt_ms + spread_ms * (number % 3 - 1) for number in range(received))
    return Series(sent=sent, rtts_ms=rtts_ms)


def lan(lost: int = 0, rtt_ms: float = 2.0, spread_ms: float = 0.2, **more: object) -> Stretch:
    found = Stretch(name="lan", target="192.168.1.1", series=series(lost, 10, rtt_ms, spread_ms))
    return structs.replace(found, **more)


def provider(lost: int = 0, rtt_ms: float = 10.0, spread_ms: float = 0.5, **more: object) -> Stretch:
    found = Stretch(name="provider", target="198.18.0.1", series=series(lost, 10, rtt_ms, spread_ms))
    return structs.replace(found, **more)


def site(lost: int = 0, rtt_ms: float = 30.0, spread_ms: float = 0.5, **more: object) -> Stretch:
    found = Stretch(name="destination", target="203.0.113.1", series=series(lost, 10, rtt_ms, spread_ms))
    return structs.replace(found, **more)


def vpn(lost: int = 0, **more: object) -> Stretch:
    found = Stretch(name="vpn", target="198.51.100.7", series=series(lost, 10, 20.0))
    return structs.replace(found, **more)


def tunnel(lost: int = 0, **more: object) -> Stretch:
    found = Stretch(name="vpn", target="10.8.0.1", series=series(lost, 10, 22.0))
    return structs.replace(found, **more)


def verdict(*stretches: Stretch, device: Device = IDLE, **more: object) -> Verdict:
    window = structs.replace(Window(device=device, stretches=stretches), **more)
    return judge(window).verdict


FAULTS = {
    "nothing wrong": ((lan(), provider(), site()), "healthy"),
    "no gateway, as on a local network": ((site(rtt_ms=1),), "healthy"),
    "far away, but steady": ((lan(), provider(), site(rtt_ms=280)), "healthy"),
    "one slow reply": (
        (lan(), provider(), site(series=Series(sent=10, rtts_ms=(30.0,) * 9 + (900.0,)))),
        "healthy",
    ),
    "one lost probe is thin": ((lan(), provider(), site(1)), "no-verdict"),
    "two lost probes are not": ((lan(), provider(), site(2)), "destination"),
    "bad Wi-Fi, by loss": ((lan(3), provider(3), site(4)), "lan"),
    "bad Wi-Fi, by jitter": (
        (lan(spread_ms=60, rtt_ms=70), provider(spread_ms=55, rtt_ms=80), site(spread_ms=58, rtt_ms=99)),
        "lan",
    ),
    "bad Wi-Fi, by delay": ((lan(rtt_ms=120), provider(rtt_ms=125), site(rtt_ms=140)), "lan"),
    "gateway dead": ((lan(10), provider(10), site(10)), "lan"),
    "gateway dead, provider unknown": ((lan(10), provider(series=None), site(10)), "lan"),
    "gateway answers no pings, all fine behind it": ((lan(10), provider(), site()), "healthy"),
    "gateway limits its answers": ((lan(6), provider(), site()), "healthy"),
    "gateway answers slowly, what passes it does not wait": (
        (lan(rtt_ms=400), provider(), site()),
        "healthy",
    ),
    "gateway known to answer no pings, all dead behind": (
        (lan(10, unreliable=True), provider(10), site(10)),
        "no-verdict",
    ),
    "gateway answers no pings, site dead": ((lan(10), provider(), site(10)), "destination"),
    "gateway answers no pings, the trace passes it, site dead": (
        (lan(10, answers=9), provider(10, answers=6), site(10)),
        "destination",
    ),
    "provider loses": ((lan(), provider(4), site(3)), "provider"),
    "provider limits its answers, site dead": ((lan(), provider(2), site(10)), "destination"),
    "provider known to limit them, site dead": (
        (lan(), provider(6, unreliable=True), site(10)),
        "destination",
    ),
    "provider limits its answers, site loses a little": ((lan(), provider(9), site(3)), "no-verdict"),
    "provider down": ((lan(), provider(10), site(10)), "provider"),
    "provider slow": ((lan(), provider(rtt_ms=180), site(rtt_ms=200)), "provider"),
    "provider answers only the trace, site dead": (
        (lan(), provider(series=None, answers=3), site(10)),
        "destination",
    ),
    "provider unknown, site dead": ((lan(), provider(series=None), site(10)), "no-verdict"),
    "provider unknown, site loses": ((lan(), provider(series=None), site(4)), "no-verdict"),
    "provider unknown, site loses, the trace passed": (
        (lan(), provider(series=None, answers=3), site(4)),
        "no-verdict",
    ),
    "provider unknown, nothing wrong": ((lan(), provider(series=None), site()), "healthy"),
    "dead site": ((lan(), provider(), site(10)), "destination"),
    "site far too slow": ((lan(), provider(), site(rtt_ms=700)), "destination"),
    "site far too slow, by the program's own clock": (
        (lan(), provider(), site(series=structs.replace(series(0, 10, 700), kernel_times=False))),
        "healthy",
    ),
    "VPN endpoint down": ((lan(), vpn(10), tunnel(10), provider(series=None), site(10)), "vpn"),
    "tunnel dead, endpoint alive": ((lan(), vpn(), tunnel(10), provider(10), site(10)), "vpn"),
    "tunnel's end unknown, site dead": (
        (lan(), vpn(), tunnel(series=None, target=None), provider(series=None), site(10)),
        "no-verdict",
    ),
    "tunnel works, site dead": (
        (lan(), vpn(), tunnel(series=None, target=None, answers=5), provider(), site(10)),
        "destination",
    ),
    "VPN loses": ((lan(), vpn(3), tunnel(4), provider(3), site(3)), "vpn"),
    "proxy down": ((lan(), structs.replace(site(10), name="proxy")), "proxy"),
    "proxy fine, behind it nobody knows": ((lan(), structs.replace(site(), name="proxy")), "no-verdict"),
    "too few probes": ((lan(), site(series=series(0, 3))), "no-verdict"),
    "nothing sent": ((lan(), site(series=series(0, 0))), "no-verdict"),
    "nothing sent, gateway dead": ((lan(10), site(series=None)), "lan"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_first_segment_at_fault_is_blamed(fault: str) -> None:
    """Each injected fault has the verdict that the table of ``docs/verdict.md`` gives it."""
    stretches, expected = FAULTS[fault]
    assert verdict(*stretches).result == expected


@pytest.mark.parametrize(("device", "metric"), [(BUSY, "cpuUtilization"), (FULL, "memoryUsed")])
def test_a_device_at_its_limit_comes_first(device: Device, metric: str) -> None:
    """A busy machine is at fault whatever else is; what else is stands in the summary."""
    alone = verdict(lan(), provider(), site(), device=device)
    besides = verdict(lan(), provider(), site(10), device=device)
    assert (alone.result, alone.evidence[0].metric) == ("device", metric)
    assert besides.result == "device"
    assert "destination" in besides.summary


def test_two_samples_of_a_device_are_too_few() -> None:
    """A machine looked at for less than three seconds is not judged."""
    judged = judge(Window(device=structs.replace(BUSY, samples=2), stretches=(lan(), site())))
    assert (judged.verdict.result, judged.segments[0].state) == ("healthy", "unknown")


def test_what_the_site_itself_says() -> None:
    """A name that does not exist, a named port that refuses or stays silent: the destination, way fine."""
    fine = (lan(), provider(), site())
    assert verdict(*fine, service=Service(refused=True)).result == "destination"
    assert verdict(*fine, service=Service(unanswered_syns=4)).result == "destination"
    assert verdict(*fine, service=Service(unanswered_syns=1)).result == "healthy"
    assert verdict(lan(), site(series=None), unknown_name=True).result == "destination"
    assert verdict(lan(3), provider(3), site(3), service=Service(unanswered_syns=4)).result == "lan"


def test_silent_name_servers_blame_only_a_bad_gateway() -> None:
    """Without an answer from DNS: the local network when its gateway fails, else nobody."""
    silent = "the name servers did not answer"
    nowhere = site(series=None, target=None)
    assert verdict(lan(), nowhere, void=silent).summary == f"no verdict: {silent}"
    assert verdict(lan(10), nowhere, void=silent).result == "lan"
    assert verdict(lan(10, unreliable=True), nowhere, void=silent).result == "no-verdict"


def test_states_are_of_each_segments_own_numbers() -> None:
    """Silent routers are unknown and say why; a dead site is failed; a lossy one is degraded."""
    dead = _states(lan(10), provider(), site(10))
    assert dead == {"device": "good", "lan": "unknown", "provider": "good", "destination": "failed"}
    lossy = _states(lan(3), provider(3), site(4))
    assert lossy == {"device": "good", "lan": "degraded", "provider": "degraded", "destination": "degraded"}


def test_routers_that_answer_badly_are_told() -> None:
    """The place of a router that lost what nothing behind it lost is named, so that it be remembered."""
    assert judge(Window(stretches=(lan(10), provider(), site()))).unreliable == (0,)
    assert judge(Window(stretches=(lan(), provider(4), site(3)))).unreliable == ()


def test_a_window_that_was_slept_through_has_no_verdict() -> None:
    """Sleep is a state, not a fault."""
    assert slept().result == "no-verdict"


@pytest.mark.parametrize(
    ("sent", "fewest"), [(1, 2), (2, 2), (3, 2), (5, 2), (10, 2), (20, 3), (100, 5), (1000, 19)]
)
def test_how_many_losses_are_more_than_chance(sent: int, fewest: int) -> None:
    """The fewest losses that a way with 1 % of loss shows in at most 1 % of windows: by the exact sum."""
    assert critical_loss(sent) == fewest
    if fewest <= sent:
        assert _tail(fewest, sent) <= 0.01 < _tail(fewest - 1, sent)
    else:
        assert _tail(sent, sent) >= 0.01


def test_the_weakest_evidence_that_is_enough() -> None:
    """Two of ten at the end and none of ten before it is just four times likelier than any other story."""
    first, second = likelihoods([(0, 10), (2, 10)])
    assert 4 < math.exp(second - first) < 4.1
    assert lost_less((0, 10), (4, 10))
    assert not lost_less((0, 10), (3, 10))


COUNTS = st.integers(0, 30).flatmap(lambda sent: st.tuples(st.integers(0, sent), st.just(sent)))
TIMES_MS = st.floats(0, 2_000)


@st.composite
def any_series(draw: st.DrawFn) -> Series | None:
    if draw(st.integers(0, 5)) == 0:
        return None
    lost, sent = draw(COUNTS)
    times = draw(st.lists(TIMES_MS, min_size=sent - lost, max_size=sent - lost))
    prohibited = draw(st.integers(0, lost))
    return Series(sent=sent, rtts_ms=tuple(times), kernel_times=draw(st.booleans()), prohibited=prohibited)


@st.composite
def any_window(draw: st.DrawFn) -> Window:
    names = [name for name in ORDER[1:-2] for _ in range(draw(st.integers(0, 2 if name == "vpn" else 1)))]
    if draw(st.booleans()):
        names.append("provider")
    names.append(draw(st.sampled_from(["destination", "destination", "proxy"])))
    stretches = tuple(
        Stretch(
            name=name,  # type: ignore[arg-type]
            target="192.0.2.1",
            series=draw(any_series()),
            answers=draw(st.integers(0, 9)),
            unreliable=draw(st.booleans()),
        )
        for name in names
    )
    fraction = st.none() | st.floats(0, 1)
    device = Device(
        cpu_utilization=draw(fraction), memory_used=draw(fraction), samples=draw(st.integers(0, 10))
    )
    service = Service(refused=draw(st.booleans()), unanswered_syns=draw(st.integers(0, 5)))
    return Window(
        device=draw(st.sampled_from([None, device])),
        stretches=stretches,
        service=draw(st.sampled_from([None, service])),
        unknown_name=draw(st.integers(0, 9)) == 0,
        void=draw(st.sampled_from([None, "silent name servers"])),
    )


@given(any_window())
@settings(max_examples=300)
def test_any_numbers_have_a_verdict_that_its_evidence_supports(window: Window) -> None:
    """Never an error; a result that exists; evidence at or over its limit, and none without a fault."""
    judged = judge(window)
    found = judged.verdict
    assert found.result in get_args(VerdictResult)
    assert all(item.value >= item.limit for item in found.evidence)
    assert bool(found.evidence) == (found.result not in {"healthy", "no-verdict"})
    assert all(item.value >= item.limit for segment in judged.segments for item in segment.evidence)
    if found.evidence:
        assert found.result in {segment.name for segment in judged.segments}
    for document, kind in ((found, Verdict), *((segment, Segment) for segment in judged.segments)):
        assert msgspec.json.decode(msgspec.json.encode(document), type=kind) == document


@given(any_window(), st.data())
@settings(max_examples=400)
def test_more_loss_upstream_never_moves_the_blame_downstream(window: Window, data: st.DataObject) -> None:
    """Another lost probe before the segment at fault leaves the blame there, moves it up, or unsettles it."""
    before = judge(window).verdict.result
    blamed = [index for index, stretch in enumerate(window.stretches) if stretch.name == before]
    upstream = [
        index
        for index, stretch in enumerate(window.stretches)
        if blamed and index < blamed[0] and stretch.series is not None
    ]
    if not upstream:
        return
    after = judge(_one_more_lost(window, data.draw(st.sampled_from(upstream)))).verdict.result
    # By their places on this way: a provider may stand before the proxy.
    places: list[str] = ["device", *(stretch.name for stretch in window.stretches)]
    assert after == "no-verdict" or places.index(after) <= places.index(before)


@given(any_window())
def test_loss_that_the_end_does_not_show_blames_nobody(window: Window) -> None:
    """However much routers lose: when all that was sent to the end came back, loss is no evidence."""
    end = structs.replace(window.stretches[-1], series=series(0, 10))
    found = judge(structs.replace(window, stretches=(*window.stretches[:-1], end))).verdict
    assert "loss" not in {item.metric for item in found.evidence}


@given(st.lists(COUNTS, min_size=1, max_size=5))
def test_more_losses_are_more_evidence(counts: list[tuple[int, int]]) -> None:
    """What is more than chance stays so with another probe lost, and likelihoods are finite."""
    assert all(math.isfinite(fit) for fit in likelihoods(counts))
    for lost, sent in counts:
        if suffers((lost, sent)) and lost < sent:
            assert suffers((lost + 1, sent))
    assert all(critical_loss(a) <= critical_loss(b) for a, b in pairwise(range(2, 200)))


def _states(*stretches: Stretch) -> dict[str, str]:
    judged = judge(Window(device=IDLE, stretches=stretches))
    return {segment.name: segment.state for segment in judged.segments}


def _tail(lost: int, sent: int) -> float:
    return sum(
        math.comb(sent, number) * 0.01**number * 0.99 ** (sent - number) for number in range(lost, sent + 1)
    )


def _one_more_lost(window: Window, index: int) -> Window:
    stretches = list(window.stretches)
    kept = stretches[index].series
    assert kept is not None
    stretches[index] = structs.replace(stretches[index], series=structs.replace(kept, sent=kept.sent + 1))
    return structs.replace(window, stretches=tuple(stretches))


def test_the_published_rules_are_these() -> None:
    """``docs/verdict.md`` names the version, every metric and every limit that the code has."""
    page = (Path(__file__).parents[3] / "docs" / "verdict.md").read_text(encoding="utf-8")
    assert f"version **{RULES}**" in page
    code = "".join(
        path.read_text(encoding="utf-8") for path in Path(verdict_loss.__file__).parent.glob("*.py")
    )
    metrics = set(re.findall(r'metric="(\w+)"', code)) | {"excessRtt", "excessJitter"}
    assert metrics == set(
        re.findall(
            r"^\| `(\w+)` \| (?:fraction|percent|ms|probes|names|connections|times)", page, re.MULTILINE
        )
    )
    for name, limit_ms in EXCESS_RTT_MS.items():
        assert f"| `{name}` | {limit_ms:.0f} ms |" in page
    assert f"**{EXCESS_JITTER_MS:.0f} ms** of jitter" in page
    assert f"**{verdict_loss.LIKELIER:.0f} times**" in page
