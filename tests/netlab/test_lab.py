"""The laboratory itself: its log is whole, its own error is known, and it leaves nothing behind."""

import json
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from tests.netlab.conftest import OpenLab
from tests.netlab.lab import Lab
from tests.netlab.truth import timing_errors_us
from tests.netlab.world import Loss, Router, Site, World

pytestmark = pytest.mark.netns

SITES = {"10.1.0.1": Site(loss=Loss(exactly=(1,))), "10.1.0.2": Site(route="way"), "fd01::1": Site()}
WORLD = World(seed=9, sites=SITES, routes={"way": (Router(addresses=("10.9.0.1",)),)})


def measured(lab: Lab) -> list[dict[str, object]]:
    """Three targets, measured."""
    words = ("--json", "--count", "3", "--interval", "0.05", *SITES)
    done = lab.run("python", "-m", "hopsight", "measure", *words)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_packet_is_in_the_log(open_lab: OpenLab) -> None:
    """What was sent is there, with its fate; an answer left at its time or after it."""
    lab = open_lab(WORLD)
    lines = measured(lab)
    for line in lines:
        truth = lab.truth(str(line["target"]))
        assert truth.sent == line["pktsSent"] == 3
        assert truth.connections == 1
    events = lab.events()
    assert {event.kind for event in events} >= {"echo", "syn", "expired"}
    answered = [event for event in events if event.left_ns]
    assert answered
    assert all(event.arrived_ns < event.due_ns <= event.left_ns for event in answered)
    assert len(timing_errors_us(events)) == len(answered)


def test_the_kernel_saw_what_the_emulator_did(open_lab: OpenLab) -> None:
    """Each packet and each answer is in the capture, and there the way took longer than by the emulator."""
    lab = open_lab(WORLD)
    measured(lab)
    events = lab.events()
    assert events
    for event in events:
        assert event.sent_ns > 0
        assert (event.received_ns > 0) is (event.left_ns > 0)
        if event.left_ns:
            # Sent before it was read, received after it was written.
            assert event.received_ns - event.sent_ns > event.left_ns - event.arrived_ns


def test_a_laboratory_can_be_had_again(open_lab: OpenLab) -> None:
    """The same world does the same to the same packets."""
    losses = []
    for _ in range(2):
        lab = open_lab(WORLD)
        measured(lab)
        losses.append([event.fate for event in lab.events() if event.kind == "echo" and event.ttl == 64])
    assert sorted(losses[0]) == sorted(losses[1])
    assert losses[0].count("lost") == 1


def test_nothing_is_left_behind(open_lab: OpenLab) -> None:
    """Namespaces, files and the process go, also when the test fails in the middle."""
    lab = open_lab(WORLD)
    process = None
    inner = Lab(WORLD)
    with suppress(InterruptedError), inner:
        process = inner._emulator
        raise InterruptedError
    assert process is not None
    assert process.returncode == 0
    namespaces = subprocess.run(["ip", "netns"], check=True, capture_output=True, text=True).stdout
    assert inner.near not in namespaces.split()
    assert lab.near in namespaces.split()
    assert not (Path("/etc/netns") / inner.near).exists()
