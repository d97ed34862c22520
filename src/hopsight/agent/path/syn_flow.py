"""SYNs of one flow with short lives, unprivileged, on Linux.

Every SYN has a socket of its own, and all are bound to one port: addresses and ports, which routers choose
branches by, stay the same. The kernel allows one socket at a time with these four, so SYNs go one by one.
"""

import asyncio
import contextlib
import errno
import os
import socket
import struct
import sys
from collections.abc import Callable
from typing import Final

from hopsight.agent.network import IPV4, Address, SynAnswer
from hopsight.agent.path import errors as path_errors
from hopsight.agent.path.packets import mpls_labels
from hopsight.clock import Clock
from hopsight.errors import ProbeUnavailableError

_UNDER_WAY: Final = {0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.ECONNREFUSED}
_INFO_BYTES: Final = 104
_RTT: Final = struct.Struct("=68xI28xI")
"""tcpi_rtt (µs) and tcpi_total_retrans (``linux/tcp.h``)."""
_RESET_AT_CLOSE: Final = struct.pack("ii", 1, 0)
_STEP_TOLERANCE_S: Final = 0.001


class SystemSynFlow:
    """One flow (``SynFlow``); ``on_open`` hears of each of its sockets before it is connected.

    Raises:
        OSError: the kernel gives no port.
    """

    def __init__(
        self, address: Address, port: int, clock: Clock, on_open: Callable[[socket.socket], None] | None
    ) -> None:
        self._address = address
        self._family = address.family
        self._port = port
        self._clock = clock
        self._on_open = on_open
        self._source_port = 0
        # Bound, never connected: keeps the port while one probe's socket goes and the next comes.
        self._holder = self._bound()
        self._source_port = self._holder.getsockname()[1]

    async def probe(self, ttl: int, timeout_s: float) -> SynAnswer | None:
        """Send a SYN that lives for ``ttl`` hops, and wait for what comes; None: nothing in time.

        Raises:
            OSError: the kernel did not accept it.
        """
        with self._bound() as opened:
            path_errors.report_errors(opened, self._family)
            path_errors.stamp_packets(opened, path_errors.RX_SOFTWARE | path_errors.SOFTWARE)
            path_errors.set_ttl(opened, self._family, ttl)
            sent_wall_s, sent_s = self._clock.now(), self._clock.monotonic()
            code = opened.connect_ex(path_errors.sockaddr(self._address, self._port))
            if code not in _UNDER_WAY:
                raise OSError(code, os.strerror(code))
            if code not in {0, errno.ECONNREFUSED}:
                found = await self._finished(opened, timeout_s)
                if found is None:
                    return None
                code = found
            return self._answer(opened, code, sent_wall_s, self._clock.monotonic() - sent_s)

    def close(self) -> None:
        """Give the port back."""
        self._holder.close()

    def _bound(self) -> socket.socket:
        opened = socket.socket(
            socket.AF_INET if self._family == IPV4 else socket.AF_INET6, socket.SOCK_STREAM
        )
        try:
            if self._on_open is not None:
                self._on_open(opened)
            opened.setblocking(False)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # A connection is over at once: lingering, it would keep the next SYN from using the port.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            opened.bind(("0.0.0.0" if self._family == IPV4 else "::", self._source_port))  # noqa: S104
        except OSError:
            opened.close()
            raise
        return opened

    async def _finished(self, opened: socket.socket, timeout_s: float) -> int | None:
        ready = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_writer(opened.fileno(), ready.set)
        try:
            async with asyncio.timeout(timeout_s):
                await ready.wait()
        except TimeoutError:
            # A loop that was held up finds answer and timeout at the same time: the answer was there first.
            if not ready.is_set():
                return None
        finally:
            loop.remove_writer(opened.fileno())
        return opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def _answer(
        self, opened: socket.socket, code: int, sent_wall_s: float, elapsed_s: float
    ) -> SynAnswer | None:
        error = self._queued(opened)
        if error is None:
            if code not in {0, errno.ECONNREFUSED}:
                return None
            rtt_s = _kernel_rtt_s(opened) or elapsed_s
            return SynAnswer(router=self._address, expired=False, reached=True, rtt_s=rtt_s)
        queued, data = error
        reached = queued.offender == self._address and not queued.expired
        if not (queued.expired or reached) and path_errors.is_local(queued.offender):
            raise OSError(errno.EHOSTUNREACH, queued.reason)
        rtt_s = elapsed_s
        if queued.kernel_ns is not None:
            kernel_s = queued.kernel_ns / 1e9 - sent_wall_s
            rtt_s = kernel_s if 0 <= kernel_s <= elapsed_s + _STEP_TOLERANCE_S else elapsed_s
        return SynAnswer(
            router=queued.offender,
            expired=queued.expired,
            reached=reached,
            rtt_s=rtt_s,
            mpls=mpls_labels(data, self._family, queued.extension_at),
        )

    def _queued(self, opened: socket.socket) -> tuple[path_errors.QueuedError, bytes] | None:
        with contextlib.suppress(OSError):
            data, ancillary, _, _ = opened.recvmsg(
                path_errors.MAX_PACKET, path_errors.MAX_ANCILLARY, path_errors.MSG_ERRQUEUE
            )
            queued = path_errors.read_ancillary(self._family, ancillary)
            if isinstance(queued, path_errors.QueuedError):
                return queued, data
        return None


def _kernel_rtt_s(opened: socket.socket) -> float | None:
    info = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    if len(info) < _RTT.size:
        return None
    rtt_us, retransmits = _RTT.unpack_from(info)
    return rtt_us / 1e6 if rtt_us and not retransmits else None


def open_syn_flow(
    address: Address, port: int, clock: Clock, on_open: Callable[[socket.socket], None] | None = None
) -> SystemSynFlow:
    """A flow of SYNs to a port; ``on_open`` hears of each of its sockets before it is connected.

    Raises:
        OSError: the kernel gives no port to send from.
        ProbeUnavailableError: not built for this system.
    """
    if sys.platform != "linux":
        raise ProbeUnavailableError("tracing paths is built for Linux only as yet")
    return SystemSynFlow(address, port, clock, on_open)
