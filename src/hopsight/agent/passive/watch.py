"""What the kernel says of closed TCP connections, collected on the event loop until a round asks for it."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from hopsight.agent.network import ClosedSocket, PassiveNetwork, WatchSocket
from hopsight.agent.passive.listening import ListeningPorts
from hopsight.clock import Clock

MAX_WAITING: Final = 10_000
"""Most connections that wait to be taken; what closes beyond that is counted and let go."""
_UNSPECIFIED: Final = {"0.0.0.0", "::"}  # noqa: S104 - read, not bound


class ClosedConnection(Struct, frozen=True, gc=False):
    """A connection that this machine opened, and that is over.

    Args:
        closed_at_s: epoch seconds at which the agent heard of it.
        name: what its address was found by, as far as known then.
        socket: what the kernel said.
    """

    closed_at_s: float
    name: str | None
    socket: ClosedSocket


class PassiveWatch:
    """Hears of connections that close, without loopback, the machine's own addresses and the agent itself.

    Args:
        network: the door.
        clock: stamps the connections.
        name_of: tells the name of an address, at once; called for each connection.
    """

    def __init__(
        self, network: PassiveNetwork, clock: Clock, name_of: Callable[[str], str | None] = lambda _: None
    ) -> None:
        self._network = network
        self._clock = clock
        self._name_of = name_of
        self._opened: WatchSocket | None = None
        self._waiting: list[ClosedConnection] = []
        self._ports = ListeningPorts()
        self._own_addresses: frozenset[str] = frozenset()
        self._no_room = 0
        self._reported = 0

    def start(self) -> None:
        """Begin to listen, on the running event loop.

        Raises:
            ProbeUnavailableError: the system does not tell; says what is missing.
        """
        if self._opened is not None:
            return
        opened = self._network.open_watch()
        self._opened = opened
        self._look_around()
        opened.listen(self._receive)

    def take(self, until_s: float) -> list[ClosedConnection]:
        """Give what closed before ``until_s`` (epoch seconds), oldest first, and forget it.

        Whether a connection was opened from outside is decided here: its listener may have come after it.
        """
        if self._opened is None:
            return []
        self._receive()
        self._look_around()
        taken = [one for one in self._waiting if one.closed_at_s < until_s]
        self._waiting = [one for one in self._waiting if one.closed_at_s >= until_s]
        return [
            one
            for one in taken
            if one.socket.local_port not in self._ports and one.socket.remote not in self._own_addresses
        ]

    def missed(self) -> int:
        """How many announcements were lost since the last question: by the kernel, or for want of room."""
        lost = self._no_room + (self._opened.lost if self._opened is not None else 0)
        new, self._reported = lost - self._reported, lost
        return max(new, 0)

    def close(self) -> None:
        """Stop listening; what waits is forgotten."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        self._waiting.clear()
        self._no_room = self._reported = 0

    def _look_around(self) -> None:
        try:
            ports = self._network.listening_ports()
        except OSError:
            # What was known a minute ago still holds, mostly.
            ports = frozenset()
        self._ports.seen(ports, self._clock.boottime())
        self._own_addresses = self._network.own_addresses()

    def _receive(self) -> None:
        if self._opened is None:
            return
        found = self._opened.receive()
        if not found:
            return
        now_s = self._clock.now()
        for one in found:
            if one.remote in _UNSPECIFIED:
                if one.local_port:
                    self._ports.gone(one.local_port, self._clock.boottime())
            elif one.local_port not in self._ports and one.remote != one.local:
                self._keep(one, now_s)

    def _keep(self, one: ClosedSocket, now_s: float) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._no_room += 1
            return
        self._waiting.append(ClosedConnection(now_s, self._name_of(one.remote), one))
