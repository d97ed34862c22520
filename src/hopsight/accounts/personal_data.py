"""What accounts hold of one person: finding it, counting it, giving it out, and taking it out."""

import secrets
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from hopsight.accounts import audit, personal_rows, schema
from hopsight.accounts.audit import CONSOLE, Actor, Resource
from hopsight.accounts.database import Database
from hopsight.accounts.personal_rows import Subject
from hopsight.clock import Clock
from hopsight.model.agents import AgentInfo

EXPORTED: Final = "Personal data exported"
ERASED: Final = "Personal data erased"
_AGENT: Final = "endpoint agent"
_USER: Final = "user"


class KnownAgent(Struct, frozen=True, kw_only=True):
    """An agent that accounts know, and the people whom it reports."""

    agent_id: str
    agent_name: str
    user_names: tuple[str, ...]


class Receipt(Struct, frozen=True, kw_only=True):
    """What the log keeps of what was erased, and what proves to whom it belongs.

    Args:
        digests: SHA-256 in hex of each agent's ID; of a user's ``salt:address``: without the salt, which is
            nowhere else, nobody finds out who it was by trying names.
        salt: None: no user of the server was erased.
    """

    digests: tuple[str, ...] = ()
    salt: str | None = None


class PersonalData:
    """The door to what accounts hold of one person; every method may raise ``StoreUnavailableError``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def agents_of(self, user_name: str) -> list[KnownAgent]:
        """The agents, deleted ones too, that report exactly this user of their machine, by ID."""
        with self._database.read() as connection:
            return [agent for agent in _known_agents(connection) if user_name in agent.user_names]

    def user_of(self, email: str) -> Subject:
        """The user of this server with this address, also one who is in the log alone."""
        with self._database.read() as connection:
            return personal_rows.user_of(connection, email.strip().lower())

    def count(self, subject: Subject) -> dict[str, int]:
        """How many rows each table has of the subject; of every table, also when none."""
        with self._database.read() as connection:
            return personal_rows.count(connection, subject)

    def export(self, subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every row with its table, without the digests of secrets."""
        with self._database.read() as connection:
            yield from personal_rows.rows_of(connection, subject)

    def note_export(self, subject: Subject, by: Actor = CONSOLE) -> None:
        """Put into the log that the data was given out."""
        resources = [Resource(type=_AGENT, name=agent_id) for agent_id in subject.agent_ids]
        if subject.email is not None:
            resources.append(Resource(type=_USER, name=subject.email))
        with self._database.write(changes_rights=False) as connection:
            self._note(connection, personal_rows.homes_of(connection, subject), EXPORTED, resources, by)

    def erase(self, subject: Subject, by: Actor = CONSOLE) -> Receipt:
        """Remove the rows, and put ``erased`` for the names in the log; its agents are refused from now on.

        Targets that only these agents measure go, too: without agents, all would measure them. That it was
        done is in the log, under digests.
        """
        salt = None if subject.email is None else secrets.token_hex(16)
        names = [(_AGENT, personal_rows.sha256(agent_id)) for agent_id in subject.agent_ids]
        if salt is not None:
            names.append((_USER, personal_rows.sha256(f"{salt}:{subject.email}")))
        resources = [Resource(type=type_, name=f"sha256:{digest}") for type_, digest in names]
        with self._database.write() as connection:
            homes = personal_rows.homes_of(connection, subject)
            personal_rows.erase(connection, subject)
            self._note(connection, homes, ERASED, resources, by)
        return Receipt(digests=tuple(digest for _, digest in names), salt=salt)

    def sweep(self) -> bool:
        """See to it that the bytes are gone from the files, too; False: the database is not SQLite."""
        return self._database.sweep()

    def _note(
        self,
        connection: Connection,
        homes: list[tuple[int | None, int | None]],
        event: str,
        resources: list[Resource],
        by: Actor,
    ) -> None:
        for org_id, aid in homes:
            now_s = int(self._clock.now())
            audit.record(connection, by, event, resources, now_s=now_s, org_id=org_id, aid=aid)


def _known_agents(connection: Connection) -> Iterator[KnownAgent]:
    table = schema.agents
    query = select(table.c.agent_id, table.c.agent_name, table.c.info).order_by(table.c.agent_id)
    for row in connection.execute(query):
        names = _infos.decode(row.info).user_names
        yield KnownAgent(agent_id=row.agent_id, agent_name=row.agent_name, user_names=names)


_infos: Final = msgspec.json.Decoder(AgentInfo)
