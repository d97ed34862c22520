"""When a machine counts as offline: by its routes and links, never by a guess."""

from collections.abc import Mapping

import pytest

from hopsight.agent.network import Address, Family, Route, TableRoute
from hopsight.agent.states.attachment import attached, is_loopback
from hopsight.agent.system_network import SystemNetwork
from hopsight.clock import SystemClock

ROUTER = Address("192.0.2.1")


class Routed(SystemNetwork):
    """A machine with these routes, and ways to these hosts."""

    def __init__(self, *routes: TableRoute, ways: Mapping[str, str] | None = None) -> None:
        super().__init__(SystemClock())
        self._routes = routes
        self._ways = ways or {}

    def routes(self, family: Family) -> list[TableRoute]:
        """All of them are of IPv4."""
        return list(self._routes) if family == 4 else []

    def route_to(self, address: Address) -> Route | None:
        """Through which interface."""
        interface = self._ways.get(address.host)
        return None if interface is None else Route(interface=interface)


def route(interface: str | None, *, length: int = 0, from_kernel: bool = False) -> TableRoute:
    """One route."""
    way = Route(interface=interface, gateway=None if from_kernel else ROUTER)
    return TableRoute(prefix_length=length, route=way, from_kernel=from_kernel, metric=0)


BRIDGE = route("docker0", length=16, from_kernel=True)
LAN = route("eth0", length=24, from_kernel=True)


@pytest.mark.parametrize(
    ("network", "links", "expected"),
    [
        (Routed(route("eth0")), {"eth0": True}, True),
        (Routed(route("eth0")), {"wlan0": True}, False),
        (Routed(route("eth0")), None, True),
        (Routed(route(None)), {"eth0": True}, True),
        (Routed(BRIDGE), {"docker0": True}, False),
        (Routed(BRIDGE, route("tun0", length=8)), {"docker0": True, "tun0": True}, True),
        (Routed(LAN, ways={"192.0.2.9": "eth0"}), {"eth0": True}, True),
        (Routed(LAN, ways={"192.0.2.9": "eth0"}), {}, False),
        (Routed(LAN, ways={"127.0.0.53": "lo"}), {"eth0": True}, False),
        (Routed(), {}, False),
        (Routed(), {"eth0": False}, False),
        (Routed(), {"eth0": True}, True),
        (Routed(), None, True),
    ],
    ids=[
        "default route",
        "default route through an unplugged cable",
        "links cannot be told",
        "default route over several links",
        "containers' bridge alone",
        "somebody's route",
        "a network without a router",
        "the same, unplugged",
        "name server of the machine itself",
        "nothing at all",
        "no route, link-local addresses alone",
        "routes cannot be asked for, but there is an address",
        "nothing can be asked for",
    ],
)
def test_what_is_a_way_out(network: Routed, links: Mapping[str, bool] | None, expected: bool) -> None:
    """In doubt, a machine is not offline: that would end all measuring."""
    hosts = ["site.example", "192.0.2.9", "127.0.0.53"]
    assert attached(network, hosts, lambda: links) is expected


def test_this_machine_can_be_asked() -> None:
    """By its own tables and links, whatever they are."""
    assert attached(SystemNetwork(SystemClock()), []) in {True, False}


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("LocalHost.", True),
        ("db.localhost", True),
        ("localhost.example", False),
        ("192.0.2.1", False),
        ("fe80::1%eth0", False),
    ],
)
def test_what_needs_no_network(host: str, expected: bool) -> None:
    """The machine itself, by address or by its reserved name."""
    assert is_loopback(host) is expected
