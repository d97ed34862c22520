"""The network profile and the machine, from files and routes that the test makes up."""

import json
from pathlib import Path

import msgspec
import psutil
import pytest

from hopsight.agent.machine import read_agent_info
from hopsight.agent.network import Address, Family, Route, TableRoute
from hopsight.agent.profile.links import Links
from hopsight.agent.profile.profile import (
    NetworkProfile,
    ProfileSources,
    default_route,
    network_id_of,
    profile_document,
    read_dns_servers,
    read_network_profile,
)
from hopsight.agent.profile.proxies import ProxyServer, ProxySettings
from hopsight.agent.profile.vpn import endpoint_route, read_vpn, takes_everything, vpn_interface
from hopsight.agent.sockets.netlink import Link
from hopsight.agent.system_network import SystemNetwork
from hopsight.clock import SystemClock
from hopsight.model.agents import AgentInfo
from hopsight.model.network_documents import NetworkProfileDocument, VpnProfile, WirelessProfile
from hopsight.model.upload import MeasurementContext

SAMPLES = Path(__file__).parents[3] / "spec" / "samples"


@pytest.fixture
def sys_net(tmp_path: Path) -> Path:
    """Links as ``/sys/class/net`` shows them."""
    for name, kind, device_type in (
        ("lo", 772, ""), ("eth0", 1, ""), ("wlan0", 1, "wlan"), ("veth0", 1, ""), ("wg0", 65534, "wireguard"),
        ("wwan0", 1, "wwan"), ("can0", 280, ""), ("tun0", 65534, ""), ("tap0", 1, ""), ("ppp0", 512, "ppp"),
        ("gre1", 778, ""), ("rmnet0", 519, ""), ("wwan1", 65534, "wwan"), ("xfrm0", 65534, ""),
    ):  # fmt: skip
        (tmp_path / name).mkdir()
        (tmp_path / name / "type").write_text(f"{kind}\n")
        (tmp_path / name / "uevent").write_text(f"DEVTYPE={device_type}\nINTERFACE={name}\n")
    (tmp_path / "wlan0" / "wireless").mkdir()
    (tmp_path / "tun0" / "tun_flags").write_text("0x1001\n")
    (tmp_path / "tap0" / "tun_flags").write_text("0x1002\n")
    (tmp_path / "eth0" / "device").mkdir()
    return tmp_path


def route(
    interface: str,
    prefix_length: int = 0,
    metric: int = 0,
    *,
    from_kernel: bool = False,
    destination: str | None = None,
    gateway: str | None = "192.0.2.1",
    table: int = 254,
) -> TableRoute:
    return TableRoute(
        prefix_length=prefix_length,
        route=Route(interface=interface, gateway=Address(gateway) if gateway else None),
        from_kernel=from_kernel,
        metric=metric,
        destination=destination,
        table=table,
    )


@pytest.mark.parametrize(
    ("interface", "connection"),
    [
        ("lo", "Loopback"), ("eth0", "Ethernet"), ("wlan0", "Wireless"), ("veth0", "Virtual"),
        ("wg0", "Virtual"), ("wwan0", "Modem"), ("can0", "Other"), ("tun0", "Virtual"), ("tap0", "Virtual"),
        ("ppp0", "Modem"), ("gre1", "Virtual"), ("rmnet0", "Modem"), ("wwan1", "Modem"), ("none", "Other"),
    ],
)  # fmt: skip
def test_links_are_told_apart(sys_net: Path, interface: str, connection: str) -> None:
    """The kernel's hardware type, and what hangs on the link, give the API's word."""
    assert Links(sys_net).connection(interface) == connection


def test_the_default_route_is_the_cheapest_that_is_no_tunnel(sys_net: Path) -> None:
    """A VPN that takes the default route is not what the machine is attached by."""
    found = default_route(
        [route("wg0"), route("wlan0", metric=600), route("eth0", metric=100)], Links(sys_net)
    )
    assert found is not None
    assert found.interface == "eth0"
    assert default_route([route("eth0", 24)], Links(sys_net)) is None


def test_a_vpn_is_a_route_and_not_an_interface(sys_net: Path) -> None:
    """A tunnel with nothing but its own prefix is no VPN."""
    assert vpn_interface([route("wg0", 24, from_kernel=True), route("eth0")], Links(sys_net)) is None
    assert vpn_interface([route("eth0"), route("wg0", 1)], Links(sys_net)) == "wg0"


def test_the_main_table_comes_before_the_others(sys_net: Path) -> None:
    """A table that rules ask for some packets does not say by what the machine is attached."""
    found = default_route([route("eth0", metric=5, table=100), route("wlan0", metric=600)], Links(sys_net))
    assert found is not None
    assert found.interface == "wlan0"


def test_a_modem_that_the_machine_is_attached_by_is_no_vpn(sys_net: Path) -> None:
    """PPP is a modem's link where there is no other, and a VPN's where there is one."""
    links = Links(sys_net)
    assert vpn_interface([route("ppp0")], links, attached_by="ppp0") is None
    assert vpn_interface([route("eth0"), route("ppp0", 8)], links, attached_by="eth0") == "ppp0"
    assert vpn_interface([route("wg0")], links, attached_by="wg0") == "wg0"
    assert vpn_interface([route("wwan1"), route("wwan0")], links) is None


def test_of_several_tunnels_the_widest_counts(sys_net: Path) -> None:
    """The one with the shortest prefix takes most of the traffic."""
    found = vpn_interface([route("wg0", 24), route("tun0", 1), route("gre1", 16)], Links(sys_net))
    assert found == "tun0"


PINNED = route("eth0", 32, destination="93.184.216.34")


@pytest.mark.parametrize(
    ("routes", "endpoint"),
    [
        ([PINNED], "93.184.216.34"),
        ([PINNED, PINNED], "93.184.216.34"),
        ([route("eth0", 128, destination="2606:2800:220:1::1")], "2606:2800:220:1::1"),
        ([PINNED, route("eth0", 32, destination="8.8.8.8")], None),
        ([route("eth0", 32, destination="10.1.1.1")], None),
        ([route("eth0", 24, destination="93.184.216.0")], None),
        ([route("wg0", 32, destination="93.184.216.34")], None),
        ([route("eth0", 32, destination="93.184.216.34", gateway=None)], None),
        ([route("eth0", 32, destination="93.184.216.34", from_kernel=True)], None),
    ],
)
def test_the_other_end_is_the_one_host_with_a_route_of_its_own(
    sys_net: Path, routes: list[TableRoute], endpoint: str | None
) -> None:
    """One public host by a gateway outside the tunnel; two could be anybody's."""
    found = endpoint_route(routes, Links(sys_net))
    assert (found.destination if found is not None else None) == endpoint


def test_two_halves_of_one_family_are_everything() -> None:
    """Half of IPv4 and half of IPv6 are not; nor are they on another interface."""
    low, high = route("tun0", 1), route("tun0", 1, destination="128.0.0.0")
    ipv6 = route("tun0", 1, destination="8000::")
    assert takes_everything([low, high], "tun0")
    assert takes_everything([route("tun0")], "tun0")
    assert not takes_everything([low, ipv6], "tun0")
    assert not takes_everything([low, high], "wg0")


@pytest.mark.parametrize(
    ("interface", "link", "hardware_type", "endpoint"),
    [
        ("wg0", Link(kind="wireguard"), "wireguard", "93.184.216.34"),
        ("tap0", Link(kind="tun"), "tap", "93.184.216.34"),
        ("ppp0", None, "ppp", "93.184.216.34"),
        ("gre1", Link(kind="gre", remote="198.51.100.7"), "gre", "198.51.100.7"),
        ("xfrm0", Link(kind="xfrm"), "xfrm", "93.184.216.34"),
    ],
)
def test_vpns_are_told_apart(
    sys_net: Path, interface: str, link: Link | None, hardware_type: str, endpoint: str
) -> None:
    """By files where they say it, else by the kernel; a tunnel that names its other end is believed."""
    found = read_vpn([PINNED, route(interface)], interface, "10.8.0.2", Links(sys_net), lambda _: link)
    assert found == VpnProfile(
        interface_name=interface,
        hardware_type=hardware_type,
        ip_address="10.8.0.2",
        endpoint=endpoint,
        default_route=True,
    )


def test_behind_the_local_stub_the_real_name_servers_are_found(tmp_path: Path) -> None:
    """127.0.0.53 is systemd-resolved: its own file says whom it asks."""
    stub, real = tmp_path / "resolv.conf", tmp_path / "real.conf"
    stub.write_text("# stub\nnameserver 127.0.0.53\noptions edns0\n")
    assert read_dns_servers(stub, real) == ("127.0.0.53",)
    real.write_text(
        "nameserver 192.0.2.53\nnameserver junk\nnameserver fe80::1%eth0\nnameserver 192.0.2.53\n"
    )
    assert read_dns_servers(stub, real) == ("192.0.2.53", "fe80::1")
    assert read_dns_servers(tmp_path / "none", real) == ()


def test_this_machine_has_a_profile() -> None:
    """Whatever the machine, there is a profile whose context the server takes."""
    context = read_network_profile(SystemNetwork(SystemClock())).context("Linux", "Here")
    assert msgspec.json.decode(msgspec.json.encode(context), type=MeasurementContext) == context


def test_this_machine_can_introduce_itself() -> None:
    """The server takes what the machine says of itself."""
    info = read_agent_info(agent_name="probe", location="Here")
    assert msgspec.json.decode(msgspec.json.encode(info), type=AgentInfo) == info
    assert info.total_memory_bytes


WIRELESS = WirelessProfile(
    ssid="Internet for the masses",
    bssid="4c:ba:ba:f4:fa:fa",
    channel=11,
    rssi=-58,
    noise=-98,
    quality=84,
    phy_mode="802.11n",
    tx_rate=130,
    vendor="Cisco",
)
PROFILE = NetworkProfile(
    connection="Wireless",
    link_type="Ethernet",
    interface="en0",
    address="10.20.10.13",
    netmask="255.255.255.0",
    local_prefix="10.20.10.0",
    gateway="10.20.10.1",
    dns_servers=("10.20.10.1",),
    wireless=WIRELESS,
    public_address="84.255.241.1",
    public_ip_range="84.255.241.0-84.255.241.255",
)


def test_the_document_is_the_samples() -> None:
    """Field by field what the API's sample of network topology shows."""
    sample = json.loads((SAMPLES / "network-topology-detail.json").read_text())
    assert (
        json.loads(msgspec.json.encode(profile_document(PROFILE)))
        == (sample["networkProbes"][0]["networkProfile"])
    )


def test_the_document_of_a_full_profile_is_taken() -> None:
    """With a proxy and a VPN, in the words of the session's sample."""
    proxies = ProxySettings(
        method="System", https=ProxyServer("http", "192.0.2.8", 8080), bypass=("*.local", "169.254/16")
    )
    vpn = VpnProfile(interface_name="tun0", hardware_type="tun", endpoint="93.184.216.34", default_route=True)
    document = profile_document(msgspec.structs.replace(PROFILE, proxies=proxies, vpn=vpn))
    assert msgspec.json.decode(msgspec.json.encode(document), type=NetworkProfileDocument) == document
    found = json.loads(msgspec.json.encode(document))
    sample = json.loads((SAMPLES / "user-session-detail.json").read_text())
    shown = sample["userSessions"][0]["network"]["networkProfile"]["proxyProfile"]
    assert found["proxyProfile"] == {
        **shown,
        "proxies": [{**shown["proxies"][0], "proxy": "http://192.0.2.8:8080"}],
    }
    assert found["vpnProfile"]["endpoint"] == "93.184.216.34"
    assert profile_document(NetworkProfile(connection="Loopback")) == NetworkProfileDocument(
        hardware_type="Loopback"
    )


def test_the_context_has_what_filters_ask_for() -> None:
    """Gateway, proxy, VPN, network, name and address of the Wi-Fi network."""
    full = msgspec.structs.replace(
        PROFILE,
        proxies=ProxySettings(method="Environment", http=ProxyServer("http", "proxy.example", 3128)),
        proxy_addresses={"proxy.example": "192.0.2.8"},
        vpn=VpnProfile(interface_name="wg0", endpoint="93.184.216.34"),
    )
    assert full.context("Linux", "Ljubljana") == MeasurementContext(
        platform="Linux",
        connection="Wireless",
        location="Ljubljana",
        gateway="10.20.10.1",
        proxy_target="192.0.2.8",
        vpn_target="93.184.216.34",
        network_id=full.network_id,
        ssid=WIRELESS.ssid,
        bssid=WIRELESS.bssid,
    )
    assert (full.proxy, full.proxy_port) == ("192.0.2.8", 3128)
    assert full.proxy_to("www.example.com", 80) == ("192.0.2.8", 3128)
    assert full.proxy_to("www.example.com", 443) is None
    unresolved = msgspec.structs.replace(full, proxy_addresses={})
    assert (unresolved.proxy, unresolved.proxy_to("www.example.com", 80)) == (None, None)


def test_a_network_is_its_prefix_and_where_it_meets_the_internet() -> None:
    """Twelve digits of one pair: the range before the address, either before neither; no network, no ID."""
    by_range = PROFILE.network_id
    assert by_range == network_id_of("10.20.10.0", "84.255.241.0-84.255.241.255") == "c9c5b7b87aeb"
    by_address = msgspec.structs.replace(PROFILE, public_ip_range=None).network_id
    alone = msgspec.structs.replace(PROFILE, public_ip_range=None, public_address=None).network_id
    elsewhere = msgspec.structs.replace(PROFILE, local_prefix="10.20.11.0").network_id
    found = [by_range, by_address, alone, elsewhere]
    assert len(set(found)) == len(found)
    assert all(one is not None and len(one) == 12 and int(one, 16) >= 0 for one in found)
    assert NetworkProfile(connection="Loopback").network_id is None


def test_machines_of_one_ipv6_network_have_one_id() -> None:
    """Each has addresses of its own, and new ones every day: what counts is the 64 bits that they share."""
    ipv6 = msgspec.structs.replace(PROFILE, public_ip_range=None, local_prefix="2001:db8:1:2::")
    ids = {
        msgspec.structs.replace(ipv6, public_address=address).network_id
        for address in ("2001:db8:1:2::10", "2001:db8:1:2:a:b:c:d")
    }
    assert ids == {network_id_of("2001:db8:1:2::", "2001:db8:1:2::")}
    elsewhere = msgspec.structs.replace(ipv6, public_address="2001:db8:1:3::10").network_id
    assert elsewhere not in ids
    assert msgspec.structs.replace(ipv6, public_address="no:address").network_id not in ids


class Routed(SystemNetwork):
    """Routes that the test makes up."""

    def __init__(self, found: list[TableRoute]) -> None:
        super().__init__(SystemClock())
        self._found = found

    def routes(self, family: Family) -> list[TableRoute]:
        """As many as there are of a family."""
        return [one for one in self._found if one.route.gateway is None or one.route.gateway.family == family]


def test_wifi_is_asked_for_where_there_is_wifi(sys_net: Path) -> None:
    """The link of the interface that the machine is attached by, and of no other."""
    asked: list[str] = []

    def wireless(interface: str) -> WirelessProfile:
        asked.append(interface)
        return WIRELESS

    sources = ProfileSources(sys_net=sys_net, wireless=wireless, system_proxies=lambda: None)
    assert read_network_profile(Routed([route("wlan0")]), sources).wireless == WIRELESS
    assert read_network_profile(Routed([route("eth0")]), sources).wireless is None
    assert asked == ["wlan0"]


def test_the_environments_proxies_come_before_the_systems(sys_net: Path) -> None:
    """What programs look at first; a platform's own settings come in by their door."""
    system = ProxySettings(method="PAC", pac_url="http://wpad.example/proxy.pac")
    sources = ProfileSources(sys_net=sys_net, system_proxies=lambda: system)
    network = Routed([route("eth0")])
    assert read_network_profile(network, sources).proxies == system
    found = read_network_profile(network, sources, variables={"https_proxy": "192.0.2.8:1"})
    assert found.proxies == ProxySettings(method="Environment", https=ProxyServer("http", "192.0.2.8", 1))


def test_a_machine_that_hides_its_addresses_has_a_profile(
    sys_net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sandbox may forbid the question: interface and gateway are known all the same, the ID is not."""

    def forbidden() -> None:
        raise PermissionError

    monkeypatch.setattr(psutil, "net_if_addrs", forbidden)
    found = read_network_profile(Routed([route("eth0")]), ProfileSources(sys_net=sys_net))
    assert (found.interface, found.gateway, found.address) == ("eth0", "192.0.2.1", None)
    assert found.network_id is None


def test_a_link_local_gateway_keeps_its_link(sys_net: Path) -> None:
    """Without its interface, nothing could be sent to it."""
    found = route("eth0")
    gateway = Route(interface="eth0", gateway=Address("fe80::1", 2))
    network = Routed([msgspec.structs.replace(found, route=gateway)])
    profile = read_network_profile(network, ProfileSources(sys_net=sys_net))
    assert (profile.gateway, profile.gateway_address) == ("fe80::1", Address("fe80::1", 2))
