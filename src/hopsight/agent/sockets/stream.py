"""One TCP connection that is to be used: opened, and remembered as the agent's own."""

import asyncio
import errno
import os
import socket
from contextlib import ExitStack

from hopsight.agent.network import IPV4, Address
from hopsight.agent.sockets.own import OwnSockets


async def open_tcp(address: Address, port: int, timeout_s: float, own: OwnSockets) -> socket.socket:
    """Connect; the caller closes the socket, which does not block. ``own`` remembers it.

    Raises:
        OSError: there is no connection; says why in a few words.
    """
    family = socket.AF_INET if address.family == IPV4 else socket.AF_INET6
    target = (address.host, port) if address.family == IPV4 else (address.host, port, 0, address.scope_id)
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            own.note(opened)
            opened.setblocking(False)
            async with asyncio.timeout(timeout_s):
                await asyncio.get_running_loop().sock_connect(opened, target)
        except OSError as error:
            raise _told(error, timeout_s) from None
        stack.pop_all()
    return opened


def _told(error: OSError, timeout_s: float) -> OSError:
    if error.errno is None or error.errno == errno.ETIMEDOUT:
        return OSError(f"no answer within {timeout_s:.3g} s")
    return OSError(error.errno, os.strerror(error.errno).lower())
