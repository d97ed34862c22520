"""The whole way in one window: real probes over loopback, to invented addresses that fail as told."""

import asyncio
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Literal

import pytest
from msgspec import structs

from hopsight.agent.documents import session_records
from hopsight.agent.measurement import Measurement, Measurer
from hopsight.agent.network import (
    IPV6,
    Address,
    EchoReply,
    Family,
    IcmpEvent,
    IcmpSocket,
    Refusal,
    Route,
    TcpOutcome,
    UnknownNameError,
)
from hopsight.agent.profile.profile import NetworkProfile
from hopsight.agent.profile.proxies import ProxyServer, ProxySettings
from hopsight.agent.results import HopResult, PathResult, ProbeOptions
from hopsight.agent.results import Protocol as ProbeProtocol
from hopsight.agent.system import SystemSampler
from hopsight.agent.system_network import SystemNetwork
from hopsight.clock import Clock, SystemClock
from hopsight.errors import ProbeUnavailableError
from hopsight.model.agents import Target
from hopsight.model.network_documents import VpnProfile
from hopsight.model.system import BytesSummary, FractionSummary, SystemMetrics
from hopsight.testing import AGENT_ID

pytestmark = pytest.mark.anyio

OPTIONS = ProbeOptions(count=10, interval_s=0.02, timeout_s=0.1, path=True)
ALL = 1_000_000


GATEWAY, PROVIDER, SITE = "10.1.0.1", "11.2.0.1", "11.3.0.1"
ENDPOINT, FAR_END, PROXY = "11.4.0.1", "10.8.0.1", "10.1.0.9"
SITE_V6 = "2a00::1"


class DisguisedSocket:
    """Sends to loopback what goes to an invented address, and drops what is to be lost."""

    def __init__(self, inner: IcmpSocket, network: "Disguised") -> None:
        self._inner = inner
        self._network = network
        self._dropped = 0

    @property
    def kind(self) -> Literal["datagram", "raw"]:
        """As it was opened."""
        return self._inner.kind

    def listen(self, on_ready: Callable[[], None]) -> None:
        """As the real one."""
        self._inner.listen(on_ready)

    def send(self, address: Address, sequence: int, payload: bytes) -> int:
        """Send, unless this one is to be lost."""
        self._network.sent[address.host] += 1
        if self._network.sent[address.host] <= self._network.losses.get(address.host, 0):
            self._dropped += 1
            return -self._dropped
        return self._inner.send(self._network.real(address), sequence, payload)

    def receive(self) -> list[IcmpEvent]:
        """What came, under the invented names."""
        return [
            event._replace(address=self._network.invented(event.address))
            if isinstance(event, EchoReply | Refusal)
            else event
            for event in self._inner.receive()
        ]

    def close(self) -> None:
        """As the real one."""
        self._inner.close()


class Disguised(SystemNetwork):
    """``losses`` says how many of the first pings to an address are lost; ``names`` what resolves.

    A TCP connection to an address whose pings are all lost gets no answer.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock or SystemClock())
        self.losses: dict[str, int] = {}
        self.names: dict[str, list[str]] = {}
        self.routes_by_host: dict[str, Route] = {}
        self.unrouted: set[Family] = set()
        self.silent_names = False
        self.sent: Counter[str] = Counter()
        self._real: dict[str, Address] = {}

    async def resolve(self, host: str, timeout_s: float) -> list[Address]:
        """Invented names; what looks like an address is one."""
        if self.silent_names:
            raise OSError(f"name server did not answer within {timeout_s:g} s")
        if host in self.names:
            return [Address(one) for one in self.names[host]]
        if ":" in host or host[-1].isdigit():
            return [Address(host)]
        raise UnknownNameError("no such name")

    def open_icmp(self, family: Family, identifier: int) -> IcmpSocket:
        """A real socket, disguised."""
        return DisguisedSocket(super().open_icmp(family, identifier), self)

    async def connect_tcp(self, address: Address, port: int, timeout_s: float) -> TcpOutcome:
        """Connect on loopback, if the address is alive."""
        if self.losses.get(address.host, 0) > 100:
            return TcpOutcome(sent=True, elapsed_s=timeout_s, retransmits=1, error="no answer in time")
        return await super().connect_tcp(self.real(address), port, timeout_s)

    def route_to(self, address: Address) -> Route | None:
        """Everything lies behind the gateway."""
        if address.family in self.unrouted:
            return None
        behind = Route(interface="eth0", gateway=Address(GATEWAY))
        return self.routes_by_host.get(address.host, behind)

    def real(self, address: Address) -> Address:
        """The loopback address that stands for an invented one; there is only one in IPv6."""
        if address.family == IPV6:
            self._real[address.host] = Address("::1")
        else:
            self._real.setdefault(address.host, Address(f"127.9.0.{len(self._real) + 1}"))
        return self._real[address.host]

    def invented(self, address: Address) -> Address:
        """The other way round."""
        return next((Address(host) for host, real in self._real.items() if real == address), address)


class ToldTracer:
    """Traces to the hops that it is told; None is a silent hop."""

    def __init__(self, *hops: str | None) -> None:
        self.hops = hops
        self.asked: list[tuple[str, int | None, str]] = []
        self.closed = False

    async def trace(
        self, address: Address, *, port: int | None, protocol: ProbeProtocol = "icmp", key: str | None = None
    ) -> PathResult:
        """The path, at once."""
        assert key is not None
        self.asked.append((address.host, port, protocol))
        hops = tuple(
            HopResult(number=number, address=host, pkts_sent=3, pkts_received=3 if host else 0)
            for number, host in enumerate(self.hops, 1)
        )
        return PathResult(destination=address.host, reached=address.host in self.hops, hops=hops)

    def close(self) -> None:
        """Remember it."""
        self.closed = True


HOME = NetworkProfile(connection="Wireless", interface="eth0", gateway=GATEWAY)


class ToldSampler(SystemSampler):
    """The machine is as busy as it is told; how busy the one below the test is must not matter."""

    def __init__(self, cpu: float = 0.1) -> None:
        super().__init__(SystemClock())
        self.cpu = cpu

    async def sample(self, window_s: float) -> SystemMetrics:
        """Ten samples, all alike."""
        del window_s
        six = {"min": self.cpu, "max": self.cpu, "mean": self.cpu, "median": self.cpu}
        used = {"min": 4e9, "max": 4e9, "mean": 4e9, "median": 4e9}
        return SystemMetrics(
            start_time_ms=0,
            end_time_ms=0,
            cpu_utilization=FractionSummary(**six, std_dev=0.0, count=10),
            physical_memory_used_bytes=BytesSummary(**used, std_dev=0.0, count=11),
            physical_memory_total_bytes=16_000_000_000,
        )


class Scene:
    """One measurer in an invented network."""

    def __init__(self) -> None:
        self.network = Disguised()
        self.tracer = ToldTracer(GATEWAY, None, PROVIDER, SITE)
        self.sampler = ToldSampler()
        self.profile = HOME
        self.measurer = Measurer(
            self.network,
            SystemClock(),
            random.Random(1),
            surroundings=lambda: self.profile,
            tracer=self.tracer,
            sampler=self.sampler,
        )

    async def measure(self, host: str = SITE, **more: object) -> Measurement:
        """One window, of one family."""
        self.network.sent.clear()
        (found,) = await self.measurer.measure(
            Target(host=host, protocol="icmp"), structs.replace(OPTIONS, **more)
        )
        return found


@pytest.fixture
async def scene(require: Callable[[bool, str], None]) -> AsyncIterator[Scene]:
    made = Scene()
    try:
        made.network.open_icmp(4, 1).close()
    except ProbeUnavailableError:
        require(False, "needs ICMP sockets")
    yield made
    await made.measurer.aclose()
    assert made.tracer.closed


def result_of(found: Measurement) -> str:
    assert found.verdict is not None
    return found.verdict.result


def states_of(found: Measurement) -> dict[str, str]:
    return {segment.name: segment.state for segment in found.segments}


async def test_every_segment_is_measured_in_the_window(scene: Scene) -> None:
    """Gateway, provider and site get ten probes each, the first window's provider what is left of it."""
    found = await scene.measure()
    assert result_of(found) == "healthy"
    assert [segment.name for segment in found.segments] == ["device", "lan", "provider", "destination"]
    assert set(states_of(found).values()) == {"good"}
    assert [segment.target for segment in found.segments] == [None, GATEWAY, PROVIDER, SITE]
    assert found.segments[1].link == "Wireless"
    assert [scene.network.sent[host] for host in (GATEWAY, SITE)] == [10, 10]
    assert 5 <= scene.network.sent[PROVIDER] <= 10
    assert found.path is not None
    assert found.path.reached
    assert scene.tracer.asked == [(SITE, None, "icmp")]


@pytest.mark.parametrize(
    ("losses", "verdict"),
    [
        ({}, "healthy"),
        ({SITE: ALL}, "destination"),
        ({SITE: 4}, "destination"),
        ({SITE: 1}, "no-verdict"),
        ({PROVIDER: 5, SITE: 4}, "provider"),
        ({GATEWAY: 4, PROVIDER: 4, SITE: 3}, "lan"),
        ({GATEWAY: ALL}, "healthy"),
        ({GATEWAY: ALL, SITE: ALL}, "destination"),
        ({PROVIDER: 8}, "healthy"),
    ],
)
async def test_the_fault_is_found_where_it_was_injected(
    scene: Scene, losses: dict[str, int], verdict: str
) -> None:
    """Real probes lost at an invented place give the verdict of that place."""
    scene.network.losses = losses
    assert result_of(await scene.measure()) == verdict


async def test_a_dead_network_blames_the_gateway(scene: Scene) -> None:
    """When nothing answers, the trace neither, the first silent segment is at fault."""
    scene.network.losses = {GATEWAY: ALL, SITE: ALL}
    scene.tracer.hops = ()
    assert result_of(await scene.measure()) == "lan"


async def test_a_gateway_that_never_answers_is_remembered(scene: Scene) -> None:
    """One that was silent while all behind it answered is not blamed when that is silent, too."""
    scene.network.losses = {GATEWAY: ALL}
    assert states_of(await scene.measure())["lan"] == "unknown"
    scene.network.losses = {GATEWAY: ALL, PROVIDER: ALL, SITE: ALL}
    scene.tracer.hops = ()
    assert result_of(await scene.measure()) == "no-verdict"
    scene.network.losses = {}
    await scene.measure()
    scene.network.losses = {GATEWAY: ALL, PROVIDER: ALL, SITE: ALL}
    assert result_of(await scene.measure()) == "lan"


async def test_the_provider_is_known_from_the_last_trace(scene: Scene) -> None:
    """A router that the trace no longer shows is pinged on, and blamed when it has gone silent."""
    await scene.measure()
    scene.tracer.hops = (GATEWAY,)
    scene.network.losses = {PROVIDER: ALL, SITE: ALL}
    assert result_of(await scene.measure()) == "provider"


async def test_a_target_behind_the_same_gateway_has_the_same_provider(scene: Scene) -> None:
    """The provider of one target is pinged from the start of another's first window."""
    await scene.measure()
    scene.tracer.hops = (GATEWAY, None, None)
    found = await scene.measure("11.3.0.2")
    assert (found.segments[2].name, found.segments[2].target) == ("provider", PROVIDER)


async def test_a_path_that_changed_has_another_provider(scene: Scene) -> None:
    """What was pinged by mistake is not taken for the new path's router."""
    await scene.measure()
    scene.tracer.hops = (GATEWAY, "11.7.0.1", SITE)
    scene.network.losses = {PROVIDER: ALL}
    found = await scene.measure()
    assert (found.segments[2].target, found.segments[2].state) == ("11.7.0.1", "good")


async def test_without_a_trace_the_provider_is_unknown(scene: Scene) -> None:
    """Asked not to trace, a session says so, and a dead site cannot be told from a dead provider."""
    scene.network.losses = {SITE: ALL}
    found = await scene.measure(path=False)
    assert (scene.tracer.asked, found.path) == ([], None)
    assert [(one.name, one.note) for one in found.segments if one.state == "unknown"] == [
        ("provider", "the path was not traced")
    ]
    assert result_of(found) == "no-verdict"


async def test_a_vpn_is_measured_outside_and_inside(scene: Scene) -> None:
    """The endpoint is reached past the tunnel, its far end through it; either may fail alone."""
    vpn = VpnProfile(interface_name="wg0", endpoint=ENDPOINT)
    scene.profile = structs.replace(HOME, vpn_interface="wg0", vpn=vpn)
    scene.network.routes_by_host = {SITE: Route(interface="wg0"), FAR_END: Route(interface="wg0")}
    scene.tracer.hops = (FAR_END, PROVIDER, SITE)
    found = await scene.measure()
    told = [(one.name, one.target) for one in found.segments]
    assert told[1:5] == [("lan", GATEWAY), ("vpn", ENDPOINT), ("vpn", FAR_END), ("provider", PROVIDER)]
    assert result_of(found) == "healthy"
    scene.tracer.hops = ()
    scene.network.losses = {FAR_END: ALL, PROVIDER: ALL, SITE: ALL}
    assert result_of(await scene.measure()) == "vpn"
    scene.network.losses[ENDPOINT] = ALL
    assert result_of(await scene.measure()) == "vpn"
    scene.network.losses[GATEWAY] = ALL
    assert result_of(await scene.measure()) == "lan"


async def test_what_goes_past_the_vpn_has_no_vpn(scene: Scene) -> None:
    """With some routes through a tunnel, the others are measured as without one."""
    vpn = VpnProfile(interface_name="wg0", endpoint=ENDPOINT)
    scene.profile = structs.replace(HOME, vpn_interface="wg0", vpn=vpn)
    assert "vpn" not in states_of(await scene.measure())


async def test_a_session_through_a_proxy_ends_at_the_proxy(scene: Scene) -> None:
    """What is probed is the proxy: its fault is told, that of what lies behind it is not."""
    real = scene.network.real(Address(PROXY)).host
    with socket.create_server((real, 0), backlog=64) as server:
        settings = ProxySettings(
            method="Environment", other=ProxyServer("http", PROXY, server.getsockname()[1])
        )
        scene.profile = structs.replace(HOME, proxies=settings)
        (found,) = await scene.measurer.measure(Target(host="site", port=443), OPTIONS)
        assert (found.address, found.proxied, found.visited_site) == (PROXY, True, "site")
        assert [one.name for one in found.segments] == ["device", "lan", "proxy"]
        assert (result_of(found), states_of(found)["proxy"]) == ("no-verdict", "good")
        scene.network.losses = {PROXY: ALL}
        (dead,) = await scene.measurer.measure(Target(host="site", port=443), OPTIONS)
        assert result_of(dead) == "proxy"
    _, user = session_records(dead, 7, AGENT_ID, random.Random(1), None)
    assert user is not None
    assert user.destination_ip is None


async def test_what_names_no_port_goes_through_no_proxy(scene: Scene) -> None:
    """Pings go through no proxy: such a target is measured itself."""
    settings = ProxySettings(method="Environment", other=ProxyServer("http", PROXY, 3128))
    scene.profile = structs.replace(HOME, proxies=settings)
    assert ((await scene.measure()).address, scene.network.sent[PROXY]) == (SITE, 0)


async def test_a_proxy_whose_name_does_not_exist_is_at_fault(scene: Scene) -> None:
    """The site's own name is not asked for: the proxy would."""
    settings = ProxySettings(method="Environment", other=ProxyServer("http", "no-such-proxy", 3128))
    scene.profile = structs.replace(HOME, proxies=settings)
    (found,) = await scene.measurer.measure(Target(host="site", port=443), OPTIONS)
    assert (result_of(found), found.errors) == (
        "proxy",
        ("cannot resolve the proxy no-such-proxy: no such name",),
    )


async def test_a_busy_device_is_at_fault(scene: Scene) -> None:
    """A machine at its limit is the first segment at fault."""
    scene.sampler.cpu = 0.97
    assert result_of(await scene.measure()) == "device"


async def test_the_gateway_as_a_target_is_the_local_network(scene: Scene) -> None:
    """A session with the gateway itself ends there: its fault is the local network's."""
    scene.network.routes_by_host = {GATEWAY: Route(interface="eth0")}
    scene.network.losses = {GATEWAY: 5}
    found = await scene.measure(GATEWAY)
    assert (result_of(found), [one.name for one in found.segments]) == ("lan", ["device", "lan"])


async def test_a_local_target_has_no_provider(scene: Scene) -> None:
    """Between this machine and one on its own network there is nothing to blame."""
    scene.network.routes_by_host = {"10.1.0.7": Route(interface="eth0")}
    scene.tracer.hops = ("10.1.0.7",)
    scene.network.losses = {"10.1.0.7": ALL}
    assert [one.name for one in (await scene.measure("10.1.0.7")).segments] == ["device", "destination"]


async def test_a_named_port_that_refuses_is_the_sites_fault(scene: Scene) -> None:
    """Every ping answered and the named port closed: the site. A guessed port proves nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (named,) = await scene.measurer.measure(Target(host=SITE, port=port), OPTIONS)
    (guessed,) = await scene.measurer.measure(Target(host=SITE), OPTIONS)
    assert (result_of(named), result_of(guessed)) == ("destination", "healthy")


async def test_a_name_that_does_not_exist_is_the_destinations_fault(scene: Scene) -> None:
    """Name servers that say no were reached; the user session is kept, a network session there is none."""
    found = await scene.measure("no-such-site")
    assert (found.address, result_of(found)) == (None, "destination")
    network, user = session_records(found, 7, AGENT_ID, random.Random(1), None)
    assert network is None
    assert user is not None
    assert user.document.visited_site == "no-such-site"
    assert user.detail.network.errors == ("cannot resolve no-such-site: no such name",)


async def test_silent_name_servers_have_the_gateway_looked_at(scene: Scene) -> None:
    """Without DNS: the local network if the gateway is silent, too; else no verdict."""
    scene.network.silent_names = True
    fine = await scene.measure("site")
    scene.network.losses = {GATEWAY: ALL}
    dead = await scene.measure("site")
    assert (result_of(fine), result_of(dead)) == ("no-verdict", "lan")
    assert fine.gateway_ping is not None
    assert fine.gateway_ping.pkts_received == 5


async def test_a_name_with_both_families_is_measured_by_both(scene: Scene) -> None:
    """One measurement each; only the one asked for; none of a family that this machine has no route for."""
    scene.network.names = {"both": [SITE_V6, SITE], "six": [SITE_V6]}
    scene.network.routes_by_host = {SITE_V6: Route(interface="eth0")}
    target = Target(host="both", protocol="icmp")
    found = await scene.measurer.measure(target, OPTIONS)
    assert [(one.family, one.address) for one in found] == [(6, SITE_V6), (4, SITE)]
    assert [one.ping.pkts_received for one in found if one.ping is not None] == [10, 10]
    assert (await scene.measure("both", family=4)).address == SITE
    assert (await scene.measure("both", family=6)).address == SITE_V6
    scene.network.unrouted = {6}
    assert (await scene.measure("both")).family == 4
    wrong = await scene.measure("six", family=4)
    assert wrong.errors == ("cannot resolve six: it has no IPv4 address",)
    assert result_of(wrong) == "no-verdict"


async def test_many_targets_share_the_series_on_the_way(scene: Scene) -> None:
    """Ten targets of one round cost the gateway ten probes, and the provider little more."""
    await scene.measure()
    scene.network.sent.clear()
    hosts = [f"11.3.1.{number}" for number in range(1, 11)]
    for host in hosts:
        scene.network.real(Address(host))
    await asyncio.gather(
        *(scene.measurer.measure(Target(host=host, protocol="icmp"), OPTIONS) for host in hosts)
    )
    assert scene.network.sent[GATEWAY] == 10
    assert scene.network.sent[PROVIDER] == 10
    assert all(scene.network.sent[host] == 10 for host in hosts)


async def test_paths_are_annotated_late(scene: Scene) -> None:
    """Notes are asked for after the trace, and again when the window is over: by then names are known."""
    asked: list[PathResult] = []

    def annotate(path: PathResult) -> PathResult:
        asked.append(path)
        return path

    measurer = Measurer(
        scene.network, SystemClock(), random.Random(1), tracer=ToldTracer(SITE), path_notes=annotate
    )
    await measurer.measure(Target(host=SITE, protocol="icmp"), OPTIONS)
    await measurer.aclose()
    assert len(asked) == 2
