"""Route look-ups by rtnetlink (``linux/rtnetlink.h``): what the kernel would do, asked without a packet.

Written out by hand: a netlink library costs the idle agent 10 MB for these two questions.
"""

import socket
import struct
import sys
from collections.abc import Iterator
from typing import Final

from hopsight.agent.network import IPV4, Address, Family, Route, TableRoute

_RTM_NEWROUTE, _RTM_GETROUTE = 24, 26
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_VIA = 1, 4, 5, 6, 7, 18
_RTN_UNICAST: Final = 1
_RTPROT_KERNEL: Final = 2

_HEADER: Final = struct.Struct("=IHHII")
_ROUTE: Final = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE: Final = struct.Struct("=HH")
_NUMBER: Final = struct.Struct("=I")
_TIMEOUT_S: Final = 1.0
_MAX_DATAGRAMS: Final = 1_000


def route_to(address: Address) -> Route | None:
    """How the kernel would send to ``address``; None when it would not, or cannot be asked."""
    destination = socket.inet_pton(_domain(address.family), address.host)
    attributes = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(destination), _RTA_DST) + destination
    if address.scope_id:
        attributes += _ATTRIBUTE.pack(8, _RTA_OIF) + _NUMBER.pack(address.scope_id)
    body = _ROUTE.pack(_domain(address.family), len(destination) * 8, 0, 0, 0, 0, 0, 0, 0) + attributes
    found = next(_routes(address.family, body, _NLM_F_REQUEST), None)
    return found.route if found is not None else None


def table_routes(family: Family) -> list[TableRoute]:
    """All unicast routes of a family; empty where they cannot be asked for."""
    body = _ROUTE.pack(_domain(family), 0, 0, 0, 0, 0, 0, 0, 0)
    return list(_routes(family, body, _NLM_F_REQUEST | _NLM_F_DUMP))


def _routes(family: Family, body: bytes, flags: int) -> Iterator[TableRoute]:
    try:
        messages = list(_ask(body, flags))
    except OSError:
        return
    for message in messages:
        kind = message[7]
        if kind == _RTN_UNICAST:
            yield _table_route(family, message)


def _ask(body: bytes, flags: int) -> Iterator[bytes]:
    if sys.platform != "linux":
        return
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asking:
        asking.settimeout(_TIMEOUT_S)
        asking.send(_HEADER.pack(_HEADER.size + len(body), _RTM_GETROUTE, flags, 1, 0) + body)
        for _ in range(_MAX_DATAGRAMS):
            for kind, message in _messages(asking.recv(65_536)):
                if kind in {_NLMSG_DONE, _NLMSG_ERROR}:
                    return
                if kind == _RTM_NEWROUTE:
                    yield message
            if flags & _NLM_F_DUMP == 0:
                return


def _messages(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position + _HEADER.size <= len(datagram):
        length, kind, _, _, _ = _HEADER.unpack_from(datagram, position)
        if length < _HEADER.size:
            return
        yield kind, datagram[position + _HEADER.size : position + length]
        position += (length + 3) & ~3


def _table_route(family: Family, message: bytes) -> TableRoute:
    fields = _ROUTE.unpack_from(message)
    attributes = _attributes(message[_ROUTE.size :])
    metric = attributes.get(_RTA_PRIORITY)
    return TableRoute(
        prefix_length=fields[1],
        route=_route(family, attributes),
        from_kernel=fields[5] == _RTPROT_KERNEL,
        metric=_NUMBER.unpack(metric)[0] if metric else 0,
    )


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    position = 0
    while position + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, position)
        if length < _ATTRIBUTE.size:
            break
        found[kind] = data[position + _ATTRIBUTE.size : position + length]
        position += (length + 3) & ~3
    return found


def _route(family: Family, attributes: dict[int, bytes]) -> Route:
    index = _NUMBER.unpack(attributes[_RTA_OIF])[0] if _RTA_OIF in attributes else 0
    source = attributes.get(_RTA_PREFSRC)
    return Route(
        interface=_interface(index),
        gateway=_gateway(family, attributes, index),
        source=socket.inet_ntop(_domain(family), source) if source else None,
    )


def _gateway(family: Family, attributes: dict[int, bytes], index: int) -> Address | None:
    domain, packed = _domain(family), attributes.get(_RTA_GATEWAY)
    if packed is None and _RTA_VIA in attributes:
        # An IPv4 route by way of an IPv6 neighbour.
        domain, packed = int.from_bytes(attributes[_RTA_VIA][:2], sys.byteorder), attributes[_RTA_VIA][2:]
    if packed is None:
        return None
    host = socket.inet_ntop(domain, packed)
    return Address(host, index if host.lower().startswith("fe80:") else 0)


def _interface(index: int) -> str | None:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return None


def _domain(family: Family) -> int:
    return socket.AF_INET if family == IPV4 else socket.AF_INET6
