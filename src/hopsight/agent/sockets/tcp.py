"""One TCP connection, timed by the kernel (``TCP_INFO``, ``linux/tcp.h``).

Error numbers blur who refused: an ICMP error comes as "connection refused" or "no route to host". The
socket's error queue has the ICMP type and code (``IP_RECVERR``, ``linux/errqueue.h``).
"""

import asyncio
import errno
import os
import socket
import struct
import sys
from typing import Final

from hopsight.agent.network import IPV4, Address, Family, TcpOutcome
from hopsight.agent.sockets.own import OwnSockets
from hopsight.agent.sockets.refusals import refusal_reason
from hopsight.clock import Clock

_INFO_BYTES: Final = 104
_RTT: Final = struct.Struct("=68xI28xI")
"""tcpi_rtt (µs) and tcpi_total_retrans."""
_RECVERR: Final = {4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}
_MSG_ERRQUEUE: Final = getattr(socket, "MSG_ERRQUEUE", 0)
_EXTENDED_ERROR: Final = struct.Struct("=4xBBB")
"""ee_origin, ee_type and ee_code."""
_ORIGINS_ICMP: Final = {2, 3}
_MAX_PACKET, _MAX_ANCILLARY = 256, 256


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
        if sys.platform == "linux":
            opened.setsockopt(*_RECVERR[address.family], 1)
        started_s = clock.monotonic()
        code = opened.connect_ex(
            (address.host, port) if address.family == IPV4 else (address.host, port, 0, address.scope_id)
        )
        if code not in {0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.ECONNREFUSED}:
            return TcpOutcome(sent=False, error=_text(code))
        if code in {errno.EINPROGRESS, errno.EWOULDBLOCK}:
            code = await _finished(opened, timeout_s)
        return _outcome(opened, address.family, code, clock.monotonic() - started_s)


async def _finished(opened: socket.socket, timeout_s: float) -> int:
    """Wait until connected or refused: the socket's error number, ETIMEDOUT when nothing came."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(opened.fileno(), ready.set)
    try:
        async with asyncio.timeout(timeout_s):
            await ready.wait()
    except TimeoutError:
        # It may have been answered in time while this program was held up: the kernel knows.
        return opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or _unanswered(opened)
    finally:
        loop.remove_writer(opened.fileno())
    return opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def _unanswered(opened: socket.socket) -> int:
    try:
        opened.getpeername()
    except OSError:
        return errno.ETIMEDOUT
    return 0


def _outcome(opened: socket.socket, family: Family, code: int, elapsed_s: float) -> TcpOutcome:
    rtt_us, retransmits = _kernel_info(opened)
    if code:
        reason, prohibited = _icmp_error(opened, family) or (None, False)
        return TcpOutcome(
            sent=True,
            reset=code == errno.ECONNREFUSED and reason is None,
            elapsed_s=elapsed_s,
            retransmits=retransmits,
            error=reason or _text(code),
            prohibited=prohibited,
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


def _icmp_error(opened: socket.socket, family: Family) -> tuple[str, bool] | None:
    """What an ICMP error said, and whether it is a prohibition; None: there was none."""
    if not _MSG_ERRQUEUE:
        return None
    try:
        _, ancillary, _, _ = opened.recvmsg(_MAX_PACKET, _MAX_ANCILLARY, _MSG_ERRQUEUE)
    except OSError:
        return None
    for level, what, value in ancillary:
        if (level, what) == _RECVERR[family] and len(value) >= _EXTENDED_ERROR.size:
            origin, kind, code = _EXTENDED_ERROR.unpack_from(value)
            return refusal_reason(family, kind, code) if origin in _ORIGINS_ICMP else None
    return None


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
