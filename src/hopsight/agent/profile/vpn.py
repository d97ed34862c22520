"""A VPN, by routes and the kind of link (``vpnProfile``): an interface alone is none.

Where its other end is, an unprivileged process learns from two things only: a tunnel of the kernel's own that
says so, and the route by which a VPN program keeps the tunnel's own packets out of the tunnel.
"""

import ipaddress
from collections.abc import Callable, Sequence
from typing import Final

from hopsight.agent.network import TableRoute
from hopsight.agent.profile.links import Links
from hopsight.agent.sockets.netlink import Link, link_of
from hopsight.model.network_documents import VpnProfile

_HOST_LENGTHS: Final = {32, 128}
_HALF: Final = 1
_HALVES: Final = 2

LinkOf = Callable[[str], Link | None]


def vpn_interface(routes: Sequence[TableRoute], links: Links, attached_by: str | None = None) -> str | None:
    """The tunnel that routes go through, other than to its own prefix; the one with most of them all.

    A modem's link is point-to-point, too: the one that the machine is attached by is no VPN.
    """
    through = [
        found
        for found in routes
        if not found.from_kernel
        and links.is_tunnel(found.route.interface)
        and not (found.route.interface == attached_by and links.is_dial_up(attached_by))
    ]
    through.sort(key=lambda found: found.prefix_length)
    return through[0].route.interface if through else None


def read_vpn(
    routes: Sequence[TableRoute],
    interface: str,
    address: str | None,
    links: Links,
    link_of: LinkOf = link_of,
) -> VpnProfile:
    """What is known of a VPN.

    Args:
        routes: of both families.
        interface: its tunnel.
        address: of that interface.
        links: kinds of links.
        link_of: asks the kernel what an interface is.
    """
    link = link_of(interface)
    pinned = endpoint_route(routes, links)
    told = link.remote if link is not None else None
    return VpnProfile(
        interface_name=interface,
        hardware_type=links.tunnel_kind(interface) or (link.kind if link is not None else None),
        ip_address=address,
        endpoint=told or (pinned.destination if pinned is not None else None),
        default_route=takes_everything(routes, interface),
    )


def endpoint_route(routes: Sequence[TableRoute], links: Links) -> TableRoute | None:
    """The route to a VPN's other end: to one public host, by a gateway, outside every tunnel.

    None: there is no such route, or there are several and nobody can tell which.
    """
    found = {
        one.destination: one
        for one in routes
        if one.prefix_length in _HOST_LENGTHS
        and one.destination is not None
        and one.route.gateway is not None
        and not one.from_kernel
        and not links.is_tunnel(one.route.interface)
        and ipaddress.ip_address(one.destination).is_global
    }
    return next(iter(found.values())) if len(found) == 1 else None


def takes_everything(routes: Sequence[TableRoute], interface: str) -> bool:
    """Whether a default route goes through an interface: as one, or as the two halves that win over one."""
    own = [found for found in routes if found.route.interface == interface]
    if any(found.prefix_length == 0 for found in own):
        return True
    for is_ipv6 in (False, True):
        halves = {
            found.destination
            for found in own
            if found.prefix_length == _HALF and (":" in (found.destination or "")) is is_ipv6
        }
        if len(halves) == _HALVES:
            return True
    return False
