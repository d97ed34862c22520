"""Holds the rules of all account groups against every round, some seconds after it is over.

How far it is, and what goes on, is in the accounts database: a restart goes on where it was. Every round is
looked at together with those before it, read anew, so that records that came late still count.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import structlog
from msgspec import structs

from hopsight.accounts.accounts import Accounts
from hopsight.accounts.alert_listings import Incident, StoredRule, StoredWindow
from hopsight.accounts.incidents import IncidentChange
from hopsight.clock import Clock
from hopsight.errors import StoreUnavailableError
from hopsight.model.aggregates import Measurement
from hopsight.model.alerts import RULE_ROUND_S, AlertRule
from hopsight.model.dimensions import USER_SESSIONS
from hopsight.model.ids import round_of
from hopsight.model.query import Query
from hopsight.server.alerts.causes import NOBODY
from hopsight.server.alerts.evaluation import (
    SILENT_AFTER_ROUNDS,
    Unit,
    Verdicts,
    admits,
    judge,
    judge_silence,
    summarize_round,
)
from hopsight.server.alerts.excuses import excused_agents
from hopsight.server.alerts.incidents import OpenIncident, advance
from hopsight.server.alerts.texts import events_of
from hopsight.storage.store import Store

GRACE_S: Final = 30
"""A round is looked at so long after its end: agents need about half of it to measure and to deliver."""
MAX_ROUNDS_BEHIND: Final = 60
"""After a longer pause the rounds before are left out: nobody wants to be told of what is long over."""
TICK_S: Final = 5.0

_log = structlog.get_logger(__name__)

Told = list[tuple[int, IncidentChange]]
"""Incidents by ID, with what became of them."""
Teller = Callable[[int, Told], Awaitable[None]]
"""Is told of what was found in an account group."""
Reader = Callable[[Query], Awaitable[list[Measurement]]]
"""Gives the measurements that a question admits."""
ProvidersOf = Callable[[int], Mapping[str, str]]
"""Gives the providers of an account group's agents, by agent ID."""


class AlertEngine:
    """Looks at rounds; what it finds is in the accounts database, and in its answers.

    Args:
        store: where records are.
        accounts: where rules and incidents are.
        clock: the time.
        read: how measurements are read; None: from the store, each time anew.
        providers_of: the providers of an account group's agents; None: they are not known.
    """

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        clock: Clock,
        read: Reader | None = None,
        providers_of: ProvidersOf | None = None,
    ) -> None:
        self._store = store
        self._read_measurements = read or store.measurements
        self._providers_of = providers_of or (lambda _: NOBODY)
        self._accounts = accounts
        self._clock = clock

    async def run_due(self) -> list[tuple[int, Told]]:
        """Look at all rounds that are due, in all account groups: what was opened, changed or resolved.

        Returns:
            by account group.

        Raises:
            StoreUnavailableError: rounds that were not looked at are looked at next time.
        """
        newest = self._newest()
        by_group: dict[int, list[StoredRule]] = {}
        for stored in self._accounts.alerts.rules.listing():
            by_group.setdefault(stored.aid, []).append(stored)
        found = []
        for aid in sorted(by_group.keys() | self._accounts.alerts.incidents.groups_with_open()):
            rules = [each for each in by_group.get(aid, []) if each.rule.enabled]
            found.extend([(aid, await self._run_round(aid, rules, at)) for at in self._due(aid, newest)])
        return found

    async def judge_newest(self, aid: int, rule: AlertRule) -> tuple[int, Verdicts]:
        """Hold a rule, which need not be stored, against the newest rounds; maintenance is not looked at.

        Returns:
            the last of the rounds, epoch seconds, and who fails and who does not.

        Raises:
            StoreUnavailableError: the rounds cannot be read now.
        """
        newest, stored = self._newest(), StoredRule(rule_id=0, aid=aid, rule=rule)
        rounds = await self._read(aid, [stored], newest)
        excused = frozenset[str]()
        if rule.metric == "no-data":
            excused = await excused_agents(self._store, self._accounts, aid, newest)
        return newest, await asyncio.to_thread(_judged, stored, rounds, excused)

    def _newest(self) -> int:
        """The newest round that agents have delivered, epoch seconds."""
        return round_of(self._clock.now() - GRACE_S, RULE_ROUND_S) - RULE_ROUND_S

    def _due(self, aid: int, newest: int) -> range:
        done = self._accounts.alerts.incidents.progress(aid)
        first = newest if done is None else done + RULE_ROUND_S
        return range(max(first, newest - MAX_ROUNDS_BEHIND * RULE_ROUND_S), newest + 1, RULE_ROUND_S)

    async def _run_round(self, aid: int, rules: Sequence[StoredRule], round_id: int) -> Told:
        incidents = self._accounts.alerts.incidents
        opened = incidents.listing(aid, is_open=True)
        rounds = await self._read(aid, rules, round_id)
        excused = frozenset[str]()
        if any(each.rule.metric == "no-data" for each in rules):
            excused = await excused_agents(self._store, self._accounts, aid, round_id)
        windows = [each for each in self._accounts.alerts.rules.windows(aid) if each.window.covers(round_id)]
        changes = _ended(opened, rules)
        for rule in rules:
            # In a thread: of a large fleet this takes a second, and requests are answered meanwhile.
            judged = await asyncio.to_thread(_judged, rule, rounds[-_rounds_of(rule) :], excused)
            verdicts = self._spared(rule, judged, windows, round_id)
            known = {each.incident_id: each for each in opened if each.rule_id == rule.rule_id}
            changes += self._advanced(rule, known, verdicts, self._providers_of(aid))
        return incidents.advance(aid, round_id, int(self._clock.now()), changes)

    async def _read(self, aid: int, rules: Sequence[StoredRule], round_id: int) -> list[list[Measurement]]:
        """The rounds up to this one that any of the rules looks at, oldest first."""
        count = max((_rounds_of(each) for each in rules), default=0)
        starts = [round_id - back * RULE_ROUND_S for back in reversed(range(count))]
        return [
            await self._read_measurements(
                Query(kind=USER_SESSIONS, aid=aid, first_round=start, last_round=start)
            )
            for start in starts
        ]

    def _advanced(
        self,
        rule: StoredRule,
        known: Mapping[int, Incident],
        verdicts: Verdicts,
        providers: Mapping[str, str],
    ) -> list[IncidentChange]:
        incidents = self._accounts.alerts.incidents
        opened = [
            OpenIncident(
                incident_id=each.incident_id,
                cause=each.cause,
                agents=frozenset(agent.agent_id for agent in incidents.agents(each.incident_id)),
                calm_rounds=each.calm_rounds,
            )
            for each in known.values()
        ]
        return [
            IncidentChange(
                rule=rule,
                incident_id=None if step.incident is None else step.incident.incident_id,
                cause=step.cause,
                agents=step.agents,
                calm_rounds=step.calm_rounds,
                resolved=step.name == "resolved",
                events=events_of(rule.rule, step),
            )
            for step in advance(rule.rule, opened, verdicts, providers)
        ]

    def _spared(
        self, rule: StoredRule, verdicts: Verdicts, windows: Sequence[StoredWindow], round_id: int
    ) -> Verdicts:
        """Without those that a maintenance window is about; the window keeps a list of them."""
        spared: set[Unit] = set()
        for each in windows:
            found = {
                unit for unit, place in verdicts.failing.items() if admits(each.window.filters, place)
            } - spared
            if found:
                agents = {unit.agent_id for unit in found}
                self._accounts.alerts.rules.suppress(each.window_id, rule, agents, round_id)
            spared |= found
        left = {unit: place for unit, place in verdicts.failing.items() if unit not in spared}
        return structs.replace(verdicts, failing=left)


async def watch(engine: AlertEngine, clock: Clock, tell: Teller) -> None:
    """Look at rounds as they fall due, until cancelled; ``tell`` is told of what was found."""
    while True:
        try:
            for aid, told in await engine.run_due():
                await tell(aid, told)
        except StoreUnavailableError as error:
            _log.warning("alert rules wait", reason=str(error))
        await clock.sleep(TICK_S)


def _rounds_of(rule: StoredRule) -> int:
    before = SILENT_AFTER_ROUNDS if rule.rule.metric == "no-data" else 0
    return rule.rule.of_rounds + before


def _judged(rule: StoredRule, measured: Sequence[Sequence[Measurement]], excused: frozenset[str]) -> Verdicts:
    rounds = [summarize_round(rule.rule, each) for each in measured]
    if rule.rule.metric == "no-data":
        return judge_silence(rule.rule, rounds, excused)
    return judge(rule.rule, rounds)


def _ended(opened: Sequence[Incident], rules: Sequence[StoredRule]) -> list[IncidentChange]:
    """Incidents whose rule is gone, or is not looked at any more."""
    live = {each.rule_id for each in rules}
    return [
        IncidentChange(
            rule=StoredRule(rule_id=each.rule_id, aid=each.aid, rule=each.rule),
            incident_id=each.incident_id,
            cause=each.cause,
            agents={},
            calm_rounds=each.calm_rounds,
            resolved=True,
            events=(("resolved", "The rule was deleted or switched off."),),
        )
        for each in opened
        if each.rule_id not in live
    ]
