"""What probes are asked for, and what they find; the statistics over it (MEASUREMENT.md, the table)."""

import math
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

Protocol = Literal["icmp", "tcp"]

DEFAULT_TCP_PORT: Final = 443
"""Where TCP goes when a target names no port: a guess, and results say so."""

USER_SPACE_TIME: Final = "user-space time"
CLOCK_STEPPED: Final = "clock stepped"


class ProbeOptions(Struct, frozen=True, kw_only=True):
    """How to measure one target.

    Args:
        count: probes in a series.
        interval_s: from one probe to the next.
        timeout_s: a reply that takes longer is late, and the probe lost.
        protocol: ``auto``, ``icmp`` or ``tcp``; None: what the target asks for.
        gateway: ping the gateway on the way, too.
        path: trace the path, too.
        family: 4 or 6: only addresses of this family; None: one measurement for each that the name has.
    """

    count: int = 10
    interval_s: float = 1.0
    timeout_s: float = 1.0
    protocol: Literal["auto", "icmp", "tcp"] | None = None
    gateway: bool = True
    path: bool = False
    family: Literal[4, 6] | None = None

    @property
    def window_s(self) -> float:
        """Length of the plain window: what the machine's own load is sampled over."""
        return self.count * self.interval_s


class PingResult(Struct, frozen=True, kw_only=True):
    """One series of probes to one address, by ICMP or by TCP.

    Args:
        pkts_sent: probes that the kernel accepted.
        duplicates: further answers to a probe that had one.
        late: first answers that came after the timeout.
        strangers: answers with the wrong address or token.
        prohibited: probes answered "administratively prohibited".
        resets: TCP probes that were answered by a reset.
        rtts_ms: of the probes received, in the order sent.
        flags: what a reader of the times should know.
        errors: why probes could not be sent, or were refused on the way; each once.
    """

    protocol: Protocol
    pkts_sent: int = 0
    duplicates: int = 0
    late: int = 0
    strangers: int = 0
    prohibited: int = 0
    resets: int = 0
    rtts_ms: tuple[float, ...] = ()
    flags: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def loss_percent(self) -> float | None:
        """Share of the sent probes that stayed unanswered; None when nothing was sent."""
        if self.pkts_sent == 0:
            return None
        return 100 * (self.pkts_sent - self.pkts_received) / self.pkts_sent

    @property
    def pkts_received(self) -> int:
        """Distinct probes answered in time."""
        return len(self.rtts_ms)

    @property
    def statistics(self) -> "RttStatistics | None":
        """Over the probes received; None when there are none."""
        return rtt_statistics(self.rtts_ms)


class RttStatistics(Struct, frozen=True, kw_only=True):
    """Four numbers over round-trip times, ms."""

    min_rtt_ms: float
    avg_rtt_ms: float
    max_rtt_ms: float
    mean_dev_rtt_ms: float


class ConnectResult(Struct, frozen=True, kw_only=True):
    """One TCP connection.

    Args:
        port: where to.
        port_guessed: the target names no port.
        rtt_ms: the kernel's handshake time; None without an answer.
        reset: the answer was a reset.
        retransmits: SYNs that were sent again.
        flags: as in ``PingResult``.
        error: why there is no connection.
    """

    port: int
    port_guessed: bool = False
    rtt_ms: float | None = None
    reset: bool = False
    retransmits: int = 0
    flags: tuple[str, ...] = ()
    error: str | None = None

    @property
    def answered(self) -> bool:
        """Whether the host spoke: a connection or a reset, not silence and not a router's refusal."""
        return self.rtt_ms is not None or self.reset


class HopResult(Struct, frozen=True, kw_only=True):
    """What answered at one time to live.

    Args:
        number: the time to live, from 1.
        address: who answered; None: nobody did.
        rtt_ms: lowest of its probes.
        pkts_sent: probes at this time to live.
        pkts_received: of those, answered.
        mpls: labels that the router quoted, ``L=301472,E=0,S=1,T=1``.
        name: by reverse look-up; None: none, or not looked up.
        asn: number of the autonomous system; None: not public, or no database (as ``prefix``).
    """

    number: int
    address: str | None = None
    rtt_ms: float | None = None
    pkts_sent: int = 0
    pkts_received: int = 0
    mpls: tuple[str, ...] = ()
    name: str | None = None
    asn: int | None = None
    prefix: str | None = None


class PathResult(Struct, frozen=True, kw_only=True):
    """One trace: one path, hop by hop, up to the destination or to the last hop that answered.

    Args:
        destination: where to.
        protocol: by what it was traced.
        reached: whether the destination itself answered.
        hops: from 1 without a gap; silent ones are hops without an address.
        error: why there is no path.
    """

    destination: str
    protocol: Protocol = "icmp"
    reached: bool = False
    hops: tuple[HopResult, ...] = ()
    error: str | None = None


def rtt_statistics(rtts_ms: Sequence[float]) -> RttStatistics | None:
    """Minimum, mean, maximum and population standard deviation, in two passes.

    Returns:
        None when there are no times.
    """
    if not rtts_ms:
        return None
    low, high = min(rtts_ms), max(rtts_ms)
    # A mean computed in floating point may step just outside the times it is of.
    average = min(max(math.fsum(rtts_ms) / len(rtts_ms), low), high)
    variance = math.fsum((rtt - average) ** 2 for rtt in rtts_ms) / len(rtts_ms)
    return RttStatistics(
        min_rtt_ms=low, avg_rtt_ms=average, max_rtt_ms=high, mean_dev_rtt_ms=math.sqrt(variance)
    )
