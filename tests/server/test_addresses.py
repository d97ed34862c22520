"""Addresses in documents: found by their types, brought to one spelling, or named when they are none."""

import pytest
from msgspec import structs

from hopsight.errors import InvalidValueError
from hopsight.model.network_documents import NetworkProfileDocument, PathHop, Traceroute, VpnProfile
from hopsight.model.user_sessions import SessionDetail, SessionNetwork
from hopsight.server.addresses import canonical_address, with_canonical_addresses


def detail(hop: str | None = None, server: str = "10.0.0.53", endpoint: str | None = None) -> SessionDetail:
    """A detail with addresses at several depths."""
    profile = NetworkProfileDocument(
        dns_servers=("10.0.0.1", server), vpn_profile=VpnProfile(interface_name="tun0", endpoint=endpoint)
    )
    hops = (PathHop(hop=1, ip_address="10.0.0.1", name="not::an:address"), PathHop(hop=2, ip_address=hop))
    return SessionDetail(network=SessionNetwork(network_profile=profile, traceroute=Traceroute(hops=hops)))


def test_a_document_that_is_as_it_should_be_is_given_back() -> None:
    """The same object: nothing is copied where nothing changes."""
    given = detail("192.0.2.1", endpoint="203.0.113.1")
    assert with_canonical_addresses(given) is given


def test_each_address_is_brought_to_its_spelling_and_nothing_else_changes() -> None:
    """In lists and in documents within documents; names that look like addresses are left alone."""
    made = with_canonical_addresses(detail("2001:DB8::", "::FFFF:192.0.2.1", "FE80::1%tun0"))
    assert made == detail("2001:db8::", canonical_address("::ffff:192.0.2.1") or "", "fe80::1")


@pytest.mark.parametrize(
    ("bad", "way"),
    [
        (detail("x"), "network.traceroute.hops.ipAddress"),
        (detail(server=""), "network.networkProfile.dnsServers"),
        (detail(endpoint="1.2.3"), "network.networkProfile.vpnProfile.endpoint"),
    ],
)
def test_what_is_no_address_is_named(bad: SessionDetail, way: str) -> None:
    """By the way to its field, as JSON has it."""
    with pytest.raises(InvalidValueError) as caught:
        with_canonical_addresses(bad)
    assert caught.value.name == way


def test_a_struct_without_addresses_has_nothing_to_do() -> None:
    """Its fields are not even looked at."""
    ping = structs.replace(detail().network, network_profile=None, traceroute=None)
    assert with_canonical_addresses(ping) is ping
