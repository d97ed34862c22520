"""Measurements as API documents: two records with one ID, as ``API.md`` and the model have them."""

import random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from hopsight.agent.documents import ping_document, session_detail, session_records, traceroute
from hopsight.agent.measurement import ASLEEP, Measurement
from hopsight.agent.profile.profile import NetworkProfile
from hopsight.agent.results import ConnectResult, HopResult, PathResult, PingResult
from hopsight.agent.verdict.judge import judge
from hopsight.agent.verdict.window import Series, Stretch, Window
from hopsight.model.agents import Target
from hopsight.model.network_documents import Segment
from hopsight.model.upload import NetworkSessionRecord, UserSessionRecord
from hopsight.testing import AGENT_ID, ROUND_ID

PING = PingResult(protocol="icmp", pkts_sent=10, rtts_ms=(20.25, 21.5, 22.75))
PATH = PathResult(
    destination="203.0.113.1",
    reached=True,
    hops=(
        HopResult(number=1, address="192.168.1.1", rtt_ms=0.5, pkts_sent=3, pkts_received=3, name="router"),
        HopResult(number=2, pkts_sent=3),
        HopResult(
            number=3,
            address="203.0.113.1",
            rtt_ms=20.49,
            pkts_sent=3,
            pkts_received=2,
            mpls=("L=1,E=0,S=1,T=1",),
            asn=64_500,
            prefix="203.0.113.0/24",
        ),
    ),
)
JUDGED = judge(Window(stretches=(Stretch(name="destination", series=Series(sent=10)),)))
FOUND = Measurement(
    target=Target(host="site.example", port=443),
    visited_site="site.example",
    started_at_s=ROUND_ID + 17.5,
    ended_at_s=ROUND_ID + 28.0,
    address="203.0.113.1",
    family=4,
    ping=PING,
    gateway_ping=structs.replace(PING, pkts_sent=3),
    connect=ConnectResult(port=443, rtt_ms=20.1),
    path=PATH,
    segments=JUDGED.segments,
    verdict=JUDGED.verdict,
    flags=("clock stepped",),
)


def _records(found: Measurement) -> tuple[NetworkSessionRecord | None, UserSessionRecord | None]:
    profile = NetworkProfile(connection="Ethernet")
    return session_records(found, 7625, AGENT_ID, random.Random(1), profile)


def _built(document: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(document))


def test_both_records_have_one_id() -> None:
    """The user session of a probed site is found under its network session's ID, in the same round."""
    network, user = _records(FOUND)
    assert network is not None
    assert user is not None
    assert network.document.user_session_id == user.document.user_session_id
    assert (network.document.round_id, user.document.round_id) == (ROUND_ID, ROUND_ID)
    assert network.document.date == user.document.date
    assert _built(user.document) == {
        "userSessionId": user.document.user_session_id,
        "agentId": AGENT_ID,
        "roundId": ROUND_ID,
        "date": user.document.date,
        "visitedSite": "site.example",
        "numberOfPages": 0,
        "protocol": "https",
        "port": 443,
    }
    assert user.destination_ip == "203.0.113.1"


def test_the_detail_is_the_apis() -> None:
    """Pings by their numbers, hops with whole milliseconds and their names, silent ones by number alone."""
    network = _built(session_detail(FOUND, NetworkProfile(connection="Ethernet")))["network"]
    assert network["ping"] == {
        "pktsSent": 10,
        "pktsReceived": 3,
        "minRtt": 20.25,
        "avgRtt": 21.5,
        "maxRtt": 22.75,
        "meanDevRtt": 1.0206207261596576,
    }
    assert network["traceroute"] == {
        "destination": "203.0.113.1",
        "hops": [
            {"hop": 1, "delay": 1, "rtt": 0.5, "ipAddress": "192.168.1.1", "name": "router"},
            {"hop": 2},
            {
                "hop": 3,
                "delay": 20,
                "rtt": 20.49,
                "ipAddress": "203.0.113.1",
                "name": "203.0.113.1",
                "prefix": "203.0.113.0/24",
                "asn": 64_500,
                "mpls": ["L=1,E=0,S=1,T=1"],
            },
        ],
    }
    assert (network["connect"], network["icmpBlocked"]) == ({"rtt": 20.1}, False)
    assert network["networkProfile"] == {"hardwareType": "Ethernet"}


def test_what_was_not_measured_is_an_error_or_absent() -> None:
    """No probes: only the reason. No path: only the reason. No series: nothing."""
    unsent = PingResult(protocol="icmp", errors=("cannot send: network is unreachable",))
    assert _built(ping_document(unsent)) == {"error": "cannot send: network is unreachable"}
    assert ping_document(None) is None
    assert _built(traceroute(PathResult(destination="192.0.2.1", error="no hop answered"))) == {
        "error": "no hop answered"
    }
    assert traceroute(None) is None


def test_an_unresolved_name_is_a_user_session_alone() -> None:
    """Nothing was measured of the network, but the site was not reached, and why is kept."""
    found = structs.replace(
        FOUND, address=None, ping=None, path=None, connect=None, errors=("cannot resolve",)
    )
    network, user = _records(found)
    assert network is None
    assert user is not None
    assert user.destination_ip is None
    assert _built(user.detail.network)["errors"] == ["cannot resolve"]
    assert "icmpBlocked" not in _built(user.detail.network)


def test_a_window_that_was_slept_through_is_no_record() -> None:
    """Neither of the two."""
    assert _records(structs.replace(FOUND, errors=(ASLEEP,))) == (None, None)


@given(st.text(max_size=400), st.text(max_size=400))
def test_whatever_systems_say_can_be_stored(error: str, name: str) -> None:
    """Errors and names of any characters and length pass the model that the server decodes with."""
    hops = (HopResult(number=1, address="192.0.2.1", name=name, mpls=(name,)),)
    found = structs.replace(
        FOUND,
        errors=(error,) * 100,
        flags=(error,),
        connect=ConnectResult(port=1, error=error),
        path=PathResult(destination="192.0.2.1", hops=hops),
    )
    _, user = _records(found)
    assert msgspec.json.decode(msgspec.json.encode(user), type=UserSessionRecord) == user


def test_the_way_is_in_the_network_session() -> None:
    """What the window said of VPN and proxy is told with their addresses; what has none is left out."""
    ping = ping_document(structs.replace(PING, pkts_sent=4))
    way = (
        Segment(name="vpn", state="good", target="198.51.100.7", ping=ping),
        Segment(name="proxy", state="unknown", ping=ping),
    )
    network, _ = _records(structs.replace(FOUND, segments=way))
    assert network is not None
    found = _built(network.document)
    assert found["vpn"] == {"target": "198.51.100.7", "loss": 25.0, "latency": 22, "jitter": 1}
    assert "proxy" not in found
