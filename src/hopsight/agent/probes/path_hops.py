"""What the probes of one trace add up to: the hops, and where the path ends."""

from typing import Final

from hopsight.agent.results import HopResult

MAX_TTL: Final = 32


class _Hop:
    """What came back at one time to live."""

    __slots__ = ("address", "best_ms", "final", "mpls", "received", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self.address: str | None = None
        self.best_ms: float | None = None
        self.mpls: tuple[str, ...] = ()
        self.final = False


class HopTable:
    """Gathers answers by time to live."""

    def __init__(self, destination: str) -> None:
        self._destination = destination
        self._hops = [_Hop() for _ in range(MAX_TTL + 1)]
        self.end = MAX_TTL
        """Lowest time to live at which the path ended, be it by a refusal; nothing beyond it counts."""
        self.ended = False

    @property
    def reached(self) -> bool:
        """Whether the destination itself answered."""
        return self.ended and self._hops[self.end].address == self._destination

    @property
    def last(self) -> int:
        """Highest time to live, up to the end, at which anybody answered; 0: nobody did."""
        answered = (ttl for ttl in range(self.end, 0, -1) if self._hops[ttl].address is not None)
        return next(answered, 0)

    def address(self, ttl: int) -> str | None:
        """Who answered there."""
        return self._hops[ttl].address

    def note_sent(self, ttl: int) -> None:
        """A probe went out."""
        self._hops[ttl].sent += 1

    def take_back(self, ttl: int) -> None:
        """It did not, after all."""
        self._hops[ttl].sent -= 1

    def note(self, ttl: int, address: str, rtt_ms: float, mpls: tuple[str, ...] = (), *, final: bool) -> None:
        """A probe was answered.

        The first who answers at a time to live has it. But the end of the path wins over a router: a flow
        that was moved to another branch while it was traced is seen as the latter is now.
        """
        hop = self._hops[ttl]
        if final and not hop.final:
            hop.address, hop.best_ms, hop.mpls, hop.received, hop.final = address, None, (), 0, True
        hop.received += 1
        if hop.address is None:
            hop.address = address
        if hop.address != address:
            return
        hop.best_ms = rtt_ms if hop.best_ms is None else min(hop.best_ms, rtt_ms)
        hop.mpls = hop.mpls or mpls
        if final and ttl <= self.end:
            self.end, self.ended = ttl, True

    def results(self) -> tuple[HopResult, ...]:
        """The hops up to the end; silence after the last answer is no hop."""
        last = self.last
        if last > 1 and self.ended and not self.reached and self.address(last) == self.address(last - 1):
            last -= 1  # a router that refuses what it would have to pass on is still one hop
        return tuple(self._result(ttl) for ttl in range(1, last + 1))

    def _result(self, ttl: int) -> HopResult:
        hop = self._hops[ttl]
        return HopResult(
            number=ttl,
            address=hop.address,
            rtt_ms=hop.best_ms,
            pkts_sent=hop.sent,
            pkts_received=min(hop.received, hop.sent),
            mpls=hop.mpls,
        )
