"""Accuracy of ICMP against a link whose truth is known, ours beside ``fping -t``.

Every tool meets the same emulated sites (``tests/netlab``: delays of 5 to 95 ms, four jitters, losses)
in a laboratory of its own with the same seed. Its numbers are held against the kernel's capture of the link,
those of the average also against the emulator's own clock, which sees a packet only when it is woken up.
Needs root and fping. Usage: ``python -m benchmarks.bench_accuracy [--rounds N] [--targets N ...]``.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from statistics import median

from msgspec import Struct
from tests.netlab.lab import ROOT, Lab
from tests.netlab.truth import timing_errors_us, truth_of
from tests.netlab.world import Event, Jitter, Loss, Site, World

from hopsight.agent.measurement import Measurer
from hopsight.agent.results import ProbeOptions
from hopsight.agent.system_network import SystemNetwork
from hopsight.clock import SystemClock
from hopsight.model.agents import Target

COUNT, INTERVAL_S = 10, 0.5
BUSY_PROCESSES = 4
KINDS = ("none", "normal", "uniform", "exponential")
HEAD = (
    "targets",
    "setting",
    "tool",
    "avg RTT error us",
    "by the emulator",
    "jitter error us",
    "wrong losses",
    "CPU ms/1000",
)
WIDTHS = (8, 10, 12, 20, 20, 20, 14, 12)


class Found(Struct, frozen=True):
    """What a tool said of one target: average and deviation in ms (None: all lost), and how many it lost."""

    avg_ms: float | None
    dev_ms: float | None
    lost: int


class Score(Struct):
    """Errors of one tool in one setting, over all rounds."""

    rtt_us: list[float] = []
    by_emulator_us: list[float] = []
    jitter_us: list[float] = []
    wrong_losses: int = 0
    cpu_ms: list[float] = []
    link_us: list[float] = []


def main() -> None:
    """Run all settings and print one table."""
    arguments = parse_arguments()
    if arguments.child:
        print(json.dumps(asyncio.run(measure(arguments.child, blocked=arguments.block))))
        return
    print(
        f"{COUNT} pings {INTERVAL_S:g} s apart, n={arguments.rounds} rounds, median / p95 / max, "
        f"load {os.getloadavg()[0]:.1f}"
    )
    print("".join(text.rjust(width) for text, width in zip(HEAD, WIDTHS, strict=True)))
    for targets in arguments.targets:
        settings = ("quiet", "busy", "blocked") if targets == 100 else ("quiet",)
        for setting in settings:
            tools = ("hopsight",) if setting == "blocked" else ("hopsight", "fping -t")
            scores = {tool: Score() for tool in tools}
            for number in range(arguments.rounds):
                for tool, score in scores.items():
                    run(tool, setting, world_of(targets, number), score)
            for tool, score in scores.items():
                print_row(targets, setting, tool, score)


def parse_arguments() -> argparse.Namespace:
    """The command line; ``--child`` is how this program calls itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--targets", type=int, nargs="+", default=[1, 100, 1_000])
    parser.add_argument("--block", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--child", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args()


def world_of(targets: int, seed: int) -> World:
    """Sites that differ."""
    rng = random.Random(seed)
    sites = {
        f"10.1.{number >> 8}.{number & 255}": Site(
            delay_ms=rng.uniform(5, 95),
            jitter=Jitter(kind=KINDS[number % 4], scale_ms=2),  # type: ignore[arg-type]
            loss=Loss(share=0.1) if number % 3 == 0 else Loss(),
        )
        for number in range(1, targets + 1)
    }
    return World(seed=seed, sites=sites)


def run(tool: str, setting: str, world: World, score: Score) -> None:
    """One tool, once, and what the link says of it."""
    with busy() if setting == "busy" else nullcontext(), Lab(world) as lab:
        if tool == "hopsight":
            found, cpu_ms = run_ours(lab, world, blocked=setting == "blocked")
        else:
            found, cpu_ms = run_fping(lab, world)
    score.cpu_ms.append(cpu_ms)
    events = lab.events()
    score.link_us += timing_errors_us(events)
    by_address: dict[str, list[Event]] = {}
    for event in events:
        by_address.setdefault(event.address, []).append(event)
    for address, one in found.items():
        truth = truth_of(by_address.get(address, []), address)
        score.wrong_losses += one.lost != COUNT - truth.received
        if one.avg_ms is not None and one.dev_ms is not None and truth.received:
            score.rtt_us.append(abs(one.avg_ms - truth.avg_rtt_ms) * 1000)
            by_emulator_ms = sum(truth.log_rtts_ms) / len(truth.log_rtts_ms)
            score.by_emulator_us.append(abs(one.avg_ms - by_emulator_ms) * 1000)
            score.jitter_us.append(abs(one.dev_ms - truth.mean_dev_rtt_ms) * 1000)


def run_ours(lab: Lab, world: World, *, blocked: bool) -> tuple[dict[str, Found], float]:
    """A whole round as the agent does it, in a process of its own; CPU without the start."""
    words = ["-m", "benchmarks.bench_accuracy", *(["--block"] if blocked else []), "--child", *world.sites]
    done = lab.run("python", *words)
    if done.returncode:
        sys.exit(done.stderr)
    answer = json.loads(done.stdout)
    found = {address: Found(*values) for address, values in answer["found"].items()}
    return found, answer["cpu_s"] * 1e6 / (COUNT * len(world.sites))


def run_fping(lab: Lab, world: World) -> tuple[dict[str, Found], float]:
    """The same by fping, which spaces the targets out by ``-i``; CPU of the whole process."""
    period_ms = round(INTERVAL_S * 1000)
    command = ["fping", "-q", "-C", str(COUNT), "-p", str(period_ms), "-t", "1000"]
    command += ["-i", f"{max(0.1, period_ms / len(world.sites)):g}", *world.sites]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(lab.command(*command), capture_output=True, text=True, check=False, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    found = {}
    for line in done.stderr.splitlines():
        address, _, times = line.partition(" : ")
        # Three digits, so 0.1 ms from 10 ms on: part of its error is how it prints. "-": lost.
        rtts = [float(text) for text in times.split() if text != "-"]
        average = sum(rtts) / len(rtts) if rtts else None
        deviation = (
            (sum((rtt - average) ** 2 for rtt in rtts) / len(rtts)) ** 0.5 if average is not None else None
        )
        found[address.strip()] = Found(average, deviation, COUNT - len(rtts))
    return found, spent_s * 1e6 / (COUNT * len(world.sites))


async def measure(targets: Sequence[str], *, blocked: bool) -> dict[str, object]:
    """Measure as the agent does, but ICMP alone, as fping."""
    clock = SystemClock()
    measurer = Measurer(SystemNetwork(clock), clock, random.Random())
    options = ProbeOptions(count=COUNT, interval_s=INTERVAL_S, protocol="icmp", gateway=False)
    # An agent runs for months: what it loads once is no cost of a round. Loopback: the log stays clean.
    await measurer.measure(
        Target(host="127.0.0.1"), ProbeOptions(count=1, interval_s=0.01, protocol="icmp", gateway=False)
    )
    blocking = asyncio.create_task(block()) if blocked else None
    before = resource.getrusage(resource.RUSAGE_SELF)
    measured = await asyncio.gather(*(measurer.measure(Target(host=target), options) for target in targets))
    after = resource.getrusage(resource.RUSAGE_SELF)
    if blocking is not None:
        blocking.cancel()
    await measurer.aclose()
    found = {}
    for one, *_ in measured:
        assert one.ping is not None
        times = one.ping.statistics
        values = (times.avg_rtt_ms, times.mean_dev_rtt_ms) if times is not None else (None, None)
        found[one.visited_site] = (*values, one.ping.pkts_sent - one.ping.pkts_received)
    return {
        "found": found,
        "cpu_s": after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime,
    }


async def block() -> None:
    """Stop the event loop for 20 ms in every 100."""
    while True:
        await asyncio.sleep(0.08)
        time.sleep(0.02)  # noqa: ASYNC251 - this is what it is for


@contextmanager
def busy() -> Iterator[None]:
    """Keep more processes busy than there are cores."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(BUSY_PROCESSES)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def print_row(targets: int, setting: str, tool: str, score: Score) -> None:
    """One line of the table."""
    cells = (
        str(targets),
        setting,
        tool,
        spread(score.rtt_us),
        spread(score.by_emulator_us),
        spread(score.jitter_us),
        f"{score.wrong_losses} of {len(score.cpu_ms) * targets}",
        f"{median(score.cpu_ms):.0f}",
    )
    print("".join(cell.rjust(width) for cell, width in zip(cells, WIDTHS, strict=True)), flush=True)


def spread(values: list[float]) -> str:
    """Median, 95th percentile, maximum."""
    ordered = sorted(values)
    return f"{median(ordered):.0f} / {ordered[int(len(ordered) * 0.95)]:.0f} / {ordered[-1]:.0f}"


if __name__ == "__main__":
    main()
