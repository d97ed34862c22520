"""The machine's own network, behind the door that ``network`` describes."""

import asyncio
import ipaddress
import socket
from typing import Final

import psutil

from hopsight.agent.network import (
    Address,
    Family,
    IcmpSocket,
    NameSocket,
    OnResolved,
    PathSocket,
    Route,
    SynFlow,
    TableRoute,
    TcpOutcome,
    UnknownNameError,
    WatchSocket,
)
from hopsight.agent.passive.name_socket import open_name_socket
from hopsight.agent.passive.watch_socket import open_watch_socket, read_listening_ports
from hopsight.agent.path.icmp_socket import open_path_socket
from hopsight.agent.path.reverse import reverse_name
from hopsight.agent.path.syn_flow import open_syn_flow
from hopsight.agent.sockets.icmp import open_icmp_socket
from hopsight.agent.sockets.netlink import route_to, table_routes
from hopsight.agent.sockets.own import OwnSockets
from hopsight.agent.sockets.stream import open_tcp
from hopsight.agent.sockets.tcp import connect_tcp
from hopsight.clock import Clock

# "No such name" and "a name without an address"; all else means that nobody could say.
_NO_SUCH_NAME: Final = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


class SystemNetwork:
    """Real sockets (``Network``)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.own_sockets = OwnSockets()
        self._on_resolved: OnResolved | None = None

    async def resolve(self, host: str, timeout_s: float) -> list[Address]:
        """Addresses of a host, best first by RFC 6724; an address is its own answer.

        Raises:
            UnknownNameError: it has none.
            OSError: nobody said in time.
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
            known = UnknownNameError if error.errno in _NO_SUCH_NAME else OSError
            raise known(error.strerror or str(error)) from None
        except UnicodeError:
            raise UnknownNameError("not a host name") from None
        addresses = list(dict.fromkeys(_address(sockaddr) for *_, sockaddr in found))
        if self._on_resolved is not None:
            self._on_resolved(host, [address.host for address in addresses])
        return addresses

    def open_icmp(self, family: Family, identifier: int) -> IcmpSocket:
        """Open an ICMP socket: unprivileged, else raw.

        Raises:
            ProbeUnavailableError: neither is allowed; says how to get it.
        """
        return open_icmp_socket(family, identifier)

    async def connect_tcp(self, address: Address, port: int, timeout_s: float) -> TcpOutcome:
        """Connect, and close at once."""
        return await connect_tcp(address, port, timeout_s, self._clock, self.own_sockets)

    async def open_tcp(self, address: Address, port: int, timeout_s: float) -> socket.socket:
        """A connection of the agent's own; the caller closes the socket.

        Raises:
            OSError: there is none; says why in a few words.
        """
        return await open_tcp(address, port, timeout_s, self.own_sockets)

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
        return open_syn_flow(address, port, self._clock, self.own_sockets.note)

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

    def open_watch(self) -> WatchSocket:
        """Begin to hear of TCP sockets that close, and to remember which are ours.

        Raises:
            ProbeUnavailableError: the system does not tell; says what is missing.
        """
        return open_watch_socket(self.own_sockets)

    def open_name_watch(self) -> NameSocket:
        """Begin to see name servers' answers.

        Raises:
            ProbeUnavailableError: it is not allowed; says what is missing.
        """
        return open_name_socket()

    def tell_resolved(self, on_resolved: OnResolved | None) -> None:
        """Have ``on_resolved`` called with each name that is resolved here; None: no more."""
        self._on_resolved = on_resolved

    def listening_ports(self) -> frozenset[int]:
        """Local TCP ports that somebody accepts connections on.

        Raises:
            OSError: the system does not tell.
        """
        return read_listening_ports()

    def own_addresses(self) -> frozenset[str]:
        """All addresses of this machine."""
        return frozenset(
            entry.address.partition("%")[0] for entries in psutil.net_if_addrs().values() for entry in entries
        )


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
