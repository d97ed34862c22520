"""Labels that operators put on agents, to tell them apart by. Changes are in the audit log."""

from collections import defaultdict
from typing import Final

from sqlalchemy import Connection, Row, delete, insert, select

from hopsight.accounts import organizations, schema
from hopsight.accounts.audit import CONSOLE, Actor, Change, Resource
from hopsight.accounts.checks import checked_name
from hopsight.accounts.database import Database
from hopsight.clock import Clock
from hopsight.errors import ConflictError, NotFoundError

MAX_LABELS: Final = 50
"""On one agent."""

_table = schema.agent_labels
_agents = schema.agents


class Labels:
    """Labels of agents of all account groups; may raise ``StoreUnavailableError``, as all of ``Accounts``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, agent_id: str, label: str, by: Actor = CONSOLE) -> None:
        """Put a label on an agent.

        Raises:
            InvalidValueError: it is empty, too long, or holds what cannot be shown.
            NotFoundError: there is no such agent.
            ConflictError: the agent has it, or as many as it may.
        """
        label = checked_name(label, "label")
        with self._database.write(changes_rights=False) as connection:
            agent = _require(connection, agent_id)
            query = select(_table.c.label).where(_table.c.agent_id == agent_id)
            known = set(connection.execute(query).scalars())
            if label in known:
                raise ConflictError(f"Agent {agent_id} has the label {label!r} already")
            if len(known) >= MAX_LABELS:
                raise ConflictError(f"Agent {agent_id} has {MAX_LABELS} labels already; remove some first")
            connection.execute(insert(_table).values(agent_id=agent_id, label=label))
            self._note(connection, agent, label, "Endpoint agent label added", by)

    def remove(self, agent_id: str, label: str, by: Actor = CONSOLE) -> None:
        """Take a label off an agent.

        Raises:
            NotFoundError: there is no such agent, or it has no such label.
        """
        with self._database.write(changes_rights=False) as connection:
            agent = _require(connection, agent_id)
            gone = connection.execute(
                delete(_table).where(_table.c.agent_id == agent_id, _table.c.label == label)
            )
            if gone.rowcount == 0:
                raise NotFoundError(f"Agent {agent_id} has no label {label!r}")
            self._note(connection, agent, label, "Endpoint agent label removed", by)

    def by_agent(self, aid: int) -> dict[str, list[str]]:
        """The labels of an account group's agents, in order; agents without any are left out."""
        query = select(_table).join(_agents).where(_agents.c.aid == aid).order_by(*_table.c)
        found: defaultdict[str, list[str]] = defaultdict(list)
        with self._database.read() as connection:
            for row in connection.execute(query):
                found[row.agent_id].append(row.label)
        return dict(found)

    def _note(
        self, connection: Connection, agent: Row[tuple[object, ...]], label: str, event: str, by: Actor
    ) -> None:
        resources = [
            Resource(type="endpoint agent", name=f"{agent.agent_name} ({agent.agent_id})"),
            Resource(type="label", name=label),
        ]
        organizations.note(connection, agent.aid, event, resources, Change(by, int(self._clock.now())))


def _require(connection: Connection, agent_id: str) -> Row[tuple[object, ...]]:
    row = connection.execute(
        select(_agents).where(_agents.c.agent_id == agent_id, ~_agents.c.deleted)
    ).first()
    if row is None:
        raise NotFoundError(f"There is no agent {agent_id}")
    return row
