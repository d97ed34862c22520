"""Counters of several servers together; while Redis is away each goes on by itself from what it knew last."""

import hashlib
import re
from typing import Final

from hopsight.server.limits import ACCOUNT_REFUSALS, REFUSALS, WINDOW_S, Allowance, MemoryLimits
from hopsight.server.shared.link import Link
from hopsight.server.shared.scripts import COUNT, COUNT_AND_TELL

REFUSED: Final = "refused"
"""The topic that tells who was refused often: so it is known before they come here, and asked of nobody."""
TOLD_FROM: Final = min(ACCOUNT_REFUSALS, REFUSALS)
"""Refusals from which on the others are told: fewer lock nobody out."""

_MESSAGE: Final = re.compile(r"([0-9a-f]{32}) ([0-9]{1,9}) ([0-9]{1,9})", re.ASCII)


class SharedLimits:
    """Limits over all servers of one Redis, which holds addresses and names as digests, for a minute.

    Args:
        link: the way there.
        memory: what is known here; of refusals, by digest.
        window_s: as long as that of ``memory``.
    """

    def __init__(self, link: Link, memory: MemoryLimits, *, window_s: int = WINDOW_S) -> None:
        self._link = link
        self._memory = memory
        self._window_s = window_s
        link.hear(REFUSED, self._hear)

    async def count_request(self, org_id: int) -> Allowance:
        """Count one request of an organization, and say what is left."""
        counted = await self._link.ask(COUNT, f"requests:{org_id}", self._window_s)
        if counted is None:
            return await self._memory.count_request(org_id)
        count, left_ms, reset_s = counted
        return self._memory.adopt_requests(org_id, count, self._left_s(left_ms), reset_s)

    async def count_refusal(self, address: str) -> int:
        """Count one 401 answer to an address (or a wrong password of whatever is named); how many by now."""
        digest = digest_of(address)
        counted = await self._link.ask(
            COUNT_AND_TELL,
            f"refusals:{digest}",
            self._window_s,
            TOLD_FROM,
            self._link.channel(REFUSED),
            digest,
        )
        if counted is None:
            return await self._memory.count_refusal(digest)
        count, left_ms = counted
        self._memory.adopt_refusals(digest, count, self._left_s(left_ms))
        return count

    def locked_out_s(self, address: str, refusals: int = REFUSALS) -> int:
        """Whole seconds that an address still has to wait after so many refusals; 0: none."""
        return self._memory.locked_out_s(digest_of(address), refusals)

    def _hear(self, message: str) -> None:
        known = _MESSAGE.fullmatch(message)
        if known is not None:
            self._memory.adopt_refusals(known[1], int(known[2]), self._left_s(int(known[3])))

    def _left_s(self, left_ms: int) -> float:
        # Redis' wall clock may have been set since the window opened.
        return min(left_ms / 1_000, float(self._window_s))


def digest_of(name: str) -> str:
    """What Redis knows an address or an account by."""
    return hashlib.blake2b(name.encode(), digest_size=16, person=b"hopsight refused").hexdigest()
