"""Paths through the laboratory: equal-cost branches, silent routers, labels, and sites that ignore pings."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.netlab.lab import Lab, possible
from tests.netlab.world import Router, Site, World

pytestmark = pytest.mark.netns

PROGRAM = """
import asyncio, json, random, sys
import msgspec
from hopsight.agent.network import Address
from hopsight.agent.probes.path import PathTracer
from hopsight.agent.system_network import SystemNetwork
from hopsight.clock import SystemClock

async def main():
    clock = SystemClock()
    tracer = PathTracer(SystemNetwork(clock), clock, random.Random(1))
    options = json.loads(sys.argv[1])
    host, times = Address(options.pop("host")), options.pop("times", 1)
    traces = (tracer.trace(host, **options) for _ in range(times))
    print(msgspec.json.encode(await asyncio.gather(*traces)).decode())
    tracer.close()

asyncio.run(main())
"""
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
NET = {4: "10.9.{}.{}", 6: "fd09::{}:{}"}
SITE = {4: "10.1.0.1", 6: "fd01::1"}
DEAF = {4: "10.1.0.2", 6: "fd01::2"}


def route(family: int) -> tuple[Router, ...]:
    """Eleven routers: the third and eighth are silent, the fourth to sixth are there twice."""

    def router(number: int) -> Router:
        ways = (1, 2) if number in {4, 5, 6} else (1,)
        return Router(
            addresses=tuple(NET[family].format(number, way) for way in ways),
            delay_ms=number,
            silent=number in {3, 8},
            mpls=((301472, 0, 1), (16, 5, 254)) if number == 9 else (),
        )

    return tuple(router(number) for number in range(1, 12))


WORLD = World(
    seed=3,
    sites={
        address: site
        for family in (4, 6)
        for address, site in (
            (SITE[family], Site(delay_ms=20, route=f"far{family}")),
            (DEAF[family], Site(delay_ms=20, route=f"far{family}", icmp="dropped")),
        )
    },
    routes={f"far{family}": route(family) for family in (4, 6)},
)


@pytest.fixture(scope="module")
def _lab() -> Any:
    if not possible():
        yield None
        return
    with Lab(WORLD) as lab:
        assert lab._emulator is not None
        output = lab._emulator.stdout
        yield lab
    assert output is not None
    output.close()


@pytest.fixture
def trace(_lab: Lab | None, require: Callable[[bool, str], None]) -> Callable[..., list[Any]]:
    """Traces in the laboratory, without privileges."""
    require(_lab is not None, "needs root, ip and /dev/net/tun")
    assert _lab is not None
    lab = _lab

    def traced(host: str, **options: Any) -> list[Any]:
        done = lab.run(*UNPRIVILEGED, "python", "-c", PROGRAM, json.dumps({"host": host} | options))
        assert done.returncode == 0, done.stderr
        paths: list[Any] = json.loads(done.stdout)
        return paths

    return traced


def expected(family: int, way: int) -> list[str | None]:
    hops: list[str | None] = []
    for number in range(1, 12):
        way_here = way if number in {4, 5, 6} else 1
        hops.append(None if number in {3, 8} else NET[family].format(number, way_here))
    return hops


def addresses(path: dict[str, Any]) -> list[str | None]:
    return [hop["address"] for hop in path["hops"]]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("protocol", ["icmp", "tcp"])
def test_each_trace_is_one_of_the_paths_and_many_see_all(
    trace: Callable[..., list[Any]], family: int, protocol: str
) -> None:
    """Of 24 traces none mixes two branches, both are seen, and every hop is in its place."""
    paths = trace(SITE[family], port=443, protocol=protocol, times=24)
    ways = {(*expected(family, way), SITE[family]) for way in (1, 2)}
    assert {tuple(addresses(path)) for path in paths} == ways
    assert all(path["reached"] for path in paths)


def test_a_key_keeps_to_one_branch(trace: Callable[..., list[Any]]) -> None:
    """Traces with the same key are one flow."""
    paths = trace(SITE[4], port=None, key="site", times=12)
    assert len({tuple(addresses(path)) for path in paths}) == 1


@pytest.mark.parametrize("family", [4, 6])
def test_a_site_that_ignores_pings_has_a_whole_path(trace: Callable[..., list[Any]], family: int) -> None:
    """SYNs find the last stretch; hops, silence and labels are as the laboratory has them."""
    (path,) = trace(DEAF[family], port=443)
    assert addresses(path) in [[*expected(family, way), DEAF[family]] for way in (1, 2)]
    assert (path["reached"], path["protocol"]) == (True, "tcp")
    assert path["hops"][8]["mpls"] == ["L=301472,E=0,S=0,T=1", "L=16,E=5,S=1,T=254"]


def test_times_of_hops_are_the_laboratorys(trace: Callable[..., list[Any]]) -> None:
    """The n-th router answers after n ms, the site after 20: no hop's time is less, or quite another."""
    (path,) = trace(SITE[4], port=None)
    for hop in path["hops"]:
        if hop["address"]:
            truth_ms = 20 if hop["number"] == 12 else hop["number"]
            assert truth_ms - 0.01 <= hop["rtt_ms"] < truth_ms + 100
