"""The network profile and the machine, from files and routes that the test makes up."""

from pathlib import Path

import msgspec
import pytest

from hopsight.agent.machine import read_agent_info
from hopsight.agent.network import Address, Route, TableRoute
from hopsight.agent.profile import default_route, read_dns_servers, read_network_profile
from hopsight.agent.profile_links import Links
from hopsight.agent.system_network import SystemNetwork
from hopsight.agent.vpn import vpn_interface
from hopsight.clock import SystemClock
from hopsight.model.agents import AgentInfo
from hopsight.model.upload import MeasurementContext


@pytest.fixture
def sys_net(tmp_path: Path) -> Path:
    """Links as ``/sys/class/net`` shows them."""
    for name, kind, device_type in (
        ("lo", 772, ""), ("eth0", 1, ""), ("wlan0", 1, "wlan"), ("veth0", 1, ""), ("wg0", 65534, "wireguard"),
        ("wwan0", 1, "wwan"), ("can0", 280, ""),
    ):  # fmt: skip
        (tmp_path / name).mkdir()
        (tmp_path / name / "type").write_text(f"{kind}\n")
        (tmp_path / name / "uevent").write_text(f"DEVTYPE={device_type}\nINTERFACE={name}\n")
    (tmp_path / "wlan0" / "wireless").mkdir()
    (tmp_path / "eth0" / "device").mkdir()
    return tmp_path


def route(
    interface: str, prefix_length: int = 0, metric: int = 0, *, from_kernel: bool = False
) -> TableRoute:
    return TableRoute(
        prefix_length=prefix_length,
        route=Route(interface=interface, gateway=Address("192.0.2.1")),
        from_kernel=from_kernel,
        metric=metric,
    )


@pytest.mark.parametrize(
    ("interface", "connection"),
    [
        ("lo", "Loopback"), ("eth0", "Ethernet"), ("wlan0", "Wireless"), ("veth0", "Virtual"),
        ("wg0", "Virtual"), ("wwan0", "Modem"), ("can0", "Other"),
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
