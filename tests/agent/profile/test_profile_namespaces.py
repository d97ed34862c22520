"""Profiles and probes of real routes: a machine in a namespace, its gateway in another, a tunnel device.

Nothing listens at the far end of the tunnel: what counts is the routes through it. The far namespace answers
for the gateway, for a proxy without a listener, and for the VPN's other end.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.netns

NEAR, FAR = f"h5{os.getpid()}near", f"h5{os.getpid()}far"
GATEWAY, ENDPOINT = "10.98.0.1", "93.184.216.34"

UNPRIVILEGED = (
    "setpriv",
    "--reuid",
    "65534",
    "--clear-groups",
    "--bounding-set",
    "-all",
    "--inh-caps",
    "-all",
)

PROFILE = """
import json, sys
import msgspec
from hopsight.agent.profile.profile import profile_document, read_network_profile
from hopsight.agent.system_network import SystemNetwork
from hopsight.clock import SystemClock
profile = read_network_profile(SystemNetwork(SystemClock()), variables=json.loads(sys.argv[1]))
found = {"document": profile_document(profile), "context": profile.context("Linux")}
print(msgspec.json.encode(found).decode())
"""

TOPOLOGY = """
import asyncio, json, random, sys
import msgspec
from hopsight.agent.measurement import Measurer
from hopsight.agent.profile.profile import read_network_profile
from hopsight.agent.results import ProbeOptions
from hopsight.agent.system_network import SystemNetwork
from hopsight.agent.topology import Topology, TopologyWork
from hopsight.clock import SystemClock

async def main():
    clock = SystemClock()
    network = SystemNetwork(clock)
    async def look():
        return read_network_profile(network, variables=json.loads(sys.argv[1]))
    async def keep(records):
        pass
    measurer = Measurer(network, clock, random.Random(7))
    topology = Topology(
        measurer.pings, clock, TopologyWork(look=look, keep=keep), aid=160,
        agent_id="236e6f18-9637-4a2f-b15f-7aa6a29c9fce",
        options=ProbeOptions(count=3, interval_s=0.1, timeout_s=0.3),
    )
    found = await topology.probe_round()
    await measurer.aclose()
    print(msgspec.json.encode(found).decode())

asyncio.run(main())
"""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def route(*arguments: str) -> None:
    ip("-n", NEAR, "route", *arguments)


def run(program: str, variables: dict[str, str] | None = None, prefix: tuple[str, ...] = ()) -> Any:
    command = [
        "ip",
        "netns",
        "exec",
        NEAR,
        *prefix,
        sys.executable,
        "-c",
        program,
        json.dumps(variables or {}),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def _namespaces() -> Iterator[bool]:
    tools = shutil.which("ip") is not None and shutil.which("setpriv") is not None
    if os.geteuid() != 0 or not tools or not Path("/dev/net/tun").exists():
        yield False
        return
    ip("netns", "add", NEAR)
    ip("netns", "add", FAR)
    try:
        ip("-n", NEAR, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", FAR)
        ip("-n", NEAR, "address", "add", "10.98.0.2/24", "dev", "veth0")
        ip("-n", FAR, "address", "add", f"{GATEWAY}/24", "dev", "veth0")
        ip("-n", FAR, "address", "add", f"{ENDPOINT}/32", "dev", "lo")
        ip("-n", NEAR, "tuntap", "add", "dev", "tun0", "mode", "tun")
        ip("-n", NEAR, "address", "add", "10.8.0.2/24", "dev", "tun0")
        for namespace, link in ((NEAR, "lo"), (FAR, "lo"), (NEAR, "veth0"), (FAR, "veth0"), (NEAR, "tun0")):
            ip("-n", namespace, "link", "set", link, "up")
        yield True
    finally:
        ip("netns", "delete", NEAR)
        ip("netns", "delete", FAR)


@pytest.fixture
def routed(_namespaces: bool, require: Callable[[bool, str], None]) -> Iterator[Callable[..., None]]:
    """Adds routes to the near namespace, which are gone afterwards."""
    require(_namespaces, "needs root, ip, setpriv and /dev/net/tun")
    added: list[tuple[str, ...]] = []

    def add(*arguments: str) -> None:
        route("add", *arguments)
        added.append(arguments)

    add("default", "via", GATEWAY)
    yield add
    for arguments in reversed(added):
        route("delete", *arguments)


@contextmanager
def silent() -> Iterator[None]:
    """The far namespace answers no ping."""
    setting = ["ip", "netns", "exec", FAR, "sysctl", "-q", "-w"]
    subprocess.run([*setting, "net.ipv4.icmp_echo_ignore_all=1"], check=True)
    try:
        yield
    finally:
        subprocess.run([*setting, "net.ipv4.icmp_echo_ignore_all=0"], check=True)


@pytest.mark.usefixtures("routed")
def test_a_machine_behind_a_gateway() -> None:
    """The default route's interface, its address and prefix; a tunnel without routes is no VPN."""
    found = run(PROFILE)
    document = found["document"]
    assert {key: document[key] for key in document if key != "dnsServers"} == {
        "hardwareType": "Virtual",
        "type": "Ethernet",
        "interfaceName": "veth0",
        "ipAddress": "10.98.0.2",
        "subnetMask": "255.255.255.0",
        "localPrefix": "10.98.0.0",
        "gateway": GATEWAY,
    }
    assert found["context"]["gateway"] == GATEWAY


def test_a_vpn_for_some_networks(routed: Callable[..., None]) -> None:
    """Routes through the tunnel make it a VPN; where its other end is, nothing says."""
    routed("10.50.0.0/16", "dev", "tun0")
    assert run(PROFILE)["document"]["vpnProfile"] == {
        "interfaceName": "tun0",
        "hardwareType": "tun",
        "ipAddress": "10.8.0.2",
        "defaultRoute": False,
    }


def test_a_vpn_that_takes_everything_by_halves(routed: Callable[..., None]) -> None:
    """Two halves win over the default route; the route to the other end tells where that is."""
    for arguments in ((f"{ENDPOINT}/32", "via", GATEWAY), ("0.0.0.0/1", "dev", "tun0")):
        routed(*arguments)
    assert run(PROFILE)["document"]["vpnProfile"]["defaultRoute"] is False
    routed("128.0.0.0/1", "dev", "tun0")
    found = run(PROFILE)
    assert found["document"]["vpnProfile"]["defaultRoute"] is True
    assert found["document"]["vpnProfile"]["endpoint"] == ENDPOINT
    assert found["document"]["interfaceName"] == "veth0"
    assert found["context"]["vpnTarget"] == ENDPOINT


def test_a_vpn_in_the_default_routes_place(routed: Callable[..., None]) -> None:
    """With the default route gone, the route to the other end shows what the machine is attached by."""
    routed(f"{ENDPOINT}/32", "via", GATEWAY)
    route("replace", "default", "dev", "tun0")
    try:
        found = run(PROFILE)["document"]
    finally:
        route("replace", "default", "via", GATEWAY)
    assert (found["interfaceName"], found["gateway"], found["localPrefix"]) == ("veth0", GATEWAY, "10.98.0.0")
    assert found["vpnProfile"]["defaultRoute"] is True


def test_a_vpn_in_a_table_of_its_own(routed: Callable[..., None]) -> None:
    """WireGuard's script puts its default route into another table: a VPN; and only the main one attaches."""
    routed("default", "dev", "tun0", "table", "51820")
    routed("default", "via", "10.98.0.254", "table", "100")
    found = run(PROFILE)["document"]
    assert (found["gateway"], found["vpnProfile"]["defaultRoute"]) == (GATEWAY, True)


def test_nothing_of_it_needs_a_privilege(routed: Callable[..., None]) -> None:
    """Nobody in particular reads the same as root."""
    routed(f"{ENDPOINT}/32", "via", GATEWAY)
    routed("0.0.0.0/1", "dev", "tun0")
    assert run(PROFILE, prefix=UNPRIVILEGED) == run(PROFILE)


@pytest.mark.usefixtures("routed")
def test_the_environments_proxy_is_in_the_profile() -> None:
    """With its address in the context, and without its password anywhere."""
    variables = {"https_proxy": f"http://user:secret@{GATEWAY}:3128", "NO_PROXY": "*.local,10.0.0.0/8"}
    found = run(PROFILE, variables)
    assert found["document"]["proxyProfile"] == {
        "method": "Environment",
        "proxies": [{"proxy": f"http://{GATEWAY}:3128", "bypass": "*.local;10.0.0.0/8"}],
    }
    assert found["context"]["proxyTarget"] == GATEWAY
    assert "secret" not in json.dumps(found)


def test_gateway_proxy_and_vpn_are_probed(routed: Callable[..., None]) -> None:
    """One record each, with IDs of one network, the same window and the profile around it."""
    routed(f"{ENDPOINT}/32", "via", GATEWAY)
    routed("10.50.0.0/16", "dev", "tun0")
    found = run(TOPOLOGY, {"http_proxy": f"{GATEWAY}:3128"})
    documents = [one["document"] for one in found]
    assert [document["target"] for document in documents] == [GATEWAY, GATEWAY, ENDPOINT]
    assert [one["detail"].get("targetKind", "gateway") for one in found] == ["gateway", "proxy", "vpn"]
    assert [document["icmpPing"]["pktsReceived"] for document in documents] == [3, 3, 3]
    assert [document["icmpBlocked"] for document in documents] == [False, False, False]
    plain, proxy, vpn = (document["networkProbeId"] for document in documents)
    assert (proxy, vpn) == (f"{plain}-proxy", f"{plain}-vpn")
    assert len({json.dumps(document["systemMetrics"]) for document in documents}) == 1
    assert found[2]["detail"]["networkProfile"]["vpnProfile"]["endpoint"] == ENDPOINT


@pytest.mark.usefixtures("routed")
def test_a_silent_gateway_is_lost_and_a_silent_proxy_is_not() -> None:
    """Where a port is known TCP tells blocked from lost; where none is, silence is all there is to say."""
    with silent():
        gateway, proxy = (one["document"] for one in run(TOPOLOGY, {"http_proxy": f"{GATEWAY}:3128"}))
    assert (gateway["icmpPing"], "icmpBlocked" in gateway) == ({"pktsSent": 3, "pktsReceived": 0}, False)
    assert (proxy["icmpPing"]["pktsReceived"], proxy["icmpBlocked"]) == (3, True)
