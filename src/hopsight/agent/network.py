"""The agent's one door to the network: nobody else in the agent opens a probe's socket.

``Network`` is what the probes ask for; ``SystemNetwork`` is the machine's own.
"""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple, Protocol

from msgspec import Struct

Family = Literal[4, 6]
IPV4: Final = 4
IPV6: Final = 6


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
    """

    sent: bool
    connected: bool = False
    reset: bool = False
    kernel_rtt_s: float | None = None
    elapsed_s: float = 0.0
    retransmits: int = 0
    error: str | None = None


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
    """

    prefix_length: int
    route: Route
    from_kernel: bool
    metric: int


class Network(Protocol):
    """What measuring asks of the network."""

    async def resolve(self, host: str, timeout_s: float) -> list[Address]:
        """Addresses of a host, best first.

        Raises:
            OSError: it has none, or nobody said in time.
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
