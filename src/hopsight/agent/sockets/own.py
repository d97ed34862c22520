"""Which connections are the agent's own: its probes and uploads are no traffic of this machine's people.

The kernel gives every socket a number that is never used again while it runs (``SO_COOKIE``, Linux 4.12), and
names a closed connection by it. Ports would not do: they are used again within seconds.
"""

import socket
import struct
import sys
from typing import Any, Final

_SO_COOKIE: Final = 57
_COOKIE: Final = struct.Struct("=Q")
_MAX_COOKIES: Final = 16_384


class OwnSockets:
    """Cookies of sockets that the agent opened and that are not known to have closed.

    Args:
        limit: most that are remembered; the oldest are let go.
    """

    def __init__(self, limit: int = _MAX_COOKIES) -> None:
        self._limit = limit
        self._cookies: dict[int, None] = {}
        self._watching = False

    def watch(self) -> None:
        """Remember from now on; before, nobody asks."""
        self._watching = True

    def forget(self) -> None:
        """Nobody asks any more."""
        self._watching = False
        self._cookies.clear()

    def note(self, opened: socket.socket) -> None:
        """Remember a TCP socket; to be called before it is connected."""
        if not self._watching or sys.platform != "linux":
            return
        try:
            cookie = _COOKIE.unpack(opened.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, _COOKIE.size))[0]
        except OSError:
            return
        while len(self._cookies) >= self._limit:
            del self._cookies[next(iter(self._cookies))]
        self._cookies[cookie] = None

    def closed(self, cookie: int) -> bool:
        """Whether the socket that closed was one of ours; it is forgotten then."""
        return self._cookies.pop(cookie, self) is not self

    def make(self, address_info: tuple[Any, ...]) -> socket.socket:
        """Open and remember a socket: a ``socket_factory`` for aiohttp's connector."""
        family, kind, number, *_ = address_info
        opened = socket.socket(family, kind, number)
        self.note(opened)
        return opened
