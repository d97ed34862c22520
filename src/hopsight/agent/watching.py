"""Sessions of real traffic, once a minute, as long as somebody wants them."""

from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from hopsight.agent.passive.sessions import PassiveSessions
from hopsight.agent.supervision import each_round
from hopsight.clock import Clock
from hopsight.model.ids import SESSION_ROUND_S
from hopsight.model.upload import UserSessionRecord

_BEHIND_S = 3.0
"""After the end of a minute: what closed in it has been announced by then."""


class Watched(Struct, frozen=True):
    """What watching needs of the agent.

    Args:
        aid: account group of the sessions.
        agent_id: whose they are.
        wanted: False while the agent is disabled.
        keep: takes the sessions of finished rounds.
        clock: says when.
    """

    aid: int
    agent_id: str
    wanted: Callable[[], bool]
    keep: Callable[[Sequence[UserSessionRecord]], Awaitable[None]]
    clock: Clock


class Watching:
    """Starts and stops the watch, and fetches what it saw."""

    def __init__(self, sessions: PassiveSessions, of: Watched) -> None:
        self._sessions = sessions
        self._of = of
        self._allowed = True

    def start(self) -> None:
        """Watch from now on, if that is wanted and allowed; the reason why not is logged once."""
        if not self._of.wanted():
            self._sessions.close()
        elif self._allowed:
            self._allowed = self._sessions.start()

    async def run(self) -> None:
        """Until cancelled, or until the system is found not to let us."""
        self.start()
        if self._allowed:
            await each_round(self._fetch, SESSION_ROUND_S, _BEHIND_S, self._of.clock)

    async def _fetch(self) -> None:
        records = self._sessions.finished(self._of.clock.now(), self._of.aid, self._of.agent_id)
        # What was seen while it was wanted is kept.
        if records:
            await self._of.keep(records)
        self.start()
