"""Which connections others opened to this machine: those whose local port somebody here accepts them on."""

from collections.abc import Iterable
from typing import Final

_SEEN_S: Final = 86_400.0
"""An accepted connection may outlive its listener; nobody else gets the port while it does."""
_GONE_S: Final = 180.0


class ListeningPorts:
    """Ports known to be listened on, lately.

    Those of a listener seen in the kernel's list are remembered for a day. A socket that had a port and no
    other end when it closed may have listened between two looks: its port is remembered for three minutes, so
    that programs that take a port and let it go do not make clients pass for servers.
    """

    def __init__(self) -> None:
        self._until_s: dict[int, float] = {}

    def __contains__(self, port: int) -> bool:
        return port in self._until_s

    def seen(self, ports: Iterable[int], now_s: float) -> None:
        """The kernel's list, at ``now_s`` (boot-time seconds); what is too old is forgotten."""
        self._until_s = {port: until_s for port, until_s in self._until_s.items() if until_s > now_s}
        for port in ports:
            self._until_s[port] = now_s + _SEEN_S

    def gone(self, port: int, now_s: float) -> None:
        """A socket without another end closed."""
        self._until_s[port] = max(self._until_s.get(port, 0.0), now_s + _GONE_S)
