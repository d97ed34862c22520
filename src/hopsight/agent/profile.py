"""The network that an endpoint is on, and the machine that it is (API.md 3.3 ``networkProfile``, 3.7).

Everything is read, nothing is sent: routes by rtnetlink, links from ``/sys``, name servers from files.
"""

import ipaddress
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from hopsight.agent.network import IPV4, IPV6, Network, Route, TableRoute
from hopsight.model.upload import MeasurementContext

_RESOLV_CONF: Final = Path("/etc/resolv.conf")
_RESOLVED_CONF: Final = Path("/run/systemd/resolve/resolv.conf")
_STUBS: Final = {"127.0.0.53", "127.0.0.54"}
_MAX_DNS_SERVERS: Final = 16
_MAX_FILE_BYTES: Final = 65_536
_SYS_NET: Final = Path("/sys/class/net")

# linux/if_arp.h
_ARPHRD_ETHER, _ARPHRD_PPP, _ARPHRD_LOOPBACK, _ARPHRD_NONE = 1, 512, 772, 65534
_TUNNEL_TYPES: Final = {"wireguard", "tun", "ppp"}


class NetworkProfile(Struct, frozen=True, kw_only=True):
    """Where the endpoint is attached; None: not known, or there is none.

    Args:
        connection: ``Ethernet``, ``Wireless``, ``Loopback``, ``Virtual``, ``Modem`` or ``Other``.
        interface: of the default route.
        address: of that interface.
        netmask: of that address, as IPv4 writes it; IPv6 has only the prefix.
        local_prefix: the network's address, without its length (API.md 3.6).
        gateway: of the default route.
        dns_servers: those really asked, not a local stub.
        vpn_interface: the tunnel that routes go through.
    """

    connection: str
    interface: str | None = None
    address: str | None = None
    netmask: str | None = None
    local_prefix: str | None = None
    gateway: str | None = None
    dns_servers: tuple[str, ...] = ()
    vpn_interface: str | None = None

    def context(self, platform: str, location: str | None = None) -> MeasurementContext:
        """What the records of an upload have in common."""
        return MeasurementContext(
            platform=platform, connection=self.connection, location=location, gateway=self.gateway
        )


def read_network_profile(network: Network, sys_net: Path = _SYS_NET) -> NetworkProfile:
    """Read the profile; a machine with loopback alone has one, too."""
    routes = [*network.routes(IPV4), *network.routes(IPV6)]
    route = default_route(routes, sys_net)
    dns_servers = read_dns_servers()
    if route is None or route.interface is None:
        return NetworkProfile(connection="Loopback", dns_servers=dns_servers)
    address, netmask, prefix = _addresses(route)
    return NetworkProfile(
        connection=connection_of(route.interface, sys_net),
        interface=route.interface,
        address=address,
        netmask=netmask,
        local_prefix=prefix,
        gateway=route.gateway.host if route.gateway is not None else None,
        dns_servers=dns_servers,
        vpn_interface=vpn_interface(routes, sys_net),
    )


def default_route(routes: Sequence[TableRoute], sys_net: Path = _SYS_NET) -> Route | None:
    """The default route by which the machine is attached: a tunnel's counts only where there is no other."""
    candidates = [route for route in routes if route.prefix_length == 0 and route.route.interface]
    candidates.sort(key=lambda found: (_is_tunnel(found.route.interface, sys_net), found.metric))
    return candidates[0].route if candidates else None


def vpn_interface(routes: Sequence[TableRoute], sys_net: Path = _SYS_NET) -> str | None:
    """The tunnel that routes go through: an interface alone, with its own prefix, is not yet a VPN."""
    for found in routes:
        if not found.from_kernel and _is_tunnel(found.route.interface, sys_net):
            return found.route.interface
    return None


def connection_of(interface: str, sys_net: Path = _SYS_NET) -> str:
    """The API's word for the kind of link."""
    link = sys_net / interface
    if (link / "wireless").exists() or (link / "phy80211").exists():
        return "Wireless"
    kind = _number(link / "type")
    if kind == _ARPHRD_LOOPBACK:
        return "Loopback"
    if _device_type(link) == "wwan" or interface.startswith("wwan") or kind == _ARPHRD_PPP:
        return "Modem"
    if _is_tunnel(interface, sys_net):
        return "Virtual"
    if kind == _ARPHRD_ETHER:
        return "Ethernet" if (link / "device").exists() else "Virtual"
    return "Other"


def read_dns_servers(
    resolv_conf: Path = _RESOLV_CONF, resolved_conf: Path = _RESOLVED_CONF
) -> tuple[str, ...]:
    """The name servers in use; behind systemd-resolved's local stub, those that it asks."""
    servers = _name_servers(resolv_conf)
    if _STUBS & set(servers):
        real = [server for server in _name_servers(resolved_conf) if server not in _STUBS]
        servers = real or servers
    return tuple(dict.fromkeys(servers))[:_MAX_DNS_SERVERS]


def _name_servers(path: Path) -> list[str]:
    found = []
    for line in _text(path).splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver" and _is_address(words[1].partition("%")[0]):
            found.append(words[1].partition("%")[0])
    return found


def _addresses(route: Route) -> tuple[str | None, str | None, str | None]:
    """Address, mask and prefix of the interface of a route."""
    import psutil  # noqa: PLC0415 - as in ``system``

    of_interface = psutil.net_if_addrs().get(route.interface or "", [])
    wanted = socket.AF_INET6 if route.gateway is not None and route.gateway.family == IPV6 else socket.AF_INET
    ours = [address for address in of_interface if address.family == wanted]
    ours.sort(key=lambda address: address.address != route.source)
    if not ours:
        return route.source, None, None
    host, mask = ours[0].address.partition("%")[0], ours[0].netmask
    return host, mask if wanted == socket.AF_INET else None, _prefix(host, mask)


def _prefix(host: str, mask: str | None) -> str | None:
    if mask is None:
        return None
    address, bits = ipaddress.ip_address(host), int(ipaddress.ip_address(mask))
    return str(type(address)(int(address) & bits))


def _is_tunnel(interface: str | None, sys_net: Path) -> bool:
    if interface is None:
        return False
    link = sys_net / interface
    if _device_type(link) in _TUNNEL_TYPES or (link / "tun_flags").exists():
        return True
    return _number(link / "type") in {_ARPHRD_PPP, _ARPHRD_NONE}


def _device_type(link: Path) -> str | None:
    for line in _text(link / "uevent").splitlines():
        key, _, value = line.partition("=")
        if key == "DEVTYPE":
            return value
    return None


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_FILE_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
