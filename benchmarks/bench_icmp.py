"""ICMP accuracy and cost against ``fping -t``: loopback, and 100 addresses at the other end of a veth pair.

Needs root (namespaces) and fping. Both tools measure the same addresses in turn, in one run; nothing leaves
the machine. Usage: ``python benchmarks/bench_icmp.py [--repetitions N] [--count N] [--interval S]``.
"""

import argparse
import asyncio
import json
import os
import random
import re
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median

from hopsight.agent.measurement import Measurer
from hopsight.agent.results import ProbeOptions
from hopsight.agent.system_network import SystemNetwork
from hopsight.clock import SystemClock
from hopsight.model.agents import Target

TARGETS = 100
HERE, PEER = f"hsbench{os.getpid()}a", f"hsbench{os.getpid()}b"
CPU_TARGET_MS = 150


def main() -> None:
    """Run both settings and print one table."""
    arguments = parse_arguments()
    if arguments.child:
        print(json.dumps(asyncio.run(measure(arguments.child, arguments.count, arguments.interval))))
        return
    probes = f"{arguments.count} probes {arguments.interval:g} s apart"
    print(f"{TARGETS} targets, {probes}, n={arguments.repetitions}")
    print(f"{'setting':<10}{'tool':<16}{'avg RTT us':>11}{'CPU ms/1000':>13}{'with start':>12}")
    report("loopback", [f"127.0.0.{n}" for n in range(1, TARGETS + 1)], [], arguments)
    with veth_pair():
        targets = [f"10.77.0.{n}" for n in range(1, TARGETS + 1)]
        report("veth", targets, ["ip", "netns", "exec", HERE], arguments)


def parse_arguments() -> argparse.Namespace:
    """The command line; ``--child`` is how this program calls itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--interval", type=float, default=1.0)
    parser.add_argument("--child", nargs="*")
    return parser.parse_args()


def report(setting: str, targets: Sequence[str], prefix: list[str], arguments: argparse.Namespace) -> None:
    """Interleave the tools, and print medians over the repetitions."""
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    differences_us: list[float] = []
    for _ in range(arguments.repetitions):
        our_averages, our_cost = run_ours(targets, prefix, arguments)
        their_averages, their_cost = run_fping(targets, prefix, arguments)
        ours.append(our_cost)
        theirs.append(their_cost)
        differences_us += [
            1000 * (our_averages[target] - their_averages[target])
            for target in targets
            if target in our_averages and target in their_averages
        ]
    for tool, costs in (("hopsight", ours), ("fping -t", theirs)):
        rtt, cpu, total = (median(cost[key] for cost in costs) for key in ("rtt_us", "cpu_ms", "total_ms"))
        print(f"{setting:<10}{tool:<16}{rtt:>11.1f}{cpu:>13.0f}{total:>12.0f}")
    cpu = median(cost["cpu_ms"] for cost in ours)
    print(
        f"{setting:<10}median difference of averages {median(differences_us):+.1f} us "
        f"(n={len(differences_us)}), "
        f"CPU {cpu:.0f} ms per 1,000 probes (target {CPU_TARGET_MS}), "
        f"{cpu / median(cost['cpu_ms'] for cost in theirs):.2f}x fping"
    )


def run_ours(
    targets: Sequence[str], prefix: list[str], arguments: argparse.Namespace
) -> tuple[dict[str, float], dict[str, float]]:
    """One round of ours in a process of its own: average RTT by target (ms), and what it cost."""
    command = [*prefix, sys.executable, __file__, "--count", str(arguments.count)]
    command += ["--interval", str(arguments.interval), "--child", *targets]
    output, total_ms = timed(command, arguments.count)
    found = json.loads(output)
    averages: dict[str, float] = found["averages"]
    cpu_ms = found["cpu_s"] * 1e6 / (TARGETS * arguments.count)
    return averages, {"rtt_us": 1000 * median(averages.values()), "cpu_ms": cpu_ms, "total_ms": total_ms}


def run_fping(
    targets: Sequence[str], prefix: list[str], arguments: argparse.Namespace
) -> tuple[dict[str, float], dict[str, float]]:
    """The same by fping, which spaces the targets out by ``-i``."""
    period_ms = round(arguments.interval * 1000)
    command = [*prefix, "fping", "-q", "-C", str(arguments.count), "-p", str(period_ms), "-t", "1000"]
    command += ["-i", str(max(1, period_ms // TARGETS)), *targets]
    output, total_ms = timed(command, arguments.count)
    averages: dict[str, float] = {}
    for line in output.splitlines():
        target, _, times = line.partition(" : ")
        rtts = [float(text) for text in re.findall(r"\d+\.\d+", times)]
        if rtts:
            averages[target.strip()] = sum(rtts) / len(rtts)
    return averages, {"rtt_us": 1000 * median(averages.values()), "cpu_ms": total_ms, "total_ms": total_ms}


def timed(command: list[str], count: int) -> tuple[str, float]:
    """Output, and CPU ms of the process per 1,000 probes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return done.stdout, spent_s * 1e6 / (TARGETS * count)


async def measure(targets: Sequence[str], count: int, interval_s: float) -> dict[str, object]:
    """A whole round, as the agent does it: probes, sampler and all, but ICMP alone, as fping."""
    clock = SystemClock()
    measurer = Measurer(SystemNetwork(clock), clock, random.Random())
    options = ProbeOptions(count=count, interval_s=interval_s, protocol="icmp")
    # An agent runs for months: what it loads once is no cost of a round.
    await measurer.measure(Target(host=targets[0]), ProbeOptions(count=1, interval_s=0.01, protocol="icmp"))
    before = resource.getrusage(resource.RUSAGE_SELF)
    measured = await asyncio.gather(*(measurer.measure(Target(host=target), options) for target in targets))
    found = [one for one, *_ in measured]
    after = resource.getrusage(resource.RUSAGE_SELF)
    await measurer.aclose()
    averages = {
        one.visited_site: one.ping.statistics.avg_rtt_ms
        for one in found
        if one.ping is not None and one.ping.statistics is not None
    }
    spent_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"averages": averages, "cpu_s": spent_s}


@contextmanager
def veth_pair() -> Iterator[None]:
    """Two namespaces, joined; the peer has all the addresses."""
    run("ip", "netns", "add", HERE)
    run("ip", "netns", "add", PEER)
    try:
        run("ip", "-n", HERE, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", PEER)
        run("ip", "-n", HERE, "address", "add", "10.77.0.254/24", "dev", "veth0")
        for n in range(1, TARGETS + 1):
            run("ip", "-n", PEER, "address", "add", f"10.77.0.{n}/24", "dev", "veth0")
        for namespace in (HERE, PEER):
            run("ip", "-n", namespace, "link", "set", "lo", "up")
            run("ip", "-n", namespace, "link", "set", "veth0", "up")
        yield
    finally:
        run("ip", "netns", "delete", HERE)
        run("ip", "netns", "delete", PEER)


def run(*command: str) -> None:
    """Run a command that must succeed."""
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
