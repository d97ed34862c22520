"""The machine's own network, behind the door that ``network`` describes."""

import asyncio
import ipaddress
import socket

from hopsight.agent.icmp_socket import open_icmp_socket
from hopsight.agent.netlink import route_to, table_routes
from hopsight.agent.network import (
    Address,
    Family,
    IcmpSocket,
    PathSocket,
    Route,
    SynFlow,
    TableRoute,
    TcpOutcome,
)
from hopsight.agent.path_icmp_socket import open_path_socket
from hopsight.agent.path_reverse import reverse_name
from hopsight.agent.path_syn_flow import open_syn_flow
from hopsight.agent.tcp_connect import connect_tcp
from hopsight.clock import Clock


class SystemNetwork:
    """Real sockets (``Network``)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def resolve(self, host: str, timeout_s: float) -> list[Address]:
        """Addresses of a host, best first by RFC 6724; an address is its own answer.

        Raises:
            OSError: it has none, or nobody said in time.
        """
        literal = parse_address(host)
        if literal is not None:
            return [literal]
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except TimeoutError:
            raise OSError(f"name server did not answer within {timeout_s:g} s") from None
        except socket.gaierror as error:
            raise OSError(error.strerror or str(error)) from None
        except UnicodeError:
            raise OSError("not a host name") from None
        return list(dict.fromkeys(_address(sockaddr) for *_, sockaddr in found))

    def open_icmp(self, family: Family, identifier: int) -> IcmpSocket:
        """Open an ICMP socket: unprivileged, else raw.

        Raises:
            ProbeUnavailableError: neither is allowed; says how to get it.
        """
        return open_icmp_socket(family, identifier)

    async def connect_tcp(self, address: Address, port: int, timeout_s: float) -> TcpOutcome:
        """Connect, and close at once."""
        return await connect_tcp(address, port, timeout_s, self._clock)

    def open_path(self, family: Family, identifier: int) -> PathSocket:
        """Open an ICMP socket for traces: unprivileged, else raw.

        Raises:
            ProbeUnavailableError: neither is to be had; says how to get it.
        """
        return open_path_socket(family, identifier)

    def open_syn_flow(self, address: Address, port: int) -> SynFlow:
        """A flow of SYNs to a port.

        Raises:
            OSError: the kernel gives no port to send from.
            ProbeUnavailableError: not built for this system.
        """
        return open_syn_flow(address, port, self._clock)

    async def reverse_name(self, address: Address, timeout_s: float) -> str | None:
        """The name that an address has in DNS.

        Raises:
            OSError: nobody said in time.
        """
        return await reverse_name(address, timeout_s)

    def route_to(self, address: Address) -> Route | None:
        """The kernel's own route look-up."""
        return route_to(address)

    def routes(self, family: Family) -> list[TableRoute]:
        """All unicast routes."""
        return table_routes(family)


def parse_address(text: str) -> Address | None:
    """Read an IPv4 or IPv6 address, with ``%interface`` where it is link-local; None: it is a name."""
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    scope = getattr(parsed, "scope_id", None)
    if scope is None:
        return Address(str(parsed))
    try:
        return Address(str(parsed).partition("%")[0], socket.if_nametoindex(scope))
    except OSError:
        return None


def _address(sockaddr: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]) -> Address:
    host, *rest = sockaddr
    scope = rest[2] if len(rest) > 2 else 0  # noqa: PLR2004 - (port, flow, scope) for IPv6 alone
    return Address(str(host).partition("%")[0], int(scope))
