"""Routes and links by rtnetlink (``linux/rtnetlink.h``): what the kernel would do, asked without a packet."""

import socket
import struct
import sys
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from hopsight.agent.network import IPV4, MAIN_TABLE, Address, Family, Route, TableRoute
from hopsight.agent.sockets.netlink_messages import NLM_F_DUMP, attribute, attributes, exchange, number, text

_RTM_NEWLINK, _RTM_GETLINK, _RTM_NEWROUTE, _RTM_GETROUTE = 16, 18, 24, 26
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC = 1, 4, 5, 6, 7
_RTA_TABLE, _RTA_VIA = 15, 18
_RTN_UNICAST: Final = 1
_RTPROT_KERNEL: Final = 2

# linux/if_link.h
_IFLA_LINKINFO: Final = 18
_IFLA_INFO_KIND, _IFLA_INFO_DATA = 1, 2
# linux/if_tunnel.h: which attribute of a kind of tunnel is its other end.
_REMOTES: Final = {
    "ipip": 3, "sit": 3, "ip6tnl": 3, "vti": 5, "vti6": 5, "gre": 7, "gretap": 7, "ip6gre": 7, "ip6gretap": 7,
}  # fmt: skip

_ROUTE: Final = struct.Struct("=BBBBBBBBI")
_LINK: Final = struct.Struct("=BxHiII")
_NUMBER: Final = struct.Struct("=I")


class Link(Struct, frozen=True, kw_only=True):
    """A link as rtnetlink tells it.

    Args:
        kind: ``tun``, ``wireguard``, ``veth``, ...; None: hardware.
        remote: the other end of a tunnel of the kernel's own; None: it has none, or does not say.
    """

    kind: str | None = None
    remote: str | None = None


def route_to(address: Address) -> Route | None:
    """How the kernel would send to ``address``; None when it would not, or cannot be asked."""
    destination = socket.inet_pton(_domain(address.family), address.host)
    body = _ROUTE.pack(_domain(address.family), len(destination) * 8, 0, 0, 0, 0, 0, 0, 0)
    body += attribute(_RTA_DST, destination)
    if address.scope_id:
        body += attribute(_RTA_OIF, _NUMBER.pack(address.scope_id))
    found = next(_routes(address.family, body, 0), None)
    return found.route if found is not None else None


def table_routes(family: Family) -> list[TableRoute]:
    """All unicast routes of a family; empty where they cannot be asked for."""
    body = _ROUTE.pack(_domain(family), 0, 0, 0, 0, 0, 0, 0, 0)
    return list(_routes(family, body, NLM_F_DUMP))


def link_of(interface: str) -> Link | None:
    """What an interface is; None: there is none, or it cannot be asked for."""
    try:
        body = _LINK.pack(0, 0, socket.if_nametoindex(interface), 0, 0)
        answers = list(exchange(socket.NETLINK_ROUTE, _RTM_GETLINK, 0, body))
    except (OSError, AttributeError):
        return None
    for kind, message in answers:
        if kind == _RTM_NEWLINK:
            return read_link(message)
    return None


def read_link(message: bytes) -> Link:
    """Take a link's message apart."""
    info = attributes(attributes(message[_LINK.size :]).get(_IFLA_LINKINFO, b""))
    kind = text(info.get(_IFLA_INFO_KIND))
    data = attributes(info.get(_IFLA_INFO_DATA, b""))
    return Link(kind=kind, remote=_remote(data.get(_REMOTES.get(kind or "", 0), b"")))


def _remote(packed: bytes) -> str | None:
    domain = {4: socket.AF_INET, 16: socket.AF_INET6}.get(len(packed))
    return socket.inet_ntop(domain, packed) if domain is not None and any(packed) else None


def _routes(family: Family, body: bytes, flags: int) -> Iterator[TableRoute]:
    try:
        answers = list(exchange(getattr(socket, "NETLINK_ROUTE", 0), _RTM_GETROUTE, flags, body))
    except OSError:
        return
    names: dict[int, str | None] = {}
    for kind, message in answers:
        if kind == _RTM_NEWROUTE and len(message) >= _ROUTE.size and message[7] == _RTN_UNICAST:
            yield _table_route(family, message, names)


def _table_route(family: Family, message: bytes, names: dict[int, str | None]) -> TableRoute:
    fields = _ROUTE.unpack_from(message)
    found = attributes(message[_ROUTE.size :])
    # The header has room for one byte: tables above 255 are in the attribute alone.
    table = number(found.get(_RTA_TABLE)) or fields[4]
    return TableRoute(
        prefix_length=fields[1],
        route=_route(family, found, names),
        from_kernel=fields[5] == _RTPROT_KERNEL,
        metric=number(found.get(_RTA_PRIORITY)) or 0,
        destination=_text(family, found.get(_RTA_DST)),
        table=table or MAIN_TABLE,
    )


def _route(family: Family, found: dict[int, bytes], names: dict[int, str | None]) -> Route:
    index = number(found.get(_RTA_OIF)) or 0
    if index not in names:
        names[index] = _interface(index)
    return Route(
        interface=names[index],
        gateway=_gateway(family, found, index),
        source=_text(family, found.get(_RTA_PREFSRC)),
    )


def _gateway(family: Family, found: dict[int, bytes], index: int) -> Address | None:
    domain, packed = _domain(family), found.get(_RTA_GATEWAY)
    if packed is None and _RTA_VIA in found:
        # An IPv4 route by way of an IPv6 neighbour.
        domain, packed = int.from_bytes(found[_RTA_VIA][:2], sys.byteorder), found[_RTA_VIA][2:]
    if packed is None:
        return None
    host = socket.inet_ntop(domain, packed)
    return Address(host, index if host.lower().startswith("fe80:") else 0)


def _interface(index: int) -> str | None:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return None


def _text(family: Family, packed: bytes | None) -> str | None:
    return socket.inet_ntop(_domain(family), packed) if packed else None


def _domain(family: Family) -> int:
    return socket.AF_INET if family == IPV4 else socket.AF_INET6
