"""One TCP connection, timed by the kernel (``TCP_INFO``, ``linux/tcp.h``)."""

import asyncio
import errno
import os
import socket
import struct
import sys
from typing import Final

from hopsight.agent.network import IPV4, Address, TcpOutcome
from hopsight.agent.own_sockets import OwnSockets
from hopsight.clock import Clock

_INFO_BYTES: Final = 104
_RTT: Final = struct.Struct("=68xI28xI")
"""tcpi_rtt (µs) and tcpi_total_retrans."""


async def connect_tcp(
    address: Address, port: int, timeout_s: float, clock: Clock, own: OwnSockets
) -> TcpOutcome:
    """Connect and close at once; whatever happens is an outcome. ``own`` remembers the socket."""
    family = socket.AF_INET if address.family == IPV4 else socket.AF_INET6
    try:
        opened = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        return TcpOutcome(sent=False, error=_text(error.errno))
    with opened:
        own.note(opened)
        opened.setblocking(False)
        started_s = clock.monotonic()
        code = opened.connect_ex(
            (address.host, port) if address.family == IPV4 else (address.host, port, 0, address.scope_id)
        )
        if code not in {0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.ECONNREFUSED}:
            return TcpOutcome(sent=False, error=_text(code))
        if code in {errno.EINPROGRESS, errno.EWOULDBLOCK}:
            code = await _finished(opened, timeout_s)
        return _outcome(opened, code, clock.monotonic() - started_s)


async def _finished(opened: socket.socket, timeout_s: float) -> int:
    """Wait until connected or refused: the socket's error number, ETIMEDOUT when nothing came."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(opened.fileno(), ready.set)
    try:
        async with asyncio.timeout(timeout_s):
            await ready.wait()
    except TimeoutError:
        return errno.ETIMEDOUT
    finally:
        loop.remove_writer(opened.fileno())
    return opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def _outcome(opened: socket.socket, code: int, elapsed_s: float) -> TcpOutcome:
    rtt_us, retransmits = _kernel_info(opened)
    if code:
        reset = code == errno.ECONNREFUSED
        return TcpOutcome(
            sent=True, reset=reset, elapsed_s=elapsed_s, retransmits=retransmits, error=_text(code)
        )
    # After a retransmission the kernel has no sample: it cannot tell which SYN was answered.
    kernel_rtt_s = rtt_us / 1e6 if rtt_us and not retransmits else None
    return TcpOutcome(
        sent=True,
        connected=True,
        kernel_rtt_s=kernel_rtt_s,
        elapsed_s=elapsed_s,
        retransmits=retransmits,
    )


def _kernel_info(opened: socket.socket) -> tuple[int, int]:
    if sys.platform != "linux":
        return 0, 0
    info = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    if len(info) < _RTT.size:
        return 0, 0
    rtt_us, retransmits = _RTT.unpack_from(info)
    return rtt_us, retransmits


def _text(code: int | None) -> str:
    if code == errno.ETIMEDOUT:
        return "no answer in time"
    return os.strerror(code or 0).lower()
