"""Connections that nobody accepts: who said so, and that it is said at once."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.netlab.conftest import OpenLab
from tests.netlab.lab import GATEWAY, GATEWAY6
from tests.netlab.world import Site, TcpFate, World

pytestmark = pytest.mark.netns

Measure = Callable[..., dict[str, dict[str, Any]]]
FATES: tuple[TcpFate, ...] = ("open", "reset", "dropped", "prohibited", "unreachable", "port unreachable")
SITES = {
    **{f"10.1.0.{place}": Site(tcp=fate) for place, fate in enumerate(FATES)},
    **{f"fd01::{place}": Site(tcp=fate) for place, fate in enumerate(FATES)},
}
SAID = {
    "open": [],
    "reset": ["connection refused"],
    "dropped": ["no answer in time"],
    "prohibited": ["administratively prohibited"],
    "unreachable": ["host unreachable", "address unreachable"],
    "port unreachable": ["port unreachable"],
}


def test_a_refusal_of_a_router_is_no_answer_of_the_host(open_lab: OpenLab, measure: Measure) -> None:
    """A reset is an answer; an ICMP error is a lost probe and told by its own name, also a firewall's.

    The kernel has one error number for a reset and for a firewall's "port unreachable".
    """
    lab = open_lab(World(sites=SITES))
    targets = {f"[{address}]:443" if ":" in address else f"{address}:443": address for address in SITES}
    found = measure(lab, *targets, "--protocol", "tcp", "--count", "3", "--interval", "0.1")
    for target, address in targets.items():
        line, fate = found[target], SITES[address].tcp
        answered = 3 if fate in {"open", "reset"} else 0
        assert (line["pktsSent"], line["pktsReceived"]) == (3, answered), target
        assert line["connect"]["reset"] is (fate == "reset"), target
        said = " ".join(line["errors"])
        assert not SAID[fate] or any(reason in said for reason in SAID[fate]), (target, said)
        assert lab.truth(address).connections == 4


def test_nobody_waits_for_what_was_refused(open_lab: OpenLab, measure: Measure) -> None:
    """A refusal ends a probe's waiting: a minute of timeout does not show in the window."""
    refused = {"prohibited", "unreachable", "port unreachable"}
    sites = {address: site for address, site in SITES.items() if site.tcp in refused}
    lab = open_lab(World(sites=sites | {GATEWAY: Site(), GATEWAY6: Site()}))
    targets = [f"[{address}]:443" if ":" in address else f"{address}:443" for address in sites]
    found = measure(lab, *targets, "--protocol", "tcp", "--count", "1", "--timeout", "60")
    assert len(found) == 6
    assert all(line["endedAt"] - line["startedAt"] < 30 for line in found.values())
