"""Texts in the form that Windows' tools print them, read. Not run on hardware."""

import json
from typing import Any

import pytest

from hopsight.agent.platforms import windows
from hopsight.agent.profile.proxies import ProxyServer

ROUTES = json.dumps(
    [
        {"NextHop": "0.0.0.0", "InterfaceAlias": "VPN", "RouteMetric": 5, "InterfaceMetric": 50},
        {"NextHop": "192.168.1.1", "InterfaceAlias": "Wi-Fi", "RouteMetric": 0, "InterfaceMetric": 35},
        {"NextHop": "fe80::1%7", "InterfaceAlias": "Ethernet", "RouteMetric": 256, "InterfaceMetric": 25},
    ]
)
DNS = json.dumps(
    [
        {"InterfaceAlias": "Wi-Fi", "ServerAddresses": ["192.168.1.1", "192.0.2.53"]},
        {"InterfaceAlias": "Wi-Fi", "ServerAddresses": ["fe80::1%7", "192.0.2.53"]},
        {"InterfaceAlias": "VPN", "ServerAddresses": ["198.51.100.1"]},
        {"InterfaceAlias": "Loopback", "ServerAddresses": []},
    ]
)
WIFI = """\

There is 1 interface on the system:

    Name                   : Wi-Fi
    Description            : A Wi-Fi adapter
    Physical address       : 02:00:00:00:00:01
    State                  : connected
    SSID                   : guests
    BSSID                  : 02:00:5e:10:00:01
    Network type           : Infrastructure
    Radio type             : 802.11ax
    Channel                : 36
    Receive rate (Mbps)    : 1201
    Transmit rate (Mbps)   : 1080.6
    Signal                 : 92%
    Profile                : guests

    Hosted network status  : Not available
"""


def test_all_of_it_together() -> None:
    """Each command is asked once, and its text goes where it belongs."""
    texts = {windows.ROUTES: ROUTES, windows.DNS: DNS, windows.WIFI: WIFI}
    registry = {"ProxyEnable": 1, "ProxyServer": "p.example:8080", "ProxyOverride": "*.lan;<local>"}
    facts = windows.read_facts(lambda command: texts[tuple(command)], registry)
    assert (facts.interface, facts.gateway) == ("Wi-Fi", "192.168.1.1")
    assert facts.dns_servers == ("192.168.1.1", "192.0.2.53", "fe80::1")
    assert facts.proxies is not None
    assert facts.proxies.servers == (ProxyServer("http", "p.example", 8080),)
    assert facts.proxies.bypass == ("*.lan", "<local>")
    link = facts.wireless
    assert link is not None
    assert (link.ssid, link.bssid, link.channel, link.quality) == ("guests", "02:00:5e:10:00:01", 36, 92)
    assert (link.phy_mode, link.tx_rate, link.rssi) == ("802.11ax", 1080.6, None)


@pytest.mark.parametrize("text", ["", "no JSON", "null", "[1, null]", '{"NextHop": "192.0.2.1"}'])
def test_what_is_no_answer_leaves_nothing(text: str) -> None:
    """No PowerShell, no route, another form: absent, and no error."""
    facts = windows.read_facts(lambda _: text, {})
    assert facts == type(facts)()


def test_a_single_route_comes_without_a_list() -> None:
    """And a route on the link has no gateway."""
    alone = {"NextHop": "::", "InterfaceAlias": "VPN", "RouteMetric": 1, "InterfaceMetric": 1}
    assert windows.default_route(json.dumps(alone)) == ("VPN", None)


@pytest.mark.parametrize(
    ("registry", "https", "other", "pac"),
    [
        ({"ProxyEnable": 0, "ProxyServer": "p:1"}, None, None, None),
        (
            {"ProxyEnable": 1, "ProxyServer": "http=h:1;https=s:2;socks=k:3"},
            ProxyServer("http", "s", 2),
            ProxyServer("socks4", "k", 3),
            None,
        ),
        ({"AutoConfigURL": "http://u:p@w/x.pac"}, None, None, "http://w/x.pac"),
    ],
)
def test_proxies_of_the_registry(
    registry: dict[str, Any], https: ProxyServer | None, other: ProxyServer | None, pac: str | None
) -> None:
    """Switched off, one for each scheme, or a script; passwords are not read on."""
    found = windows.proxy_settings(registry)
    if https is None and pac is None:
        assert found is None
    else:
        assert found is not None
        assert (found.https, found.other, found.pac_url) == (https, other, pac)


def test_another_language_is_not_guessed_at() -> None:
    """Nothing is better than something wrong."""
    assert (
        windows.wireless(WIFI.replace("State ", "Status").replace("connected", "Verbunden"), "Wi-Fi") is None
    )
