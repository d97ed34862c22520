"""Incidents: written a round at a time, with how far the rounds have been looked at."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, and_, func, insert, select, update

from hopsight.accounts.alert_listings import Incident, IncidentAgent, IncidentEvent, OutboxMessage, StoredRule
from hopsight.accounts.alert_recipients import for_readers
from hopsight.accounts.alert_tables import alert_progress, incident_agents, incident_events, incidents
from hopsight.accounts.database import Database
from hopsight.accounts.outbox import MAX_WAITING, enqueue
from hopsight.errors import NotFoundError
from hopsight.model.alerts import AlertRule, Cause

MAX_LISTED: Final = 1_000
MAX_AGENTS_KEPT: Final = 10_000
"""Agents that are kept of one incident."""

_TOLD: Final[dict[str, Literal["opened", "resolved"]]] = {"opened": "opened", "resolved": "resolved"}

_rules: Final = msgspec.json.Decoder(AlertRule)


class IncidentChange(Struct, frozen=True, kw_only=True):
    """What a round did to one incident.

    Args:
        rule: whose it is.
        incident_id: None: it is opened.
        cause: what explains it now.
        agents: the worst number of each agent that fails now.
        calm_rounds: rounds since enough agents failed.
        resolved: whether it is over.
        events: names and texts of what happened.
    """

    rule: StoredRule
    incident_id: int | None
    cause: Cause
    agents: Mapping[str, float]
    calm_rounds: int
    resolved: bool
    events: tuple[tuple[str, str], ...] = ()


class Incidents:
    """Incidents of all account groups; raises as ``Accounts`` does."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def progress(self, aid: int) -> int | None:
        """The round up to which an account group's rules were held against the data; None: never yet."""
        query = select(alert_progress.c.round_id).where(alert_progress.c.aid == aid)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def groups_with_open(self) -> set[int]:
        """The account groups in which an incident goes on."""
        query = select(incidents.c.aid).where(incidents.c.resolved_s.is_(None)).distinct()
        with self._database.read() as connection:
            return set(connection.execute(query).scalars())

    def advance(
        self, aid: int, round_id: int, now_s: int, changes: Sequence[IncidentChange]
    ) -> list[tuple[int, IncidentChange]]:
        """Note that a round was looked at, what it did, and who is to be told, in one transaction.

        Nothing happens when another process has looked at it meanwhile.

        Returns:
            the incidents' IDs.
        """
        with self._database.write(changes_rights=False) as connection:
            seen = select(alert_progress.c.round_id).where(alert_progress.c.aid == aid)
            if (connection.execute(seen).scalar_one_or_none() or 0) >= round_id:
                return []
            done = connection.execute(
                update(alert_progress).where(alert_progress.c.aid == aid).values(round_id=round_id)
            )
            if not done.rowcount:
                connection.execute(insert(alert_progress).values(aid=aid, round_id=round_id))
            return [(_apply(connection, aid, round_id, now_s, each), each) for each in changes]

    def note(self, incident_id: int, event: str, text: str, now_s: int) -> None:
        """Add to what happened in an incident, such as that somebody was told."""
        with self._database.write(changes_rights=False) as connection:
            _add_event(connection, incident_id, event, text, now_s)

    def listing(
        self, aid: int, *, is_open: bool | None = None, before: int | None = None, limit: int = MAX_LISTED
    ) -> list[Incident]:
        """Incidents of an account group, the newest first.

        Args:
            aid: account group.
            is_open: those that go on (True), those that are over (False), or both (None).
            before: keyset: ID of the last incident of the page before.
            limit: at most so many.
        """
        query = _selected().where(incidents.c.aid == aid)
        if is_open is not None:
            query = query.where(incidents.c.resolved_s.is_(None) == is_open)
        if before is not None:
            query = query.where(incidents.c.incident_id < before)
        query = query.order_by(incidents.c.incident_id.desc()).limit(limit)
        with self._database.read() as connection:
            return [_incident(row) for row in connection.execute(query)]

    def get(self, aid: int, incident_id: int) -> Incident:
        """One incident.

        Raises:
            NotFoundError: the account group has no such incident.
        """
        found = and_(incidents.c.aid == aid, incidents.c.incident_id == incident_id)
        with self._database.read() as connection:
            row = connection.execute(_selected().where(found)).first()
        if row is None:
            raise NotFoundError(f"This account group has no incident {incident_id}")
        return _incident(row)

    def agents(self, incident_id: int) -> list[IncidentAgent]:
        """The agents of an incident, those that failed last and worst first."""
        table = incident_agents
        query = (
            select(table.c.agent_id, table.c.first_s, table.c.last_s, table.c.worst)
            .where(table.c.incident_id == incident_id)
            .order_by(table.c.last_s.desc(), table.c.worst.desc(), table.c.agent_id)
        )
        with self._database.read() as connection:
            return [IncidentAgent(**row) for row in connection.execute(query).mappings()]

    def events(self, incident_id: int) -> list[IncidentEvent]:
        """What happened in an incident, in order."""
        table = incident_events
        query = (
            select(table.c.time_s, table.c.event, table.c.text)
            .where(table.c.incident_id == incident_id)
            .order_by(table.c.event_id)
        )
        with self._database.read() as connection:
            return [IncidentEvent(**row) for row in connection.execute(query).mappings()]


def _apply(connection: Connection, aid: int, round_id: int, now_s: int, change: IncidentChange) -> int:
    cause = {
        "cause_dimension": change.cause.dimension,
        "cause_value": change.cause.value,
        "failing": len(change.agents),
        "others": change.cause.others,
        "calm_rounds": change.calm_rounds,
    }
    incident_id = change.incident_id
    if incident_id is None:
        rule = msgspec.json.encode(for_readers(change.rule.rule)).decode()
        made = insert(incidents).values(
            aid=aid, rule_id=change.rule.rule_id, rule=rule, opened_s=round_id + 60, **cause
        )
        incident_id = connection.execute(made.returning(incidents.c.incident_id)).scalar_one()
    else:
        resolved = {"resolved_s": round_id + 60} if change.resolved else {}
        found = incidents.c.incident_id == incident_id
        connection.execute(update(incidents).where(found).values(**cause, **resolved))
    _add_agents(connection, incident_id, round_id, change.agents)
    for event, text in change.events:
        _add_event(connection, incident_id, event, text, now_s)
        if event in _TOLD:
            message = OutboxMessage(
                event=_TOLD[event],
                text=text,
                cause=change.cause,
                failing_agents=len(change.agents),
                time_s=now_s,
            )
            _tell(connection, incident_id, change, message)
    return incident_id


def _tell(connection: Connection, incident_id: int, change: IncidentChange, message: OutboxMessage) -> None:
    rule = change.rule
    left_out = enqueue(connection, rule.aid, rule.rule_id, incident_id, message)
    if left_out:
        who = f"{left_out} {'recipient was' if left_out == 1 else 'recipients were'}"
        text = f"{who} not told ({message.event}): {MAX_WAITING:,} messages wait already."
        _add_event(connection, incident_id, "not-notified", text, message.time_s)


def _add_agents(connection: Connection, incident_id: int, round_id: int, agents: Mapping[str, float]) -> None:
    table = incident_agents
    query = select(table.c.agent_id, table.c.worst).where(table.c.incident_id == incident_id)
    known: dict[str, float] = {row.agent_id: row.worst for row in connection.execute(query)}
    for agent_id, worst in agents.items():
        found = and_(table.c.incident_id == incident_id, table.c.agent_id == agent_id)
        if agent_id in known:
            values = {"last_s": round_id, "worst": max(worst, known[agent_id])}
            connection.execute(update(table).where(found).values(**values))
        elif len(known) < MAX_AGENTS_KEPT:
            known[agent_id] = worst
            row = {"agent_id": agent_id, "first_s": round_id, "last_s": round_id, "worst": worst}
            connection.execute(insert(table).values(incident_id=incident_id, **row))


def _add_event(connection: Connection, incident_id: int, event: str, text: str, now_s: int) -> None:
    row = {"incident_id": incident_id, "time_s": now_s, "event": event, "text": text}
    connection.execute(insert(incident_events).values(**row))


def _selected() -> Any:
    counted = (
        select(func.count())
        .select_from(incident_agents)
        .where(incident_agents.c.incident_id == incidents.c.incident_id)
        .scalar_subquery()
    )
    return select(incidents, counted.label("agents"))


def _incident(row: Any) -> Incident:
    cause = Cause(
        dimension=row.cause_dimension, value=row.cause_value, failing=row.failing, others=row.others
    )
    return Incident(
        incident_id=row.incident_id,
        aid=row.aid,
        rule_id=row.rule_id,
        rule=_rules.decode(row.rule),
        cause=cause,
        opened_s=row.opened_s,
        resolved_s=row.resolved_s,
        calm_rounds=row.calm_rounds,
        agents=row.agents,
    )
