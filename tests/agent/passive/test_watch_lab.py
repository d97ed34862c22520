"""What the kernel says of connections over a way whose delays and losses are known to the packet."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.netlab.lab import ROOT, Lab, possible
from tests.netlab.world import Event, Link, Loss, World

pytestmark = pytest.mark.netns

TRAFFIC = str(Path(__file__).with_name("traffic.py"))
DATA_LOST = Loss(share=0.1, data_only=True)
SYN_LOST = Loss(exactly=(0,))
LINKS = {
    "10.9.1.1": Link(delay_ms=2.75),
    "10.9.1.2": Link(delay_ms=20.25),
    "10.9.2.1": Link(delay_ms=10.25, forth=DATA_LOST),
    "10.9.3.1": Link(delay_ms=10.25, forth=SYN_LOST),
    "fd09::1:1": Link(delay_ms=10.25),
    "fd09::2:1": Link(delay_ms=20.25, forth=DATA_LOST),
}


@contextmanager
def server(lab: Lab) -> Iterator[None]:
    """A real server on the machine behind the links."""
    command = lab.command(sys.executable, TRAFFIC, "serve", peer=True)
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        yield
    finally:
        running.kill()
        running.communicate()


def to_link(events: list[Event], address: str) -> tuple[list[Event], int]:
    """Segments to an address that the link lost, and bytes of data that it did not lose."""
    segments = [one for one in events if one.kind == "segment" and one.address == address]
    lost = [one for one in segments if one.fate == "lost"]
    return lost, sum(one.data for one in segments) - sum(one.data for one in lost)


def lowest_rtt_ms(events: list[Event], address: str) -> float:
    """The quickest way there, and the quickest back."""
    ways = [
        min(
            one.left_ns - one.arrived_ns
            for one in events
            if one.address == address and one.kind == kind and one.left_ns
        )
        for kind in ("segment", "back")
    ]
    return sum(ways) / 1e6


def test_lowest_rtt_and_retransmits_are_those_of_the_way(require: Callable[[bool, str], None]) -> None:
    """As many segments sent again as the link lost, SYNs too; its delay as lowest RTT; bytes to the byte."""
    require(possible(), "needs root, ip and /dev/net/tun")
    with Lab(World(seed=4, links=LINKS)) as lab:
        with server(lab):
            done = lab.run("python", TRAFFIC, "distant", *LINKS)
        assert done.returncode == 0, done.stderr
        events = lab.events()
    records = {record["document"]["visitedSite"]: record for record in json.loads(done.stdout)["records"]}
    assert set(records) == set(LINKS)
    for address, link in LINKS.items():
        detail = records[address]["detail"]
        passive, (lost, delivered) = detail["passive"], to_link(events, address)
        # A machine that stood still for long may send again what was not lost: its link has seen more then.
        again = delivered > passive["bytesSent"]
        assert (passive["retransmits"] > len(lost)) == again, address
        assert passive["retransmits"] >= len(lost), address
        assert bool(lost) == (link.forth != Loss()), address
        # Where segments were sent again the kernel may count whole ms, and says so; and machines may be busy.
        least = -1.0 if "min RTT in whole ms" in detail["flags"] else 0.0
        assert least <= passive["minRtt"] - lowest_rtt_ms(events, address) < 5.0, address
        assert (passive["connections"], passive["failed"], passive["bytesSent"]) == (1, 0, 60_300), address
