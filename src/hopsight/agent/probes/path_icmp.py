"""Traces by echo requests: all times to live at once, many traces over one socket, one checksum a trace."""

import asyncio
import contextlib
import random
from typing import Final

from hopsight.agent.network import Address, EchoReply, HopAnswer, PathEvent, PathSocket, SendStamp
from hopsight.agent.path.packets import TOKEN_BYTES, flow_payload
from hopsight.agent.probes.path_hops import MAX_TTL, HopTable
from hopsight.clock import Clock

_SEQUENCES: Final = 1 << 16
_STEP_TOLERANCE_S: Final = 0.001
_TIMER_GRACE_S: Final = 0.005
_BURST: Final = 4
"""Probes that go out together: each is another router's to answer, and waking up costs more than sending."""
_BURST_GAP_S: Final = 0.02
TIMEOUT_S: Final = 1.0
_FURTHER_PROBES: Final = 2
_BEYOND: Final = 3
"""Hops behind the last that answered which are asked again, when the destination is silent."""


class _Probe:
    """One echo request, and what is known of it."""

    __slots__ = ("answered", "key", "payload", "sent_ns", "sent_s", "sent_wall_s", "sequence", "trace", "ttl")

    def __init__(self, trace: "IcmpTrace", ttl: int, sequence: int, payload: bytes) -> None:
        self.trace = trace
        self.ttl = ttl
        self.sequence = sequence
        self.payload = payload
        self.key = -1
        self.sent_s = 0.0
        self.sent_wall_s = 0.0
        self.sent_ns: int | None = None
        self.answered = False

    def rtt_ms(self, now_s: float, kernel_ns: int | None) -> float:
        """Kernel time where both ends have it and the clocks agree, else the program's own."""
        monotonic_s = now_s - self.sent_s
        if kernel_ns is not None and self.sent_ns is not None:
            kernel_s = (kernel_ns - self.sent_ns) / 1e9
            if 0 <= kernel_s <= monotonic_s + _STEP_TOLERANCE_S:
                return kernel_s * 1000
        return monotonic_s * 1000


class PathEngine:
    """Sends for many traces over one socket, and hands each its answers. One per family and process."""

    def __init__(self, opened: PathSocket, clock: Clock, rng: random.Random) -> None:
        self._socket = opened
        self._clock = clock
        self._by_sequence: dict[int, _Probe] = {}
        self._by_key: dict[int, _Probe] = {}
        self._sequence = rng.randrange(_SEQUENCES)
        self.strangers = 0
        opened.listen(self.receive)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def send(self, trace: "IcmpTrace", ttl: int) -> _Probe:
        """Send one probe.

        Raises:
            OSError: the kernel did not accept it, or 65,536 are under way.
        """
        sequence = self._free_sequence()
        probe = _Probe(trace, ttl, sequence, trace.payload(sequence))
        self._by_sequence[sequence] = probe
        try:
            self._transmit(probe)
        except OSError:
            del self._by_sequence[sequence]
            raise
        self._by_key[probe.key] = probe
        return probe

    def receive(self) -> None:
        """Take in what has arrived."""
        events = self._socket.receive()
        now_s = self._clock.monotonic()
        # A send stamp may stand behind the answer that it times.
        for event in events:
            if isinstance(event, SendStamp):
                self._stamp(event)
        for event in events:
            if not isinstance(event, SendStamp):
                self._dispatch(event, now_s)

    def forget(self, probe: _Probe) -> None:
        """Drop a probe whose trace is over."""
        self._by_sequence.pop(probe.sequence, None)
        self._by_key.pop(probe.key, None)

    def _transmit(self, probe: _Probe) -> None:
        try:
            self._send_timed(probe)
        except OSError:
            # A router's answer to an earlier probe may be what failed: take it in, try again.
            self.receive()
            self._send_timed(probe)

    def _send_timed(self, probe: _Probe) -> None:
        probe.sent_wall_s = self._clock.now()
        probe.sent_s = self._clock.monotonic()
        probe.key = self._socket.send(probe.trace.address, probe.ttl, probe.sequence, probe.payload)

    def _free_sequence(self) -> int:
        if len(self._by_sequence) >= _SEQUENCES:
            raise OSError(f"{_SEQUENCES} probes are under way already")
        while self._sequence in self._by_sequence:
            self._sequence = (self._sequence + 1) % _SEQUENCES
        taken = self._sequence
        self._sequence = (self._sequence + 1) % _SEQUENCES
        return taken

    def _stamp(self, event: SendStamp) -> None:
        probe = self._by_key.pop(event.key, None)
        # A stamp from before its own sending belongs to another probe.
        if probe is not None and event.kernel_ns >= (probe.sent_wall_s - _STEP_TOLERANCE_S) * 1e9:
            probe.sent_ns = event.kernel_ns

    def _dispatch(self, event: EchoReply | HopAnswer, now_s: float) -> None:
        probe = self._by_sequence.get(event.sequence)
        if probe is None or probe.answered or not _believed(event, probe):
            self.strangers += 1
            return
        probe.answered = True
        probe.trace.take(probe, event, probe.rtt_ms(now_s, event.kernel_ns))


def _believed(event: PathEvent, probe: _Probe) -> bool:
    if isinstance(event, EchoReply):
        return event.address == probe.trace.address and event.payload == probe.payload
    if isinstance(event, SendStamp):
        return False
    # Routers quote as little as the header, and pad what they quote.
    quoted = min(len(event.payload), len(probe.payload))
    same_host = event.destination.host == probe.trace.address.host
    return same_host and event.payload[:quoted] == probe.payload[:quoted]


class IcmpTrace:
    """One trace of the path to an address.

    Args:
        flow: 0..65534; traces of one flow take the same branches.
        first_ttl_end: how far to look at first; farther only if the path did not end there.
    """

    def __init__(
        self, engine: PathEngine, address: Address, flow: int, token: bytes, first_ttl_end: int = MAX_TTL
    ) -> None:
        if len(token) != TOKEN_BYTES:
            raise ValueError("a token has another length")
        self.address = address
        self.table = HopTable(address.host)
        self.error: str | None = None
        self._engine = engine
        self._flow = flow
        self._token = token
        self._first_ttl_end = min(first_ttl_end, MAX_TTL)
        self._probes: list[_Probe] = []
        self._answered = asyncio.Event()

    def payload(self, sequence: int) -> bytes:
        """What a probe with this sequence number carries."""
        return flow_payload(sequence, self._token, self._flow)

    def take(self, probe: _Probe, event: EchoReply | HopAnswer, rtt_ms: float) -> None:
        """Note an answer that was found to be for ``probe``."""
        if isinstance(event, EchoReply):
            self.table.note(probe.ttl, self.address.host, rtt_ms, final=True)
        elif event.router is None:
            self.error = event.reason
        else:
            self.table.note(probe.ttl, event.router.host, rtt_ms, event.mpls, final=not event.expired)
        self._answered.set()

    async def explore(self, clock: Clock) -> None:
        """One probe to each time to live, until the path's end has answered, or time is up."""
        await self._send(clock, range(1, self._first_ttl_end + 1))
        if self._first_ttl_end < MAX_TTL:
            await self._wait(TIMEOUT_S / 2)
            await self._send(clock, range(self._first_ttl_end + 1, MAX_TTL + 1))
        await self._wait(TIMEOUT_S)

    async def refine(self, clock: Clock) -> None:
        """Two more to each, up to the end; silent ones get time to answer."""
        end = self.table.end if self.table.ended else min(self.table.last + _BEYOND, MAX_TTL)
        if self.table.last == 0:
            return
        await self._send(clock, [*range(1, end + 1)] * _FURTHER_PROBES)
        await self._wait(TIMEOUT_S, everything=True)

    def finish(self) -> None:
        """Forget the probes: what comes from now on is nobody's."""
        self._engine.receive()
        for probe in self._probes:
            self._engine.forget(probe)

    async def _send(self, clock: Clock, ttls: range | list[int]) -> None:
        for start in range(0, len(ttls), _BURST):
            wanted = [ttl for ttl in ttls[start : start + _BURST] if ttl <= self.table.end]
            if not wanted:
                continue
            for ttl in wanted:
                self._send_one(ttl)
            # Send stamps are there already: that saves waking up for them.
            self._engine.receive()
            await clock.sleep(_BURST_GAP_S)

    def _send_one(self, ttl: int) -> None:
        self.table.note_sent(ttl)
        try:
            self._probes.append(self._engine.send(self, ttl))
        except OSError as error:
            self.table.take_back(ttl)
            self.error = f"cannot send: {(error.strerror or str(error)).lower()}"

    async def _wait(self, timeout_s: float, *, everything: bool = False) -> None:
        """Wait for the path's end, or for an answer to every probe that is not beyond it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s + _TIMER_GRACE_S):
                while not self._enough(everything=everything):
                    self._answered.clear()
                    await self._answered.wait()

    def _enough(self, *, everything: bool) -> bool:
        if not self._probes:
            return True
        if not everything:
            return self.table.ended
        return self.table.ended and all(
            probe.answered for probe in self._probes if probe.ttl <= self.table.end
        )
