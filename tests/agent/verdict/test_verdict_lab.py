"""Verdicts end to end: faults injected into the laboratory's network against the verdict given."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.netlab.lab import GATEWAY, Lab, possible
from tests.netlab.world import Jitter, Loss, Router, Site, World

pytestmark = pytest.mark.netns

PROVIDER, CORE, SITE = "11.1.0.1", "11.2.0.1", "11.9.0.1"
ROUTERS = (
    Router(addresses=(GATEWAY,), delay_ms=1),
    Router(addresses=("10.77.0.1",), silent=True),
    Router(addresses=(PROVIDER,), delay_ms=8),
    Router(addresses=(CORE,), delay_ms=12),
)
FINE = {
    GATEWAY: Site(delay_ms=1),
    PROVIDER: Site(delay_ms=8, route="to provider"),
    SITE: Site(delay_ms=20, route="all"),
}
ROUTES = {"all": ROUTERS, "to provider": ROUTERS[:2]}
THIRD = Loss(exactly=(1, 3, 6))
"""Three of the first ten, wherever they are sent to."""

# The machine below the tests may be as busy as it likes: the laboratory's is idle.
PROGRAM = """
import asyncio, random, sys
from msgspec import structs
from hopsight.agent.measurement import Measurer
from hopsight.agent.profile.profile import read_network_profile
from hopsight.agent.results import ProbeOptions
from hopsight.agent.system import SystemSampler
from hopsight.agent.system_network import SystemNetwork
from hopsight.cli.measure_output import json_line
from hopsight.clock import SystemClock
from hopsight.model.agents import Target
from hopsight.model.network_documents import VpnProfile
from hopsight.model.system import FractionSummary, SystemMetrics

class Idle(SystemSampler):
    async def sample(self, window_s):
        cpu = FractionSummary(min=0.1, max=0.1, mean=0.1, median=0.1, std_dev=0, count=10)
        return SystemMetrics(start_time_ms=0, end_time_ms=0, cpu_utilization=cpu)

async def main(host, endpoint):
    clock = SystemClock()
    network = SystemNetwork(clock)
    profile = read_network_profile(network)
    if endpoint:
        vpn = VpnProfile(interface_name="tun9", endpoint=endpoint)
        profile = structs.replace(profile, vpn_interface="tun9", vpn=vpn)
    measurer = Measurer(
        network, clock, random.Random(1), surroundings=lambda: profile, sampler=Idle(clock)
    )
    options = ProbeOptions(count=10, interval_s=0.1, timeout_s=0.5, path=True)
    for found in await measurer.measure(Target(host=host), options):
        print(json_line(host, found))
    await measurer.aclose()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def _needed(require: Callable[[bool, str], None]) -> None:
    require(possible(), "needs root, ip and /dev/net/tun")


def measured(lab: Lab, endpoint: str = "") -> dict[str, Any]:
    """What is found of the site in one window."""
    done = lab.run("python", "-c", PROGRAM, SITE, endpoint)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """So many processes that do nothing, as fast as they can."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


FAULTS: dict[str, tuple[dict[str, Site], str, dict[str, str]]] = {
    "nothing": ({}, "healthy", {"lan": "good", "provider": "good", "destination": "good"}),
    "bad Wi-Fi: loss": (
        {
            GATEWAY: Site(delay_ms=1, loss=THIRD),
            PROVIDER: Site(delay_ms=8, route="to provider", loss=THIRD),
            SITE: Site(delay_ms=20, route="all", loss=THIRD),
        },
        "lan",
        {"lan": "degraded", "provider": "degraded", "destination": "degraded"},
    ),
    "bad Wi-Fi: jitter": (
        {
            GATEWAY: Site(delay_ms=1, jitter=Jitter(kind="uniform", scale_ms=250)),
            PROVIDER: Site(delay_ms=8, route="to provider", jitter=Jitter(kind="uniform", scale_ms=250)),
            SITE: Site(delay_ms=20, route="all", jitter=Jitter(kind="uniform", scale_ms=250)),
        },
        "lan",
        {"lan": "degraded"},
    ),
    "provider loses": (
        {
            PROVIDER: Site(delay_ms=8, route="to provider", loss=THIRD),
            SITE: Site(delay_ms=20, route="all", loss=THIRD),
        },
        "provider",
        {"lan": "good", "provider": "degraded"},
    ),
    "dead site": (
        {SITE: Site(route="all", icmp="dropped", tcp="dropped")},
        "destination",
        {"lan": "good", "provider": "good", "destination": "failed"},
    ),
    "dead site, silent gateway": (
        {GATEWAY: Site(icmp="dropped"), SITE: Site(route="all", icmp="dropped", tcp="dropped")},
        "destination",
        {"lan": "unknown", "provider": "good", "destination": "failed"},
    ),
    "silent gateway, silent provider, site fine": (
        {GATEWAY: Site(icmp="dropped"), PROVIDER: Site(icmp="dropped")},
        "healthy",
        {"lan": "unknown", "provider": "unknown", "destination": "good"},
    ),
    "provider limits its answers": (
        {PROVIDER: Site(route="to provider", loss=Loss(exactly=tuple(range(8))))},
        "healthy",
        {"provider": "unknown", "destination": "good"},
    ),
    "site without pings": (
        {SITE: Site(delay_ms=20, route="all", icmp="dropped")},
        "healthy",
        {"destination": "good"},
    ),
    "site prohibited": (
        {SITE: Site(route="all", icmp="prohibited", tcp="dropped")},
        "destination",
        {"destination": "failed"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_injected_fault_has_its_verdict(fault: str) -> None:
    """Over a real kernel's sockets and an emulated way, the segment that was broken is blamed."""
    sites, verdict, states = FAULTS[fault]
    with Lab(World(seed=7, sites={**FINE, **sites}, routes=ROUTES)) as lab:
        found = measured(lab)
    assert found["verdict"]["result"] == verdict, found["verdict"]
    told = {segment["name"]: segment["state"] for segment in found["segments"]}
    assert told | states == told
    assert {segment["name"]: segment.get("target") for segment in found["segments"]} == {
        "device": None,
        "lan": GATEWAY,
        "provider": PROVIDER,
        "destination": SITE,
    }


def test_everything_silent_is_the_local_networks_fault() -> None:
    """A gateway that answers nothing, with nothing behind it that does: the first silence is blamed."""
    silent = Router(addresses=(GATEWAY,), silent=True)
    world = World(sites={GATEWAY: Site(icmp="dropped")}, routes={"all": (silent,)})
    with Lab(world) as lab:
        assert measured(lab)["verdict"]["result"] == "lan"


def test_a_vpn_that_is_down_is_at_fault() -> None:
    """Its endpoint silent and nothing coming out of the tunnel, the gateway fine: the VPN, not the site."""
    endpoint = "11.4.0.1"
    silent = Site(route="all", icmp="dropped", tcp="dropped")
    with Lab(World(sites={**FINE, endpoint: silent}, routes=ROUTES)) as lab:
        # What is sent into this link is gone: so it is in a tunnel whose other end has died.
        for words in (
            "link add tun9 type veth peer name sink",
            "link set sink up",
            "link set tun9 arp off up",
            f"route add {SITE} dev tun9",
        ):
            made = lab.run("ip", *words.split())
            assert made.returncode == 0, made.stderr
        found = measured(lab, endpoint)
    assert found["verdict"]["result"] == "vpn", found["verdict"]
    told = [(segment["name"], segment["state"]) for segment in found["segments"]]
    assert told[1:3] == [("lan", "good"), ("vpn", "failed")]


def test_a_device_whose_processors_are_all_busy_is_at_fault() -> None:
    """The command itself, with more busy processes than processors, on a network that is fine."""
    with Lab(World(sites=FINE, routes=ROUTES)) as lab, busy_processes((os.cpu_count() or 1) + 2):
        done = lab.run(
            "python", "-m", "hopsight", "measure", SITE, "--json", "--count", "10", "--interval", "0.4"
        )
    found = json.loads(done.stdout)
    assert found["verdict"]["result"] == "device"
    assert found["verdict"]["evidence"][0]["metric"] == "cpuUtilization"
    assert found["pktsReceived"] == 10
