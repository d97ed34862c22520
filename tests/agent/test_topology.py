"""Network topology: when it is probed, what becomes a record, and what does not."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
import pytest

from hopsight.agent.network import Address
from hopsight.agent.probing import Findings, Prober, Site
from hopsight.agent.profile.profile import NetworkProfile, profile_document
from hopsight.agent.profile.proxies import ProxyServer, ProxySettings
from hopsight.agent.results import PingResult, ProbeOptions
from hopsight.agent.system_network import SystemNetwork
from hopsight.agent.topology import Topology, TopologyWork, phase_of, targets_of
from hopsight.agent.way.shared_pings import SharedPings
from hopsight.model.ids import round_of
from hopsight.model.network_documents import Ping, VpnProfile
from hopsight.model.times import format_utc, parse_utc
from hopsight.model.topology import NetworkProbeDetail, is_network_probe_id
from hopsight.model.upload import NetworkProbeRecord
from hopsight.testing import AGENT_ID, FakeClock

pytestmark = pytest.mark.anyio

AID = 160
ROUND_S = 300
NOON_S = 1_760_000_040.0 // 86_400 * 86_400 + 43_200
REPLY = PingResult(protocol="icmp", pkts_sent=2, rtts_ms=(1.0, 3.0))
SILENCE = PingResult(protocol="icmp", pkts_sent=2)
HOME = NetworkProfile(
    connection="Ethernet",
    interface="eth0",
    address="192.0.2.10",
    local_prefix="192.0.2.0",
    gateway="192.0.2.1",
)
OFFICE = msgspec.structs.replace(
    HOME,
    proxies=ProxySettings(method="System", https=ProxyServer("http", "192.0.2.8", 3128)),
    vpn=VpnProfile(interface_name="tun0", endpoint="93.184.216.34"),
    vpn_interface="tun0",
)


class Pings(SharedPings):
    """Series without packets: ``ping`` and ``probe`` find what they are told, and ``meanwhile`` happens."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(Prober(SystemNetwork(clock), clock, random.Random(1)), clock)
        self.found: PingResult | None = REPLY
        self.findings = Findings(ping=REPLY)
        self.meanwhile: Callable[[], None] = lambda: None
        self.asked: list[Address | Site] = []

    async def ping(self, address: Address | None, options: ProbeOptions) -> PingResult | None:
        """One series of ICMP."""
        assert address is not None
        assert options.count
        self.asked.append(address)
        self.meanwhile()
        return self.found

    async def probe(self, site: Site, options: ProbeOptions) -> Findings:
        """One series of either kind."""
        assert options.count
        self.asked.append(site)
        return self.findings


class EnoughError(Exception):
    """The test has seen enough."""


class BenchClock(FakeClock):
    """Has something happen before it is slept on."""

    def __init__(self, now_s: float, before_sleep: Callable[[], None]) -> None:
        super().__init__(now_s)
        self._before_sleep = before_sleep

    async def sleep(self, duration_s: float) -> None:
        """Let it happen, and move on."""
        self._before_sleep()
        await super().sleep(duration_s)


class Bench:
    """A topology with its doors in the test's hands."""

    def __init__(self, start_s: float = NOON_S, agent_id: str = AGENT_ID) -> None:
        self.while_waiting: Callable[[], None] | None = None
        self.clock = BenchClock(start_s, self._happen)
        self.pings = Pings(self.clock)
        self.network: list[NetworkProfile | None] = [OFFICE]
        self.kept: list[NetworkProbeRecord] = []
        self.rounds_wanted = 10
        self.cut_off = False
        self.topology = Topology(
            self.pings,
            self.clock,
            TopologyWork(look=self._look, keep=self._keep, cut_off_since=lambda _: self.cut_off),
            aid=AID,
            agent_id=agent_id,
        )

    def _happen(self) -> None:
        """Once, when the first round is over."""
        if self.kept and self.while_waiting is not None:
            happening, self.while_waiting = self.while_waiting, None
            happening()

    async def _look(self) -> NetworkProfile | None:
        return self.network.pop(0) if len(self.network) > 1 else self.network[0]

    async def _keep(self, records: Sequence[NetworkProbeRecord]) -> None:
        self.kept += records
        if len({record.document.round_id for record in self.kept}) >= self.rounds_wanted:
            raise EnoughError

    async def run(self, rounds: int) -> list[int]:
        """Run until there are so many rounds; epoch seconds at which each was begun."""
        self.rounds_wanted = rounds
        with pytest.raises(EnoughError):
            await self.topology.run()
        return [
            parse_utc(record.document.date) or 0
            for record in self.kept
            if record.detail.target_kind == "gateway"
        ]


def test_every_agent_has_a_phase_of_its_own() -> None:
    """A fleet is spread over the 300 s, out of the seconds in which sessions are measured."""
    phases = [phase_of(f"agent {number}") for number in range(3_000)]
    assert phases == [phase_of(f"agent {number}") for number in range(3_000)]
    assert all(15 <= phase % 60 < 48 for phase in phases)
    minutes = Counter(int(phase // 60) for phase in phases)
    assert sorted(minutes) == [0, 1, 2, 3, 4]
    assert min(minutes.values()) > 500
    seconds = Counter(int(phase) for phase in phases)
    assert len(seconds) == 5 * 33
    assert max(seconds.values()) < 50


async def test_a_day_has_each_round_once() -> None:
    """The first round at once, then every 300 s at the agent's phase: 288 rounds, none twice."""
    bench = Bench(NOON_S + 1)
    starts = await bench.run(288)
    assert starts[0] == NOON_S + 1
    assert [start - round_of(start, ROUND_S) for start in starts[1:]] == [int(phase_of(AGENT_ID))] * 287
    rounds = [round_of(start, ROUND_S) for start in starts]
    assert rounds == [int(NOON_S) + ROUND_S * number for number in range(288)]


async def test_the_first_round_is_not_probed_twice() -> None:
    """Begun before the phase of its round: that round has its probes, and the next comes in the next."""
    starts = await Bench(NOON_S + 0.5).run(2)
    assert starts == [int(NOON_S), int(NOON_S + ROUND_S + phase_of(AGENT_ID))]


@pytest.mark.parametrize("by_s", [-7_200.0, -40.0, 40.0, 7_200.0])
async def test_after_the_clock_is_set_rounds_go_on(by_s: float) -> None:
    """Whichever way it was set, in the middle of a wait: the next probes come at the phase, soon."""
    bench = Bench(NOON_S + 1)
    began_s = bench.clock.monotonic()
    bench.while_waiting = lambda: bench.clock.step(by_s)
    starts = await bench.run(4)
    assert bench.clock.monotonic() - began_s <= 5 * ROUND_S
    assert [start % ROUND_S for start in starts[2:]] == [int(phase_of(AGENT_ID))] * (len(starts) - 2)


async def test_a_machine_that_wakes_in_the_middle_of_a_wait_probes_its_round() -> None:
    """Asleep through the phase of one round and all of many: one round now, not all that were missed."""
    bench = Bench(NOON_S + 1)
    bench.while_waiting = lambda: bench.clock.suspend(3_600)
    starts = await bench.run(3)
    assert starts[1] - starts[0] > 3_600
    assert starts[2] - starts[1] <= 2 * ROUND_S


async def test_records_are_documents_of_the_round_in_which_they_started() -> None:
    """ID, target, numbers and profile of each of the three; begun at its end, they are that round's."""
    bench = Bench(NOON_S + ROUND_S - 1)
    found = await bench.topology.probe_round()
    assert [record.detail.target_kind for record in found] == ["gateway", "proxy", "vpn"]
    assert [record.document.target for record in found] == ["192.0.2.1", "192.0.2.8", "93.184.216.34"]
    first = found[0].document
    assert first.network_probe_id == f"00160:{OFFICE.network_id}:{int(NOON_S)}:{AGENT_ID[:8]}"
    assert all(is_network_probe_id(record.document.network_probe_id) for record in found)
    assert len({record.document.network_probe_id for record in found}) == 3
    assert (first.round_id, first.date) == (int(NOON_S), format_utc(NOON_S + ROUND_S - 1))
    assert first.icmp_ping == Ping(
        pkts_sent=2, pkts_received=2, min_rtt_ms=1, avg_rtt_ms=2, max_rtt_ms=3, mean_dev_rtt_ms=1
    )
    assert first.system_metrics is not None
    window_ms = first.system_metrics.end_time_ms - first.system_metrics.start_time_ms
    assert window_ms == pytest.approx(10_000, abs=1)
    assert found[2].detail == NetworkProbeDetail(network_profile=profile_document(OFFICE), target_kind="vpn")
    for record in found:
        assert msgspec.json.decode(msgspec.json.encode(record), type=NetworkProbeRecord) == record


async def test_the_proxy_is_probed_at_its_port_and_the_gateway_on_its_link() -> None:
    """TCP has somewhere to go where a port is known; a link-local address needs its interface."""
    bench = Bench()
    bench.network = [msgspec.structs.replace(OFFICE, gateway="fe80::1", gateway_scope=2)]
    await bench.topology.probe_round()
    assert bench.pings.asked == [
        Address("fe80::1", 2),
        Site(address=Address("192.0.2.8"), port=3128, port_guessed=False),
        Address("93.184.216.34"),
    ]


@pytest.mark.parametrize(
    ("findings", "blocked"),
    [
        (Findings(ping=REPLY, icmp=REPLY), False),
        (Findings(ping=REPLY, icmp=SILENCE, icmp_blocked=True), True),
        (Findings(ping=SILENCE, icmp=SILENCE), None),
        (Findings(ping=REPLY, icmp_unavailable="not allowed"), None),
    ],
)
async def test_blocked_is_said_where_it_is_known(findings: Findings, *, blocked: bool | None) -> None:
    """TCP answered while ICMP was silent; silence of both, or ICMP that is not allowed here, says nothing."""
    bench = Bench()
    bench.pings.findings = findings
    _, proxy, _ = await bench.topology.probe_round()
    assert proxy.document.icmp_blocked is blocked


async def test_without_icmp_the_record_says_so() -> None:
    """Nothing was sent: an error, no loss; profile and machine are told all the same."""
    bench = Bench()
    bench.network = [HOME]
    bench.pings.found = None
    (gateway,) = await bench.topology.probe_round()
    assert gateway.document.icmp_ping == Ping(error="ICMP is not allowed here")
    assert gateway.document.system_metrics is not None
    assert gateway.detail.network_profile is not None


async def test_a_window_that_was_slept_through_is_discarded() -> None:
    """Whatever the probes found."""
    bench = Bench()
    bench.pings.meanwhile = lambda: bench.clock.suspend(30)
    assert await bench.topology.probe_round() == []


async def test_a_window_without_a_network_is_discarded() -> None:
    """Offline for a while, offline at its end, or on another network by then: never a loss."""
    bench = Bench()
    bench.pings.found = SILENCE
    bench.cut_off = True
    assert await bench.topology.probe_round() == []
    bench.cut_off = False
    bench.network = [OFFICE, None]
    assert await bench.topology.probe_round() == []
    bench.network = [OFFICE, msgspec.structs.replace(OFFICE, gateway="192.0.2.254")]
    assert await bench.topology.probe_round() == []
    bench.network = [OFFICE, msgspec.structs.replace(OFFICE, public_address="198.51.100.1")]
    assert len(await bench.topology.probe_round()) == 3


async def test_nothing_is_probed_where_nothing_is_known() -> None:
    """Disabled or offline, no network, or a clock that was never set."""
    bench = Bench()
    for profile in (None, NetworkProfile(connection="Loopback")):
        bench.network = [profile]
        assert await bench.topology.probe_round() == []
    unset = Bench(1_000.0)
    assert await unset.topology.probe_round() == []
    assert bench.pings.asked == unset.pings.asked == []


def test_targets_are_what_the_profile_names() -> None:
    """A proxy that is known by a name without an address is not probed; nor is a VPN without an endpoint."""
    named = ProxySettings(method="System", https=ProxyServer("http", "proxy.example", 3128))
    profile = msgspec.structs.replace(HOME, proxies=named, vpn=VpnProfile(interface_name="wg0"))
    assert [target.kind for target in targets_of(profile)] == ["gateway"]
    known = msgspec.structs.replace(profile, proxy_addresses={"proxy.example": "192.0.2.8"})
    assert [(target.kind, target.address.host) for target in targets_of(known)][1:] == [
        ("proxy", "192.0.2.8")
    ]


async def test_a_duty_that_is_taken_up_again_does_not_probe_again() -> None:
    """After a fault elsewhere: a round that has its probes needs no others."""
    bench = Bench(NOON_S + 1)
    assert await bench.run(1) == [NOON_S + 1]
    assert (await bench.run(2))[1:] == [int(NOON_S + ROUND_S + phase_of(AGENT_ID))]


async def test_a_cancelled_round_leaves_nothing_behind() -> None:
    """An agent that stops in the middle of a window records nothing of it."""
    bench = Bench()
    never = asyncio.Event()

    async def ping(*_: object) -> PingResult:
        await never.wait()
        return REPLY

    bench.pings.ping = ping  # type: ignore[method-assign,assignment]
    running = asyncio.create_task(bench.topology.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert bench.kept == []
