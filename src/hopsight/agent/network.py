"""The agent's one door to the network: nobody else in the agent opens a probe's socket.

``Network`` is what the probes ask for; ``SystemNetwork`` is the machine's own.
"""

import socket
from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple, Protocol

from msgspec import Struct

Family = Literal[4, 6]
IPV4: Final = 4
IPV6: Final = 6
MAIN_TABLE: Final = 254
"""The table of routes that is asked when no rule says otherwise (``linux/rtnetlink.h``)."""


class Address(NamedTuple):
    """An IPv4 or IPv6 address.

    Args:
        host: in the usual spelling, without a scope.
        scope_id: interface of a link-local IPv6 address, else 0.
    """

    host: str
    scope_id: int = 0

    @property
    def family(self) -> Family:
        """4 or 6."""
        return IPV6 if ":" in self.host else IPV4


class UnknownNameError(OSError):
    """The name servers were reached, and say that there is no such name, or none with an address."""


class EchoReply(NamedTuple):
    """An ICMP echo reply as it came in, not yet believed; ``kernel_ns`` is its kernel stamp, if any."""

    address: Address
    sequence: int
    payload: bytes
    kernel_ns: int | None


class SendStamp(NamedTuple):
    """When the kernel sent the probe that ``send`` gave this key."""

    key: int
    kernel_ns: int


class Refusal(NamedTuple):
    """A router's or host's ICMP error about a probe to ``address``; the payload may be cut short."""

    address: Address
    sequence: int
    payload: bytes
    reason: str
    prohibited: bool


IcmpEvent = EchoReply | SendStamp | Refusal


class IcmpSocket(Protocol):
    """One ICMP socket for all targets of a family."""

    @property
    def kind(self) -> Literal["datagram", "raw"]:
        """How it was opened."""
        ...

    def listen(self, on_ready: Callable[[], None]) -> None:
        """Have ``on_ready`` called (on the event loop) whenever there is something to receive."""
        ...

    def send(self, address: Address, sequence: int, payload: bytes) -> int:
        """Send an echo request, and return the key that its ``SendStamp`` will have.

        Raises:
            OSError: the kernel did not accept it.
        """
        ...

    def receive(self) -> list[IcmpEvent]:
        """Everything that is waiting, up to a bound; empty when there is nothing more."""
        ...

    def close(self) -> None:
        """Stop listening and close."""
        ...


class HopAnswer(NamedTuple):
    """An ICMP error about a probe of a path trace, not yet believed.

    Args:
        destination: where the quoted probe was going.
        sequence: of the quoted probe.
        payload: of the quoted probe: may be cut short, or padded.
        router: who says so; None: this machine itself, which found no way.
        expired: the time to live ran out on the way; else the probe was refused.
        reason: for a person.
        mpls: labels that the router quoted, ``L=301472,E=0,S=1,T=1``.
        kernel_ns: kernel stamp of its arrival, if any.
    """

    destination: Address
    sequence: int
    payload: bytes
    router: Address | None
    expired: bool
    reason: str
    mpls: tuple[str, ...]
    kernel_ns: int | None


PathEvent = EchoReply | SendStamp | HopAnswer


class PathSocket(Protocol):
    """One ICMP socket for all path traces of a family; the flow label of IPv6 stays zero."""

    @property
    def kind(self) -> Literal["datagram", "raw"]:
        """How it was opened."""
        ...

    def listen(self, on_ready: Callable[[], None]) -> None:
        """Have ``on_ready`` called (on the event loop) whenever there is something to receive."""
        ...

    def send(self, address: Address, ttl: int, sequence: int, payload: bytes) -> int:
        """Send an echo request that lives for ``ttl`` hops; the key that its ``SendStamp`` will have.

        Raises:
            OSError: the kernel did not accept it.
        """
        ...

    def receive(self) -> list[PathEvent]:
        """Everything that is waiting, up to a bound; empty when there is nothing more."""
        ...

    def close(self) -> None:
        """Stop listening and close."""
        ...


class SynAnswer(Struct, frozen=True, kw_only=True):
    """What came back for one SYN of a path trace.

    Args:
        router: who answered.
        expired: the time to live ran out; else the answer is final.
        reached: the destination itself spoke: connection, reset, or its own refusal.
        rtt_s: by the kernel where it says (``TCP_INFO``, receive stamp), else by the monotonic clock.
        mpls: labels that the router quoted.
    """

    router: Address
    expired: bool
    reached: bool
    rtt_s: float
    mpls: tuple[str, ...] = ()


class SynFlow(Protocol):
    """SYNs to one port from one port, one after the other: one flow, whatever their time to live."""

    async def probe(self, ttl: int, timeout_s: float) -> SynAnswer | None:
        """Send a SYN that lives for ``ttl`` hops, and wait; None: no answer in time. Not concurrently.

        Raises:
            OSError: the kernel did not accept it.
        """
        ...

    def close(self) -> None:
        """Give the port back."""
        ...


class TcpOutcome(Struct, frozen=True, kw_only=True):
    """What became of one attempt to connect.

    Args:
        sent: the kernel accepted the SYN.
        connected: the handshake was completed.
        reset: it was answered by a reset.
        kernel_rtt_s: handshake time by ``TCP_INFO``; None where there is none.
        elapsed_s: user-space time from call to answer.
        retransmits: SYNs sent again.
        error: why there is no connection.
        prohibited: an ICMP error said that it is not wanted.
    """

    sent: bool
    connected: bool = False
    reset: bool = False
    kernel_rtt_s: float | None = None
    elapsed_s: float = 0.0
    retransmits: int = 0
    error: str | None = None
    prohibited: bool = False


class Route(Struct, frozen=True, kw_only=True):
    """How the kernel would send to an address."""

    interface: str | None = None
    gateway: Address | None = None
    source: str | None = None


class TableRoute(Struct, frozen=True, kw_only=True):
    """One unicast route of the tables.

    Args:
        prefix_length: 0 for a default route.
        from_kernel: made with the interface's own address.
        metric: lower wins.
        destination: the network's address; None: of a default route, or not told.
        table: rules may send some packets by other tables than the main one.
    """

    prefix_length: int
    route: Route
    from_kernel: bool
    metric: int
    destination: str | None = None
    table: int = MAIN_TABLE


class PathNetwork(Protocol):
    """What tracing paths asks of the network."""

    def open_path(self, family: Family, identifier: int) -> PathSocket:
        """Open an ICMP socket for traces: unprivileged, else raw with ``identifier`` (16 bits).

        Raises:
            ProbeUnavailableError: neither is to be had; says how to get it.
        """
        ...

    def open_syn_flow(self, address: Address, port: int) -> SynFlow:
        """A flow of SYNs to a port.

        Raises:
            OSError: the kernel gives no port to send from.
            ProbeUnavailableError: not built for this system.
        """
        ...

    async def reverse_name(self, address: Address, timeout_s: float) -> str | None:
        """The name that an address has in DNS; None: it has none.

        Raises:
            OSError: nobody said in time.
        """
        ...


class Network(PathNetwork, Protocol):
    """What measuring asks of the network."""

    async def resolve(self, host: str, timeout_s: float) -> list[Address]:
        """Addresses of a host, best first.

        Raises:
            UnknownNameError: it has none.
            OSError: nobody said in time.
        """
        ...

    def open_icmp(self, family: Family, identifier: int) -> IcmpSocket:
        """Open an ICMP socket: unprivileged, else raw with ``identifier``.

        Raises:
            ProbeUnavailableError: neither is allowed; says how to get it.
        """
        ...

    async def connect_tcp(self, address: Address, port: int, timeout_s: float) -> TcpOutcome:
        """Connect, and close at once."""
        ...

    def route_to(self, address: Address) -> Route | None:
        """The kernel's own route look-up; None when there is no route, or no way of asking."""
        ...

    def routes(self, family: Family) -> list[TableRoute]:
        """All unicast routes of a family; empty where they cannot be asked for."""
        ...


class PageNetwork(Protocol):
    """What fetching pages asks of the network."""

    async def resolve(self, host: str, timeout_s: float) -> list[Address]:
        """Addresses of a host, best first.

        Raises:
            UnknownNameError: it has none.
            OSError: nobody said in time.
        """
        ...

    async def open_tcp(self, address: Address, port: int, timeout_s: float) -> socket.socket:
        """A connection of the agent's own; the caller closes the socket, which does not block.

        Raises:
            OSError: there is none; says why in a few words.
        """
        ...


class ClosedSocket(Struct, frozen=True, kw_only=True, gc=False):
    """A TCP socket that the kernel let go, and what it knew of the connection; None: it does not say.

    Args:
        cookie: the kernel's number of the socket, never used again.
        local: its own address; unspecified when it was disconnected, or never connected.
        local_port: its own port.
        remote: the other end's address, unspecified when there was none.
        remote_port: the other end's port; 0 when there was none, or when the socket was disconnected.
        established: the handshake was completed.
        min_rtt_ms: lowest RTT (of the last five minutes, by the kernel's default).
        smoothed_rtt_ms: the last smoothed RTT.
        retransmits: segments sent again, SYNs too.
        segments_sent: all, acknowledgements and those sent again too.
        bytes_sent: data that the other end has acknowledged.
        bytes_received: data, and one for the other end's FIN.
    """

    cookie: int
    local: str
    local_port: int
    remote: str
    remote_port: int
    established: bool
    min_rtt_ms: float | None = None
    smoothed_rtt_ms: float | None = None
    retransmits: int | None = None
    segments_sent: int | None = None
    bytes_sent: int | None = None
    bytes_received: int | None = None


class WatchSocket(Protocol):
    """Hears of every TCP socket of the machine that closes, but not of the agent's own."""

    @property
    def lost(self) -> int:
        """Announcements that the kernel had no room for, ever."""
        ...

    def listen(self, on_ready: Callable[[], None]) -> None:
        """Have ``on_ready`` called (on the event loop) whenever there is something to receive."""
        ...

    def receive(self) -> list[ClosedSocket]:
        """Everything that is waiting, up to a bound; empty when there is nothing more."""
        ...

    def close(self) -> None:
        """Stop listening and close."""
        ...


class NameSocket(Protocol):
    """Sees the answers of name servers that come to this machine."""

    def listen(self, on_ready: Callable[[], None]) -> None:
        """Have ``on_ready`` called (on the event loop) whenever there is something to receive."""
        ...

    def receive(self) -> list[bytes]:
        """DNS messages that are waiting, up to a bound; not yet believed."""
        ...

    def close(self) -> None:
        """Stop listening and close."""
        ...


OnResolved = Callable[[str, Sequence[str]], None]
"""Takes a name and the addresses that it led to."""


class PassiveNetwork(Protocol):
    """What watching, without a probe, asks of the network."""

    def open_watch(self) -> WatchSocket:
        """Begin to hear of sockets that close.

        Raises:
            ProbeUnavailableError: the system does not tell; says what is missing.
        """
        ...

    def open_name_watch(self) -> NameSocket:
        """Begin to see name servers' answers.

        Raises:
            ProbeUnavailableError: it is not allowed; says what is missing.
        """
        ...

    def tell_resolved(self, on_resolved: OnResolved | None) -> None:
        """Have ``on_resolved`` called with each name that the agent itself resolves; None: no more."""
        ...

    def listening_ports(self) -> frozenset[int]:
        """Local TCP ports that somebody accepts connections on.

        Raises:
            OSError: the system does not tell.
        """
        ...

    def own_addresses(self) -> frozenset[str]:
        """All addresses of this machine."""
        ...
