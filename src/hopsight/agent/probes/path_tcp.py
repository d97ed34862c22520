"""Traces by SYN, for destinations that do not answer echo requests: one flow, one SYN at a time."""

from typing import Final

from hopsight.agent.network import Address, SynAnswer, SynFlow
from hopsight.agent.probes.path_hops import MAX_TTL, HopTable
from hopsight.clock import Clock

_FULL_TTL: Final = 64
_FIRST_WAITS_S: Final = (0.7, 0.5)
"""Shorter than the second after which the kernel sends a SYN again: then nobody knows which was answered."""
_MIN_WAIT_S, _MAX_WAIT_S, _PLAIN_WAIT_S = 0.1, 0.5, 0.2
_MARGIN_S: Final = 0.05
_SILENCE_ENDS_IT: Final = 6
_ROUNDS: Final = 3


class TcpTrace:
    """One trace of the path to a port of an address.

    Args:
        known: hops that an ICMP trace found. When a SYN meets the last of them at the same place, the two
            paths are one up to there or meet there, and only what comes behind is asked by SYN.
    """

    def __init__(
        self, flow: SynFlow, address: Address, clock: Clock, limit_s: float, known: HopTable | None = None
    ) -> None:
        self.table = HopTable(address.host)
        self.error: str | None = None
        self.joined_at = 0
        """Time to live at which the path of the ICMP trace is gone on with; 0: it is not."""
        self._flow = flow
        self._clock = clock
        self._known = known
        self._over_s = clock.monotonic() + limit_s
        self._wait_s = _PLAIN_WAIT_S

    async def run(self) -> None:
        """Trace, within the limit."""
        try:
            await self._run()
        except OSError as error:
            self.error = f"cannot send: {(error.strerror or str(error)).lower()}"

    async def _run(self) -> None:
        answer = await self._first()
        if answer is not None and answer.reached:
            self._wait_s = min(max(2 * answer.rtt_s + _MARGIN_S, _MIN_WAIT_S), _MAX_WAIT_S)
        elif self._known is not None and self._known.last:
            return  # what does not answer TCP either is no nearer by it
        await self._join()
        await self._ask(range(self.joined_at + 1, MAX_TTL + 1), patient=answer is not None)
        for _ in range(1, _ROUNDS):
            last = self.table.end if self.table.ended else self.table.last
            await self._ask(range(self.joined_at + 1, last + 1), patient=True)

    @property
    def _left_s(self) -> float:
        return self._over_s - self._clock.monotonic()

    async def _first(self) -> SynAnswer | None:
        for wait_s in _FIRST_WAITS_S:
            answer = await self._flow.probe(_FULL_TTL, max(min(wait_s, self._left_s), 0.0))
            if answer is not None:
                return answer
        return None

    async def _join(self) -> None:
        last = self._known.last if self._known is not None else 0
        if self._known is None or not last or self._known.ended:
            return
        await self._probe(last)
        if not self.table.ended and self.table.address(last) == self._known.address(last):
            self.joined_at = last

    async def _ask(self, ttls: range, *, patient: bool) -> None:
        silent = 0
        for ttl in ttls:
            if self._left_s <= 0 or ttl > self.table.end or (silent >= _SILENCE_ENDS_IT and not patient):
                return
            answered = await self._probe(ttl)
            silent = 0 if answered else silent + 1

    async def _probe(self, ttl: int) -> bool:
        self.table.note_sent(ttl)
        try:
            answer = await self._flow.probe(ttl, max(min(self._wait_s, self._left_s), 0.0))
        except OSError:
            self.table.take_back(ttl)
            raise
        if answer is None:
            return False
        self._note(ttl, answer)
        return True

    def _note(self, ttl: int, answer: SynAnswer) -> None:
        self.table.note(ttl, answer.router.host, answer.rtt_s * 1000, answer.mpls, final=not answer.expired)
