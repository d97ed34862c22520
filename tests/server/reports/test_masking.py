"""What reports leave out: local addresses, filters that name somebody, and first hops."""

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopsight.model.dimensions import FILTERS
from hopsight.model.network_documents import PathHop
from hopsight.server.reports.hops import MAX_ROUTERS, report_hops
from hopsight.server.reports.masking import LOCAL, OPEN_FILTERS, given_filter, is_local, masked_site
from hopsight.server.web.path_graph import Trace


@settings(deadline=None)
@given(
    st.ip_addresses(network="10.0.0.0/8")
    | st.ip_addresses(network="172.16.0.0/12")
    | st.ip_addresses(network="192.168.0.0/16")
    | st.ip_addresses(network="169.254.0.0/16")
    | st.ip_addresses(network="fd00::/8")
    | st.ip_addresses(network="fe80::/10")
)
def test_local_addresses_are_local(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """Also with a zone, in other spellings, and within IPv6."""
    spellings = [str(address), f"{address}%eth0", address.exploded.upper()]
    if address.version == 4:
        spellings.append(f"::ffff:{address}")
    assert all(is_local(text) for text in spellings)
    assert masked_site(str(address), names=False) == LOCAL
    assert masked_site(str(address), names=True) == str(address)


@pytest.mark.parametrize(
    "text", ["203.0.113.1", "2001:db8::1", "172.32.0.1", "example.com", "", "10.example.com"]
)
def test_all_else_is_not(text: str) -> None:
    """Public addresses and names stay as they are."""
    assert not is_local(text)
    assert masked_site(text, names=False) == text


@pytest.mark.parametrize("key", sorted(FILTERS))
def test_filters_are_masked_unless_they_name_nobody(key: str) -> None:
    """What is not known to be harmless is told without its values, with their number; names show all."""
    masked = given_filter(key, ["one", "two"], names=False)
    assert masked.count == 2
    assert (masked.values is not None) == (key in OPEN_FILTERS)
    assert given_filter(key, ["10.0.0.1"], names=True).values == ("10.0.0.1",)


def test_a_local_destination_is_masked_in_an_open_filter() -> None:
    """A filter by site or address may itself be a local address."""
    assert given_filter("destinationIp", ["10.0.0.1", "203.0.113.1"], names=False).values == (
        LOCAL,
        "203.0.113.1",
    )


def trace(agent_id: str, loss: float | None, *hops: tuple[int, str | None, float | None]) -> Trace:
    """A trace over these hops: number, address, ms."""
    made = tuple(
        PathHop(hop=number, ip_address=address, rtt_ms=rtt, name=None if address is None else f"r-{address}")
        for number, address, rtt in hops
    )
    return Trace(agent_id=agent_id, network_id="", loss_percent=loss, hops=made)


def test_routers_are_counted_with_what_goes_through_and_beside_them() -> None:
    """Loss through a router and beside it, what it adds, and where lossy ways end."""
    traces = [
        trace("a", 100.0, (1, "192.168.0.1", 1.0), (2, "203.0.113.1", 5.0), (3, None, None)),
        trace("b", 0.0, (1, "192.168.1.1", 2.0), (2, "203.0.113.2", 4.0), (4, "198.51.100.9", 10.0)),
        trace("b", 0.0, (1, "192.168.1.1", 2.0), (2, "203.0.113.1", 6.0), (4, "198.51.100.9", 12.0)),
    ]
    routers, left = report_hops(
        traces, lambda address: "AS64500 X" if address == "203.0.113.1" else None, names=False
    )
    assert left == 0
    found = {each.address: each for each in routers}
    assert list(found) == [LOCAL, "203.0.113.1", "203.0.113.2", "198.51.100.9"]
    bad = found["203.0.113.1"]
    assert (bad.provider, bad.name, bad.sessions, bad.agents) == ("AS64500 X", "r-203.0.113.1", 2, 2)
    assert (bad.loss_percent, bad.other_loss_percent, bad.last_of_lossy) == (50.0, 0.0, 1)
    assert (bad.rtt_p50_ms, bad.added_p50_ms) == (5.5, 4.0)
    home = found[LOCAL]
    assert (home.name, home.sessions, home.agents, home.other_loss_percent) == (None, 3, 2, None)


def test_a_public_first_hop_is_masked() -> None:
    """The agent's own router may have an address of its own: it tells whose it is."""
    given_trace = trace("a", 0.0, (1, "2001:db8::1", 1.0), (2, "2001:db8:1::1", 2.0))
    assert [each.address for each in report_hops([given_trace], lambda _: None, names=False)[0]] == [
        LOCAL,
        "2001:db8:1::1",
    ]
    shown = report_hops([given_trace], lambda _: None, names=True)[0]
    assert [(each.address, each.name) for each in shown] == [
        ("2001:db8::1", "r-2001:db8::1"),
        ("2001:db8:1::1", "r-2001:db8:1::1"),
    ]


def test_only_so_many_routers_are_listed() -> None:
    """Those with the fewest sessions are counted instead."""
    traces = [trace("a", 0.0, (2, f"203.0.{n // 250}.{n % 250}", 1.0)) for n in range(MAX_ROUTERS + 5)]
    routers, left = report_hops([*traces, traces[-1]], lambda _: None, names=False)
    assert (len(routers), left) == (MAX_ROUTERS, 5)
    assert traces[-1].hops[0].ip_address in {each.address for each in routers}
