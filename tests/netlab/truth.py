"""From the log of the link to what a perfect tool would have found."""

import math
from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from tests.netlab.network import PING_TTL
from tests.netlab.world import Event

_ANSWERED: Final = {"answered", "duplicated"}
_NS_PER_S: Final = 1e9


class Truth(Struct, frozen=True, kw_only=True):
    """What became of the probes to one address.

    Args:
        sent: pings that reached the link.
        received: of those, answered within the timeout.
        late: answered after it.
        duplicates: answered twice.
        rtts_ms: by the kernel's capture of the link, in the order sent (where that has a gap: by the log).
        log_rtts_ms: by the emulator's own clock: from reading a packet to writing its answer.
        connections: tried, by the client's port.
        connections_lost: those whose first SYN was not answered, whatever came of the next.
        syn_rtts_ms: of the others: from that SYN to its answer.
    """

    sent: int
    received: int
    late: int
    duplicates: int
    rtts_ms: tuple[float, ...]
    log_rtts_ms: tuple[float, ...]
    connections: int
    connections_lost: int
    syn_rtts_ms: tuple[float, ...]

    @property
    def loss_percent(self) -> float:
        """Of the pings."""
        return 100 * (self.sent - self.received) / self.sent

    @property
    def avg_rtt_ms(self) -> float:
        """Mean."""
        return math.fsum(self.rtts_ms) / len(self.rtts_ms)

    @property
    def mean_dev_rtt_ms(self) -> float:
        """Population standard deviation."""
        average = self.avg_rtt_ms
        return math.sqrt(math.fsum((rtt - average) ** 2 for rtt in self.rtts_ms) / len(self.rtts_ms))


def truth_of(events: Sequence[Event], address: str, timeout_s: float = 1.0) -> Truth:
    """The truth about one address; the probes of a trace are no pings."""
    pings = [
        event
        for event in events
        if event.kind == "echo" and event.address == address and event.ttl == PING_TTL
    ]
    first_syns: dict[int, Event] = {}
    for event in events:
        if event.kind == "syn" and event.address == address and event.ttl == PING_TTL:
            first_syns.setdefault(event.key, event)
    answered = [event for event in pings if event.fate in _ANSWERED and event.left_ns]
    in_time = [event for event in answered if rtt_ns(event) <= timeout_s * _NS_PER_S]
    return Truth(
        sent=len(pings),
        received=len(in_time),
        late=len(answered) - len(in_time),
        duplicates=sum(event.fate == "duplicated" for event in pings),
        rtts_ms=tuple(rtt_ns(event) / 1e6 for event in in_time),
        log_rtts_ms=tuple((event.left_ns - event.arrived_ns) / 1e6 for event in in_time),
        connections=len(first_syns),
        connections_lost=sum(event.fate != "answered" for event in first_syns.values()),
        syn_rtts_ms=tuple(
            rtt_ns(event) / 1e6 for event in first_syns.values() if event.fate == "answered" and event.left_ns
        ),
    )


def rtt_ns(event: Event) -> int:
    """How long an answer took, by the kernel's capture if it has both packets."""
    if event.sent_ns and event.received_ns:
        return event.received_ns - event.sent_ns
    return event.left_ns - event.arrived_ns


def timing_errors_us(events: Sequence[Event]) -> list[float]:
    """How much later than due each answer left."""
    return [(event.left_ns - event.due_ns) / 1e3 for event in events if event.left_ns]
