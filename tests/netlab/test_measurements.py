"""The agent's numbers against what the link really did."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.netlab.conftest import OpenLab, lines_by_target
from tests.netlab.lab import GATEWAY, GATEWAY6, ROOT, Lab
from tests.netlab.world import IcmpFate, Jitter, Loss, Site, TcpFate, World

pytestmark = pytest.mark.netns

Measure = Callable[..., dict[str, dict[str, Any]]]
QUICK = ("--count", "5", "--interval", "0.1")
KERNEL_MS = 0.2
"""Kernel times are far nearer; those of user space would be further off in the hard cases below."""


def varied(number: int) -> Site:
    """Sites that differ in delay, jitter and loss."""
    jitters = ("none", "normal", "uniform", "exponential")
    losses = (Loss(), Loss(share=0.3), Loss(burst_enter=0.2), Loss(exactly=(0, 2)))
    return Site(
        delay_ms=5 + number % 90,
        jitter=Jitter(kind=jitters[number % 4], scale_ms=2),  # type: ignore[arg-type]
        loss=losses[number // 4 % 4],
    )


def address_of(family: int, number: int) -> str:
    """The address of a site."""
    return f"10.1.{number >> 8}.{number & 255}" if family == 4 else f"fd01::1:{number:x}"


def assert_true(lab: Lab, found: dict[str, dict[str, Any]]) -> None:
    """Every count is what the log says, and every time as near as the kernel's."""
    for address, line in found.items():
        truth = lab.truth(address)
        assert (line["pktsSent"], line["pktsReceived"]) == (truth.sent, truth.received), address
        assert (line["late"], line["duplicates"]) == (truth.late, truth.duplicates), address
        if truth.received:
            assert line["destination"]["avgRtt"] == pytest.approx(truth.avg_rtt_ms, abs=KERNEL_MS)
            assert line["destination"]["meanDevRtt"] == pytest.approx(truth.mean_dev_rtt_ms, abs=KERNEL_MS)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(("targets", "count"), [(1, 10), (100, 5), (1_000, 2)])
def test_losses_are_what_the_link_lost(
    open_lab: OpenLab, measure: Measure, family: int, targets: int, count: int
) -> None:
    """However many targets, both families: not one reply is missed or invented."""
    sites = {address_of(family, number + 1): varied(number) for number in range(targets)}
    lab = open_lab(World(seed=targets, sites=sites))
    found = measure(lab, *sites, "--protocol", "icmp", "--count", str(count), "--interval", "0.5")
    assert len(found) == targets
    assert_true(lab, found)


def test_duplicates_and_late_replies_enter_nothing(open_lab: OpenLab, measure: Measure) -> None:
    """They are counted apart; a late reply is a lost probe, also when it comes out of order."""
    sites = {
        "10.1.0.1": Site(duplicates=0.6),
        "10.1.0.2": Site(reordered=0.5, reordered_by_ms=250),
        "10.1.0.3": Site(delay_ms=400),
    }
    lab = open_lab(World(seed=4, sites=sites))
    words = ("--protocol", "icmp", "--count", "8", "--interval", "0.05", "--timeout", "0.2")
    found = measure(lab, *sites, *words)
    truths = {address: lab.truth(address, timeout_s=0.2) for address in sites}
    for address, truth in truths.items():
        line = found[address]
        assert line["pktsReceived"] == truth.received
        # That of the last probe may come when the measurement is over.
        assert truth.duplicates - 1 <= line["duplicates"] <= truth.duplicates
    assert truths["10.1.0.1"].duplicates > 0
    assert 0 < truths["10.1.0.2"].received < 8
    assert found["10.1.0.3"]["destination"]["loss"] == 100


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(
    ("icmp", "tcp", "blocked"),
    [
        ("dropped", "open", True),
        ("dropped", "reset", True),
        ("prohibited", "open", True),
        ("prohibited", "reset", True),
        ("unreachable", "open", True),
        ("dropped", "dropped", False),
    ],
)
def test_silence_of_icmp_is_not_loss_while_tcp_answers(
    open_lab: OpenLab, measure: Measure, family: int, icmp: IcmpFate, tcp: TcpFate, blocked: bool
) -> None:
    """A site that answers by TCP is measured by TCP; a dead one is 100 % loss."""
    address = address_of(family, 1)
    lab = open_lab(World(sites={address: Site(icmp=icmp, tcp=tcp)}))
    (line,) = measure(lab, f"[{address}]:443" if family == 6 else f"{address}:443", *QUICK).values()
    assert line["icmpBlocked"] is blocked
    assert line["destination"]["loss"] == (0 if blocked else 100)
    if blocked and tcp == "open":
        rtts_ms = lab.truth(address).syn_rtts_ms
        assert min(rtts_ms) - KERNEL_MS < line["destination"]["avgRtt"] < max(rtts_ms) + KERNEL_MS


@pytest.mark.parametrize(("icmp", "said"), [("prohibited", "prohibited"), ("unreachable", "unreachable")])
@pytest.mark.parametrize("family", [4, 6])
def test_refusals_are_told_from_silence(
    open_lab: OpenLab, measure: Measure, family: int, icmp: IcmpFate, said: str
) -> None:
    """What a router said is in the errors, and nobody waits for replies that cannot come."""
    address = address_of(family, 1)
    gateways = {GATEWAY: Site(), GATEWAY6: Site()}
    lab = open_lab(World(sites=gateways | {address: Site(icmp=icmp)}))
    words = ("--protocol", "icmp", "--count", "1", "--timeout", "60")
    (line,) = measure(lab, address, *words).values()
    assert said in " ".join(line["errors"])
    # Ended by the refusal: a minute of waiting would show in the window.
    assert line["endedAt"] - line["startedAt"] < 30


def test_lost_syns_are_loss(open_lab: OpenLab, measure: Measure) -> None:
    """Connecting hides a lost SYN; the numbers do not."""
    sites = {address_of(4, number): Site(loss=Loss(share=0.3)) for number in range(1, 21)}
    lab = open_lab(World(seed=5, sites=sites))
    targets = [f"{address}:443" for address in sites]
    found = measure(lab, *targets, "--protocol", "tcp", "--count", "6", "--interval", "0.3")
    lost_in_all = 0
    for target, line in found.items():
        truth = lab.truth(target.partition(":")[0])
        beside = line["connect"]["retransmits"] > 0
        lost = line["pktsSent"] - line["pktsReceived"]
        assert (line["pktsSent"], lost) == (truth.connections - 1, truth.connections_lost - beside)
        lost_in_all += lost
    assert lost_in_all > 0


@contextmanager
def _busy(processes: int) -> Iterator[None]:
    """Keep every core of the machine busy."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def _steady(number: int) -> Site:
    return Site(delay_ms=20 + number, jitter=Jitter(kind="uniform", scale_ms=3))


def test_a_busy_machine_moves_no_number(open_lab: OpenLab, measure: Measure) -> None:
    """With more busy processes than cores, times are still the kernel's."""
    sites = {address_of(4, number): _steady(number) for number in range(1, 21)}
    lab = open_lab(World(seed=6, sites=sites))
    with _busy(4):
        found = measure(lab, *sites, "--protocol", "icmp", *QUICK)
    assert_true(lab, found)


def test_a_blocked_event_loop_moves_no_number(open_lab: OpenLab) -> None:
    """An event loop that stands still for 20 ms in every 100 delays sending, and no time."""
    sites = {address_of(4, number): _steady(number) for number in range(1, 21)}
    lab = open_lab(World(seed=7, sites=sites))
    done = lab.run("python", "-m", "tests.netlab.blocked_loop", "5", "0.1", *sites)
    assert done.returncode == 0, done.stderr
    assert_true(lab, lines_by_target(done.stdout))


def test_a_stopped_process_moves_no_number(open_lab: OpenLab) -> None:
    """Replies that came while the process was stopped have the times at which they came."""
    sites = {address_of(4, number): _steady(number) for number in range(1, 6)}
    lab = open_lab(World(seed=8, sites=sites))
    words = ("measure", "--json", "--no-path", *sites, "--protocol", "icmp", "--interval", "0.2")
    command = lab.command(sys.executable, "-m", "hopsight", *words)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    for _ in range(6):
        time.sleep(0.25)
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(0.15)
        os.kill(process.pid, signal.SIGCONT)
    output, _ = process.communicate(timeout=60)
    assert_true(lab, lines_by_target(output))


@pytest.mark.parametrize("step_s", [-3_600, 3_600])
def test_a_clock_that_is_set_moves_no_number(open_lab: OpenLab, step_s: int) -> None:
    """Probes under way at the step count, with the time of the clock that cannot be set, and are flagged."""
    sites = {address_of(4, number): Site(delay_ms=250) for number in range(1, 6)}
    lab = open_lab(World(seed=10, sites=sites))
    done = lab.run("python", "-m", "tests.netlab.stepped_clock", str(step_s), "8", "0.1", *sites)
    assert done.returncode == 0, done.stderr
    found = lines_by_target(done.stdout)
    assert len(found) == 5
    for address, line in found.items():
        truth = lab.truth(address)
        assert (line["pktsSent"], line["pktsReceived"]) == (truth.sent, truth.received) == (8, 8)
        assert "clock stepped" in line["flags"]
        # A few of the times are user space's: near, but not the kernel's.
        assert line["destination"]["avgRtt"] == pytest.approx(truth.avg_rtt_ms, abs=50)
        assert abs(line["endedAt"] - line["startedAt"]) < 30


def test_lost_answers_of_a_blocked_loop_are_counted_by_tcp(open_lab: OpenLab) -> None:
    """Lost SYNs are those of the log also while the event loop stands still now and then."""
    sites = {address_of(4, number): Site(icmp="dropped", loss=Loss(share=0.2)) for number in range(1, 6)}
    lab = open_lab(World(seed=11, sites=sites))
    targets = [f"{address}:443" for address in sites]
    done = lab.run("python", "-m", "tests.netlab.blocked_loop", "6", "0.2", *targets)
    assert done.returncode == 0, done.stderr
    for target, line in lines_by_target(done.stdout).items():
        truth = lab.truth(target.partition(":")[0])
        beside = line["connect"]["retransmits"] > 0
        lost = line["pktsSent"] - line["pktsReceived"]
        assert line["icmpBlocked"] is True
        assert (line["pktsSent"], lost) == (truth.connections - 1, truth.connections_lost - beside), target
