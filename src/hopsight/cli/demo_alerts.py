"""The alerts of ``hopsight demo``: example rules, held against the simulated rounds by the real engine.

A server holds its rules against rounds as they fall due. The demo's are there all at once, and then a
minute's at a time, later than a real agent's: so it is the demo that says when a round is due (``keep_watch``
leaves that to it). Nobody is told: where data is simulated every door is shut.
"""

from typing import Final

from hopsight.accounts.accounts import Accounts
from hopsight.model.aggregates import Measurement
from hopsight.model.alerts import RULE_ROUND_S
from hopsight.model.query import Query
from hopsight.server.alerts.engine import GRACE_S, AlertEngine
from hopsight.simulation.alerts import example_rules, example_window
from hopsight.storage.store import Store

LOOK_BACK_S: Final = 12 * 3_600
"""Rounds before are not looked at: it would take longer than somebody waits for a first look."""
_REMEMBERED: Final = 64
"""Rounds of measurements that are kept: each is read again for every round after it that looks at it."""


class DemoAlerts:
    """Rules of a demo and what they find.

    Args:
        accounts: where rules and incidents are.
        store: where the simulated records are.
        aid: the account group of the fleet.
    """

    def __init__(self, accounts: Accounts, store: Store, aid: int) -> None:
        self._accounts = accounts
        self._store = store
        self._aid = aid
        self._due = _DueClock()
        self._engine = AlertEngine(store, accounts, self._due, self._read)
        self._read_before: dict[Query, list[Measurement]] = {}

    def begin(self, agents: int, seed: int, first_s: int, end_s: int) -> None:
        """Add the examples, unless rounds were looked at before: then they are as somebody left them.

        Args:
            agents: how many the fleet has.
            seed: of the fleet.
            first_s: where the history begins, epoch seconds.
            end_s: where it ends.
        """
        alerts = self._accounts.alerts
        if alerts.incidents.progress(self._aid) is not None or alerts.rules.listing(self._aid):
            return
        for rule in example_rules(agents):
            alerts.rules.add(self._aid, rule)
        window = example_window(seed, max(first_s, end_s - LOOK_BACK_S), end_s)
        if window is not None:
            alerts.rules.add_window(self._aid, window)

    async def look_at(self, first_s: int, newest: int) -> int:
        """Hold the rules against all rounds up to ``newest`` that they were not held against.

        Args:
            first_s: the first round of the history, epoch seconds: where they begin when they begin.
            newest: the last round whose records are there.

        Returns:
            how many rounds that were.
        """
        done = self._accounts.alerts.incidents.progress(self._aid)
        first = max(first_s if done is None else done + RULE_ROUND_S, newest - LOOK_BACK_S)
        rounds = range(first, newest + 1, RULE_ROUND_S)
        for round_id in rounds:
            self._due.at_s = float(round_id + RULE_ROUND_S + GRACE_S)
            await self._engine.run_due()
        return len(rounds)

    async def _read(self, query: Query) -> list[Measurement]:
        """Of rounds that are over nothing changes any more: what was read is kept for the rounds after it."""
        if query not in self._read_before:
            if len(self._read_before) >= _REMEMBERED:
                del self._read_before[next(iter(self._read_before))]
            self._read_before[query] = await self._store.measurements(query)
        return self._read_before[query]


class _DueClock:
    """A clock that stands where somebody put it."""

    at_s = 0.0

    def now(self) -> float:
        return self.at_s

    def monotonic(self) -> float:
        return self.at_s

    def boottime(self) -> float:
        return self.at_s

    async def sleep(self, duration_s: float) -> None:
        self.at_s += duration_s
