"""Where a network profile is read: routes by rtnetlink, links from ``/sys``, addresses by psutil.

Everything is read, nothing is sent.
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from hopsight.agent.network import IPV4, IPV6, MAIN_TABLE, Network, Route, TableRoute
from hopsight.agent.profile.dns import read_dns_servers
from hopsight.agent.profile.links import SYS_NET, Links
from hopsight.agent.profile.proxies import ProxySettings
from hopsight.agent.profile.proxy_files import read_system_proxies
from hopsight.agent.profile.vpn import endpoint_route
from hopsight.agent.profile.wireless import read_wireless
from hopsight.agent.sockets.netlink import Link, link_of
from hopsight.model.network_documents import WirelessProfile


class ProfileSources(Struct, frozen=True, kw_only=True):
    """What a system tells besides its routes; these are Linux's.

    Args:
        sys_net: where it shows its links.
        dns_servers: those really asked.
        wireless: the link of a Wi-Fi interface.
        system_proxies: what the system's own settings say (not the environment).
        link_of: what the kernel says an interface is.
    """

    sys_net: Path = SYS_NET
    dns_servers: Callable[[], tuple[str, ...]] = read_dns_servers
    wireless: Callable[[str], WirelessProfile | None] = read_wireless
    system_proxies: Callable[[], ProxySettings | None] = read_system_proxies
    link_of: Callable[[str], Link | None] = link_of


SYSTEM: Final = ProfileSources()


class Attachment(Struct, frozen=True, kw_only=True):
    """By what a machine is attached; fields as in ``NetworkProfile``."""

    connection: str
    link_type: str | None = None
    interface: str | None = None
    address: str | None = None
    netmask: str | None = None
    local_prefix: str | None = None
    gateway: str | None = None
    gateway_scope: int = 0


def read_routes(network: Network) -> list[TableRoute]:
    """All routes, IPv4's first."""
    return [*network.routes(IPV4), *network.routes(IPV6)]


def read_attachment(routes: Sequence[TableRoute], links: Links) -> Attachment:
    """By what the machine is attached; to itself alone, without a default route."""
    route = default_route(routes, links)
    if route is None or route.interface is None:
        return Attachment(connection="Loopback")
    address, netmask, prefix = addresses_of(route)
    return Attachment(
        connection=links.connection(route.interface),
        link_type=links.link_type(route.interface),
        interface=route.interface,
        address=address,
        netmask=netmask,
        local_prefix=prefix,
        gateway=route.gateway.host if route.gateway is not None else None,
        gateway_scope=route.gateway.scope_id if route.gateway is not None else 0,
    )


def default_route(routes: Sequence[TableRoute], links: Links) -> Route | None:
    """The route by which the machine is attached: a tunnel's default route counts only where nothing else is.

    Where a VPN has taken the default route's place, the route to its other end shows what it stood on.
    """
    candidates = [found for found in routes if found.prefix_length == 0 and found.route.interface]
    candidates.sort(
        key=lambda found: (
            links.is_tunnel(found.route.interface),
            found.table != MAIN_TABLE,
            found.metric,
        )
    )
    best = candidates[0].route if candidates else None
    if best is not None and links.is_tunnel(best.interface):
        below = endpoint_route(routes, links)
        return below.route if below is not None else best
    return best


def own_address(interface: str) -> str | None:
    """The address of an interface, IPv4 before IPv6; one that reaches no further than the link is none."""
    for family in (socket.AF_INET, socket.AF_INET6):
        for entry in _entries(interface):
            host = entry.address.partition("%")[0]
            if entry.family == family and not ipaddress.ip_address(host).is_link_local:
                return str(host)
    return None


def addresses_of(route: Route) -> tuple[str | None, str | None, str | None]:
    """Address, mask and prefix of the interface of a route."""
    wanted = socket.AF_INET6 if route.gateway is not None and route.gateway.family == IPV6 else socket.AF_INET
    ours = [entry for entry in _entries(route.interface or "") if entry.family == wanted]
    if wanted == socket.AF_INET6:
        # Every network has the same link-local prefix: it tells none apart.
        ours.sort(key=lambda entry: entry.address.lower().startswith("fe80:"))
    ours.sort(key=lambda entry: entry.address != route.source)
    if not ours:
        return route.source, None, None
    host, mask = ours[0].address.partition("%")[0], ours[0].netmask
    return host, mask if wanted == socket.AF_INET else None, _prefix(host, mask)


def _entries(interface: str) -> list[Any]:
    import psutil  # noqa: PLC0415 - as in ``system``

    try:
        return list(psutil.net_if_addrs().get(interface, []))
    except (OSError, psutil.Error):
        # Where a sandbox does not let it be asked: routes tell the rest.
        return []


def _prefix(host: str, mask: str | None) -> str | None:
    if mask is None:
        return None
    address, bits = ipaddress.ip_address(host), int(ipaddress.ip_address(mask))
    return str(type(address)(int(address) & bits))
