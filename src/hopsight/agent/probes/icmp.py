"""Echo requests to many addresses over one socket, timed by the kernel (MEASUREMENT.md, the table)."""

import asyncio
import random
from typing import Final

from hopsight.agent.network import Address, EchoReply, IcmpEvent, IcmpSocket, Refusal
from hopsight.agent.pacing import paced
from hopsight.agent.results import CLOCK_STEPPED, USER_SPACE_TIME, PingResult, ProbeOptions
from hopsight.clock import Clock

_TOKEN_BYTES: Final = 16
_PADDING: Final = bytes(40)
"""With the token 56 bytes, as ping sends: some networks treat other sizes differently."""
_SEQUENCES: Final = 1 << 16
_STEP_TOLERANCE_S: Final = 0.001
_TIMER_GRACE_S: Final = 0.005
_MAX_ERRORS: Final = 8


class _Probe:
    """One echo request, and what is known of it."""

    __slots__ = (
        "answered_ns",
        "answered_s",
        "key",
        "payload",
        "refused",
        "sent_ns",
        "sent_s",
        "sent_wall_s",
        "sequence",
        "series",
    )

    def __init__(self, series: "IcmpSeries", sequence: int, payload: bytes) -> None:
        self.series = series
        self.sequence = sequence
        self.payload = payload
        self.key = -1
        self.sent_s = 0.0
        self.sent_wall_s = 0.0
        self.sent_ns: int | None = None
        self.answered_s: float | None = None
        self.answered_ns: int | None = None
        self.refused = False

    def rtt_s(self) -> tuple[float, str | None] | None:
        """Round-trip time and the flag that it wants; None while unanswered."""
        if self.answered_s is None:
            return None
        monotonic_s = self.answered_s - self.sent_s
        if self.sent_ns is None or self.answered_ns is None:
            return monotonic_s, USER_SPACE_TIME
        kernel_s = (self.answered_ns - self.sent_ns) / 1e9
        if 0 <= kernel_s <= monotonic_s + _STEP_TOLERANCE_S:
            return kernel_s, None
        return monotonic_s, CLOCK_STEPPED


class IcmpEngine:
    """Sends for many series over one socket, and hands each its answers. One per family and process."""

    def __init__(self, icmp: IcmpSocket, clock: Clock, rng: random.Random) -> None:
        self._socket = icmp
        self._clock = clock
        self._rng = rng
        self._by_sequence: dict[int, _Probe] = {}
        self._by_key: dict[int, _Probe] = {}
        self._sequence = rng.randrange(_SEQUENCES)
        self.strangers = 0
        icmp.listen(self.receive)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def send(self, series: "IcmpSeries", address: Address) -> _Probe:
        """Send one probe.

        Raises:
            OSError: the kernel did not accept it, or 65,536 are under way.
        """
        probe = _Probe(series, self._free_sequence(), self._rng.randbytes(_TOKEN_BYTES) + _PADDING)
        self._by_sequence[probe.sequence] = probe
        try:
            self._transmit(probe, address)
        except OSError:
            del self._by_sequence[probe.sequence]
            raise
        self._by_key[probe.key] = probe
        # The send stamp is mostly there already, on loopback the reply too: that saves waking up for them.
        self.receive()
        return probe

    def receive(self) -> None:
        """Take in what has arrived."""
        events = self._socket.receive()
        now_s = self._clock.monotonic()
        for event in events:
            self._dispatch(event, now_s)

    def forget(self, probe: _Probe) -> None:
        """Drop a probe whose series is over."""
        self._by_sequence.pop(probe.sequence, None)
        self._by_key.pop(probe.key, None)

    def _transmit(self, probe: _Probe, address: Address) -> None:
        try:
            self._send_stamped(probe, address)
        except OSError:
            # A socket reports a refusal of any earlier probe at the next send: take it in, try again.
            self.receive()
            self._send_stamped(probe, address)

    def _send_stamped(self, probe: _Probe, address: Address) -> None:
        probe.sent_wall_s = self._clock.now()
        probe.sent_s = self._clock.monotonic()
        probe.key = self._socket.send(address, probe.sequence, probe.payload)

    def _free_sequence(self) -> int:
        if len(self._by_sequence) >= _SEQUENCES:
            raise OSError(f"{_SEQUENCES} probes are under way already")
        while self._sequence in self._by_sequence:
            self._sequence = (self._sequence + 1) % _SEQUENCES
        taken = self._sequence
        self._sequence = (self._sequence + 1) % _SEQUENCES
        return taken

    def _dispatch(self, event: IcmpEvent, now_s: float) -> None:
        if isinstance(event, EchoReply | Refusal):
            probe = self._by_sequence.get(event.sequence)
            if probe is None:
                self.strangers += 1
            else:
                probe.series.take(probe, event, now_s)
            return
        stamped = self._by_key.pop(event.key, None)
        # A stamp from before its own sending belongs to another probe.
        if stamped is not None and event.kernel_ns >= (stamped.sent_wall_s - _STEP_TOLERANCE_S) * 1e9:
            stamped.sent_ns = event.kernel_ns


class IcmpSeries:
    """A series of probes to one address."""

    def __init__(self, engine: IcmpEngine, address: Address, options: ProbeOptions, clock: Clock) -> None:
        self._engine = engine
        self._address = address
        self._options = options
        self._clock = clock
        self._probes: list[_Probe] = []
        self._undecided = 0
        self._decided = asyncio.Event()
        self._errors: dict[str, None] = {}
        self._duplicates = 0
        self._strangers = 0
        self._prohibited = 0
        self.sign = asyncio.Event()
        """Set when there is an answer or a prohibition, and when the series is over."""
        self.answered = False

    async def run(self, phase_s: float) -> None:
        """Send, and wait until every probe is answered, refused or lost."""
        options = self._options
        async for _ in paced(self._clock, options.count, options.interval_s, phase_s):
            self._send()
        try:
            async with asyncio.timeout(options.timeout_s + _TIMER_GRACE_S):
                while self._undecided:
                    self._decided.clear()
                    await self._decided.wait()
        except TimeoutError:
            pass
        self.sign.set()

    def take(self, probe: _Probe, event: EchoReply | Refusal, now_s: float) -> None:
        """Judge an answer that bears the sequence number of ``probe``."""
        if isinstance(event, Refusal):
            self._refused(probe, event)
        elif event.address != self._address or event.payload != probe.payload:
            self._strangers += 1
        elif probe.answered_s is not None:
            self._duplicates += 1
        else:
            probe.answered_s = now_s
            probe.answered_ns = event.kernel_ns
            self.answered = True
            self._decide(probe)
            self.sign.set()

    def finish(self) -> PingResult:
        """Give the result, and forget the probes: what comes from now on is nobody's."""
        self._engine.receive()
        for probe in self._probes:
            self._engine.forget(probe)
        rtts_ms, flags, late = self._judged()
        return PingResult(
            protocol="icmp",
            pkts_sent=len(self._probes),
            duplicates=self._duplicates,
            late=late,
            strangers=self._strangers,
            prohibited=self._prohibited,
            rtts_ms=tuple(rtts_ms),
            flags=tuple(flags),
            errors=tuple(self._errors),
        )

    def _judged(self) -> tuple[list[float], list[str], int]:
        rtts_ms: list[float] = []
        flags: dict[str, None] = {}
        late = 0
        for probe in self._probes:
            timed = probe.rtt_s()
            if timed is None:
                continue
            rtt_s, flag = timed
            if rtt_s > self._options.timeout_s:
                late += 1
                continue
            rtts_ms.append(rtt_s * 1000)
            if flag is not None:
                flags[flag] = None
        return rtts_ms, list(flags), late

    def _send(self) -> None:
        self._undecided += 1
        try:
            probe = self._engine.send(self, self._address)
        except OSError as error:
            self._undecided -= 1
            self._note(f"cannot send: {(error.strerror or str(error)).lower()}")
            return
        self._probes.append(probe)

    def _refused(self, probe: _Probe, refusal: Refusal) -> None:
        quoted = min(len(refusal.payload), len(probe.payload))
        if refusal.address != self._address or refusal.payload[:quoted] != probe.payload[:quoted]:
            self._strangers += 1
            return
        self._note(refusal.reason)
        if refusal.prohibited and not probe.refused:
            self._prohibited += 1
            self.sign.set()
        self._decide(probe)
        probe.refused = True

    def _decide(self, probe: _Probe) -> None:
        # A refused probe may still be answered, by another path: it was decided once.
        if probe.refused:
            return
        self._undecided -= 1
        self._decided.set()

    def _note(self, error: str) -> None:
        if len(self._errors) < _MAX_ERRORS:
            self._errors[error] = None
