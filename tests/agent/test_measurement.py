"""One measurement: over real loopback sockets, and over a network that the test makes up."""

import asyncio
import math
import random
import socket
import statistics
from collections.abc import AsyncIterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopsight.agent.documents import destination, network_session
from hopsight.agent.measurement import ASLEEP, Measurement, Measurer
from hopsight.agent.network import (
    Address,
    Family,
    IcmpSocket,
    PathSocket,
    Route,
    SynFlow,
    TableRoute,
    TcpOutcome,
)
from hopsight.agent.results import CLOCK_STEPPED, PingResult, ProbeOptions, rtt_statistics
from hopsight.agent.system_network import SystemNetwork
from hopsight.clock import SystemClock
from hopsight.errors import ProbeUnavailableError
from hopsight.model.agents import Target
from hopsight.model.sessions import NetworkSession
from hopsight.testing import AGENT_ID, ROUND_ID, FakeClock

pytestmark = pytest.mark.anyio

QUICK = ProbeOptions(count=3, interval_s=0.05, timeout_s=0.3)
RTTS_MS = st.lists(st.floats(min_value=0, max_value=10_000), min_size=1, max_size=30)


class TcpOnly:
    """A network without ICMP; TCP has the outcomes that the test gives it (``Network``)."""

    def __init__(self, *outcomes: TcpOutcome) -> None:
        self.outcomes = outcomes
        self.asked: list[int] = []

    async def resolve(self, host: str, timeout_s: float) -> list[Address]:
        """No name resolves; an address does."""
        if not host[-1].isdigit():
            raise OSError(f"no such name within {timeout_s:g} s")
        return [Address(host)]

    def open_icmp(self, family: Family, identifier: int) -> IcmpSocket:
        """Not to be had."""
        raise ProbeUnavailableError(f"no ICMP over IPv{family} for {identifier & 0}")

    async def connect_tcp(self, address: Address, port: int, timeout_s: float) -> TcpOutcome:  # noqa: ARG002
        """The next outcome, over and over."""
        self.asked.append(port)
        return self.outcomes[(len(self.asked) - 1) % len(self.outcomes)]

    def open_path(self, family: Family, identifier: int) -> PathSocket:
        """Not to be had, either."""
        raise ProbeUnavailableError(f"no ICMP over IPv{family} for {identifier & 0}")

    def open_syn_flow(self, address: Address, port: int) -> SynFlow:
        """No paths."""
        raise ProbeUnavailableError(f"no path to {address.host}:{port}")

    async def reverse_name(self, address: Address, timeout_s: float) -> str | None:  # noqa: ARG002
        """No names."""
        return None

    def route_to(self, address: Address) -> Route | None:  # noqa: ARG002
        """No routes."""
        return None

    def routes(self, family: Family) -> list[TableRoute]:  # noqa: ARG002
        """No routes."""
        return []


CONNECTED = TcpOutcome(sent=True, connected=True, kernel_rtt_s=0.004, elapsed_s=0.3)
RETRANSMITTED = TcpOutcome(sent=True, connected=True, elapsed_s=1.1, retransmits=1)
RESET = TcpOutcome(sent=True, reset=True, elapsed_s=0.002, error="connection refused")
SILENT = TcpOutcome(sent=True, elapsed_s=1.0, error="no answer in time")


async def measured_by_tcp(*outcomes: TcpOutcome, clock: FakeClock | None = None) -> Measurement:
    measurer = Measurer(TcpOnly(*outcomes), clock or FakeClock(), random.Random(1))
    try:
        (found,) = await measurer.measure(Target(host="192.0.2.1", protocol="tcp"), QUICK)
        return found
    finally:
        await measurer.aclose()


@pytest.fixture
async def measurer() -> AsyncIterator[Measurer]:
    clock = SystemClock()
    made = Measurer(SystemNetwork(clock), clock, random.Random(1))
    yield made
    await made.aclose()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_loopback_answers_every_probe(measurer: Measurer, host: str) -> None:
    """Over real sockets, with what privileges there are, nothing is lost and nothing is counted twice."""
    (found,) = await measurer.measure(Target(host=host, protocol="auto"), QUICK)
    assert found.ping is not None
    assert (found.address, found.asleep, found.gateway) == (host, False, None)
    assert (found.ping.pkts_sent, found.ping.pkts_received, found.ping.duplicates) == (3, 3, 0)
    assert all(0 < rtt < 100 for rtt in found.ping.rtts_ms)
    metrics = found.system_metrics
    assert metrics is not None
    assert metrics.physical_memory_used_bytes is not None
    assert metrics.physical_memory_used_bytes.count == 2


async def test_many_targets_share_one_measurer(measurer: Measurer) -> None:
    """Forty targets at the same time each get all of their own answers."""
    hosts = [f"127.0.0.{n}" for n in range(1, 41)]
    measured = await asyncio.gather(
        *(measurer.measure(Target(host=host, protocol="icmp"), QUICK) for host in hosts)
    )
    found = [one for one, *_ in measured]
    if found[0].icmp_unavailable:
        pytest.skip("no ICMP sockets here")
    assert [one.address for one in found] == hosts
    assert {(one.ping.pkts_received, one.ping.strangers) for one in found if one.ping} == {(3, 0)}


async def test_an_open_port_is_timed_by_the_kernel(measurer: Measurer) -> None:
    """A TCP series against a listener has the kernel's handshake times, unflagged."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        port = server.getsockname()[1]
        (found,) = await measurer.measure(Target(host="127.0.0.1", port=port, protocol="tcp"), QUICK)
    assert found.ping is not None
    assert (found.protocol, found.ping.pkts_received, found.ping.flags) == ("tcp", 3, ())
    assert found.connect is not None
    assert (found.connect.reset, found.connect.port_guessed, found.connect.error) == (False, False, None)


async def test_a_closed_port_answers_by_reset(measurer: Measurer) -> None:
    """A reset is a reply, its time the program's and flagged."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (found,) = await measurer.measure(Target(host="127.0.0.1", port=port, protocol="tcp"), QUICK)
    assert found.ping is not None
    assert (found.ping.pkts_received, found.ping.resets, found.flags) == (3, 3, ("user-space time",))
    assert found.connect is not None
    assert found.connect.reset


async def test_a_name_that_cannot_be_is_a_result(measurer: Measurer) -> None:
    """A target that does not resolve gives errors and no record; nobody is asked for a label of 64."""
    (found,) = await measurer.measure(Target(host="a" * 64), QUICK)
    assert found.errors[0].startswith("cannot resolve aaaa")
    assert destination(found) is None
    assert network_session(found, 7, AGENT_ID, random.Random(1)) is None


async def test_a_retransmitted_syn_is_a_lost_probe() -> None:
    """Connect would hide the loss; the kernel's count of retransmissions does not."""
    found = await measured_by_tcp(CONNECTED, RETRANSMITTED)
    assert found.ping is not None
    assert (found.ping.pkts_sent, found.ping.pkts_received) in {(3, 1), (3, 2)}
    assert set(found.ping.rtts_ms) == {4.0}


async def test_a_silent_port_is_lost_and_says_so() -> None:
    """What never answers is lost, in time and not in error."""
    found = await measured_by_tcp(SILENT)
    assert destination(found) is not None
    assert found.ping is not None
    assert (found.ping.loss_percent, found.errors) == (100, ("TCP port 443: no answer in time",))


async def test_without_icmp_auto_measures_by_tcp_and_says_how_to_get_icmp() -> None:
    """Where ICMP is not allowed TCP takes over from the first probe on."""
    measurer = Measurer(TcpOnly(CONNECTED), FakeClock(), random.Random(1))
    (found,) = await measurer.measure(Target(host="192.0.2.1"), QUICK)
    assert (found.protocol, found.icmp_unavailable, found.icmp_blocked) == (
        "tcp",
        "no ICMP over IPv4 for 0",
        False,
    )
    assert found.connect is not None
    assert (found.connect.port, found.connect.port_guessed) == (443, True)


async def test_a_window_that_the_machine_slept_through_is_discarded() -> None:
    """Boot time going on without monotonic time is sleep: no record, but a reason."""
    clock = FakeClock()
    measuring = asyncio.ensure_future(measured_by_tcp(CONNECTED, clock=clock))
    await asyncio.sleep(0)
    clock.suspend(30)
    found = await measuring
    assert ASLEEP in found.errors
    assert network_session(found, 7, AGENT_ID, random.Random(1)) is None


async def test_a_stepped_wall_clock_is_flagged_and_the_record_kept() -> None:
    """Setting the clock is not sleep; the session stays in the round in which it started."""
    clock = FakeClock(ROUND_ID + 59.5)
    measuring = asyncio.ensure_future(measured_by_tcp(CONNECTED, clock=clock))
    await asyncio.sleep(0)
    clock.step(-100)
    found = await measuring
    assert CLOCK_STEPPED in found.flags
    assert found.ended_at_s >= found.started_at_s
    session = network_session(found, 7, AGENT_ID, random.Random(1))
    assert session is not None
    assert session.round_id == ROUND_ID
    msgspec.json.decode(msgspec.json.encode(session), type=NetworkSession)


@given(RTTS_MS)
def test_statistics_are_their_definitions(rtts_ms: list[float]) -> None:
    """Mean and population deviation equal the exact ones, and stay between the extremes."""
    found = rtt_statistics(rtts_ms)
    assert found is not None
    assert found.min_rtt_ms <= found.avg_rtt_ms <= found.max_rtt_ms
    assert math.isclose(found.avg_rtt_ms, statistics.fmean(rtts_ms), rel_tol=1e-12, abs_tol=1e-300)
    assert math.isclose(found.mean_dev_rtt_ms, statistics.pstdev(rtts_ms), rel_tol=1e-6, abs_tol=1e-9)


@pytest.mark.parametrize(
    ("avg_ms", "whole_ms"), [(0.5, 1), (1.5, 2), (2.5, 3), (0.49999999999999994, 0), (12.4999, 12)]
)
def test_whole_milliseconds_round_half_away_from_zero(avg_ms: float, whole_ms: int) -> None:
    """Latency is the average in whole milliseconds, halves up, and not to even."""
    found = destination(_with_rtts((avg_ms,)))
    assert found is not None
    assert (found.latency_ms, found.avg_rtt_ms, found.jitter_ms) == (whole_ms, avg_ms, 0)


def test_what_was_not_measured_is_absent() -> None:
    """All lost: a loss and no times; nothing sent: not even a loss."""
    lost = destination(_with_rtts((), sent=10))
    unsent = destination(_with_rtts((), sent=0))
    assert msgspec.to_builtins(lost) == {"target": "192.0.2.1", "loss": 100.0}
    assert msgspec.to_builtins(unsent) == {"target": "192.0.2.1"}


def _with_rtts(rtts_ms: tuple[float, ...], sent: int = 1) -> Measurement:
    return Measurement(
        target=Target(host="192.0.2.1"),
        visited_site="192.0.2.1",
        started_at_s=float(ROUND_ID),
        ended_at_s=float(ROUND_ID),
        address="192.0.2.1",
        ping=PingResult(protocol="icmp", pkts_sent=sent, rtts_ms=rtts_ms),
    )
