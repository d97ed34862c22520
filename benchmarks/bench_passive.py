"""Real traffic, watched: the cost of 1,000 closed connections, and how near the kernel is to the truth.

Needs root (namespaces). The truth is the log of the laboratory's link (``docs/laboratory.md``); the servers
are the kernel's own. Nothing leaves the machine.
Usage: ``python -m benchmarks.bench_passive [--rounds N]``.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from benchmarks.options import run_alone
from benchmarks.report import Result, Series, Target, progress
from tests.netlab.lab import ROOT, Lab
from tests.netlab.world import Event, Link, Loss, World

from hopsight.agent.passive.sessions import COARSE_RTT, PassiveSessions
from hopsight.agent.passive.sites import SiteFilter
from hopsight.agent.system_network import SystemNetwork
from hopsight.clock import SystemClock

CONNECTIONS = 1_000
PACED_PER_S = 250
FAR4, PORT = "10.98.0.1", 8_000
HERE, PEER = f"h4bench{os.getpid()}a", f"h4bench{os.getpid()}b"
TRAFFIC = str(ROOT / "tests" / "agent" / "passive" / "traffic.py")
STEADY = {f"10.9.1.{n}": Link(delay_ms=n / 4) for n in (5, 10, 21, 42, 81, 161)}
STEADY |= {f"fd09::1:{n}": Link(delay_ms=n / 4) for n in (21, 81)}
LOSSY = {
    f"{net}{n}": Link(delay_ms=n / 4, forth=Loss(share=0.1, data_only=True))
    for net in ("10.9.2.", "fd09::2:")
    for n in (11, 21, 41, 81)
}
AID, AGENT_ID = 7625, "00000000-0000-4000-8000-000000000001"
SETTLE_S = 1.0


def bench(arguments: argparse.Namespace) -> Result:
    """Both questions, so many rounds each."""
    result = Result(bench="passive")
    with world():
        burst, paced = ([cost(per_s) for _ in range(arguments.rounds)] for per_s in (0, PACED_PER_S))
        for name, costs in (("at once", burst), (f"{PACED_PER_S} a second", paced)):
            result.series.append(
                Series(
                    name=f"CPU per {CONNECTIONS:,} closed, {name}",
                    unit="ms",
                    values=[c["cpu_ms"] for c in costs],
                )
            )
        heard = [c["connections"] for c in burst + paced]
        result.series.append(Series(name="of them counted", unit="connections", values=heard))
    progress("accuracy")
    errors_us, wrong, again = accuracy(arguments.rounds)
    for name, values in errors_us.items():
        result.series.append(Series(name=f"error of min RTT, {name}", unit="us", values=values))
    worst_ms = max(map(abs, errors_us["no loss"])) / 1000
    result.targets = [
        Target(name="worst error of min RTT without loss", value=worst_ms, bound=0.2, unit="ms"),
        Target(name="sessions whose retransmits are not the link's", value=wrong, bound=1, unit="sessions"),
        Target(name="connections not counted", value=CONNECTIONS - min(heard), bound=1, unit="connections"),
    ]
    result.notes = [
        f"{again} sessions sent segments again that were not lost, and the link saw it",
        "an error is the kernel's lowest RTT less the link's own lowest delays, both ways added",
    ]
    return result


def cost(per_s: int) -> dict[str, float]:
    """CPU of a watching agent while so many connections close; grouping them at the end included."""
    watching = child("watch")
    assert watching.stdout is not None
    watching.stdout.readline()
    load = child("load", str(per_s))
    load.communicate(timeout=120)
    printed, _ = watching.communicate("\n", timeout=30)
    found: dict[str, float] = json.loads(printed)
    return found


def accuracy(rounds: int) -> tuple[dict[str, list[float]], int, int]:
    """Errors of the lowest RTT in µs; sessions that do not tell the link's retransmits; needless ones."""
    errors_us: dict[str, list[float]] = {"no loss": [], "with loss": [], "with loss, in whole ms": []}
    wrong = again = 0
    for number in range(rounds):
        records, events = laboratory(number)
        for record in records:
            site, detail = record["document"]["visitedSite"], record["detail"]
            kind = "no loss" if site in STEADY else "with loss"
            kind += ", in whole ms" if COARSE_RTT in detail["flags"] else ""
            errors_us[kind].append(1000 * (detail["passive"]["minRtt"] - lowest_rtt_ms(events, site)))
            segments = [one for one in events if one.kind == "segment" and one.address == site]
            lost = [one for one in segments if one.fate == "lost"]
            delivered = sum(one.data for one in segments) - sum(one.data for one in lost)
            # What a busy machine sends again though nothing was lost, the link has seen, too.
            again += delivered > detail["passive"]["bytesSent"]
            wrong += (detail["passive"]["retransmits"] > len(lost)) != (
                delivered > detail["passive"]["bytesSent"]
            ) or detail["passive"]["retransmits"] < len(lost)
    return {kind: values for kind, values in errors_us.items() if values}, wrong, again


def laboratory(seed: int) -> tuple[list[dict[str, Any]], list[Event]]:
    """Sessions of one exchange with each address, and the link's log."""
    with Lab(World(seed=seed, links=STEADY | LOSSY)) as lab:
        command = lab.command(sys.executable, TRAFFIC, "serve", peer=True)
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        try:
            assert server.stdout is not None
            server.stdout.readline()
            done = lab.run("python", TRAFFIC, "distant", *STEADY, *LOSSY)
        finally:
            server.kill()
            server.communicate()
        return json.loads(done.stdout)["records"], lab.events()


def lowest_rtt_ms(events: list[Event], address: str) -> float:
    """The quickest way there, and the quickest back."""
    ways: dict[str, list[int]] = {"segment": [], "back": []}
    for one in events:
        if one.address == address and one.kind in ways and one.left_ns:
            ways[one.kind].append(one.left_ns - one.arrived_ns)
    return sum(map(min, ways.values())) / 1e6


async def watch() -> dict[str, float]:
    """The agent's watch alone; everything that it loads once is loaded before counting."""
    clock = SystemClock()
    sessions = PassiveSessions(SystemNetwork(clock), clock, random.Random(1), sites=SiteFilter.parse([], []))
    assert sessions.start()
    sessions.finished(clock.now(), AID, AGENT_ID)
    before = resource.getrusage(resource.RUSAGE_SELF)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    reader = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), reader.set)
    await reader.wait()
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    await asyncio.sleep(SETTLE_S)
    records = sessions.finished(clock.now() + 120, AID, AGENT_ID)
    after = resource.getrusage(resource.RUSAGE_SELF)
    sessions.close()
    spent_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    counted = sum(
        record.detail.passive.connections for record in records if record.detail.passive is not None
    )
    return {"cpu_ms": spent_s * 1000, "connections": counted}


async def load(per_s: int) -> None:
    """Connect and close, one after the other."""
    for _ in range(CONNECTIONS):
        with socket.create_connection((FAR4, PORT)):
            pass
        if per_s:
            await asyncio.sleep(1 / per_s)


def child(*arguments: str) -> subprocess.Popen[str]:
    """This program, in the near namespace."""
    return enter(HERE, "-m", "benchmarks.bench_passive", "--child", *arguments)


def enter(namespace: str, *arguments: str) -> subprocess.Popen[str]:
    """Python in a namespace, spoken to by pipes."""
    command = ["ip", "netns", "exec", namespace, sys.executable, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@contextmanager
def world() -> Iterator[None]:
    """Two namespaces, joined, and a server in the far one."""
    ip("netns", "add", HERE)
    ip("netns", "add", PEER)
    server: subprocess.Popen[str] | None = None
    try:
        ip("-n", HERE, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", PEER)
        for namespace, address in ((HERE, "10.98.0.2/24"), (PEER, f"{FAR4}/24")):
            ip("-n", namespace, "address", "add", address, "dev", "veth0")
            ip("-n", namespace, "link", "set", "lo", "up")
            ip("-n", namespace, "link", "set", "veth0", "up")
        server = enter(PEER, TRAFFIC, "serve")
        assert server.stdout is not None
        server.stdout.readline()
        yield
    finally:
        if server is not None:
            server.kill()
            server.wait()
        ip("netns", "delete", HERE)
        ip("netns", "delete", PEER)


def ip(*arguments: str) -> None:
    """Set up namespaces."""
    subprocess.run(["ip", *arguments], check=True)


def main() -> None:
    """The bench, or one of its children."""
    if sys.argv[1:2] != ["--child"]:
        run_alone(bench, __doc__)
        return
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if sys.argv[2] == "watch":
        sys.stdout.write(json.dumps(asyncio.run(watch())))
    else:
        asyncio.run(load(int(sys.argv[3])))


if __name__ == "__main__":
    main()
