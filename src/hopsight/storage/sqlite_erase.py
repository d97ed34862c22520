"""Erasing an agent, and remembering it by the digest of its ID: no upload under way brings it back."""

# ruff: noqa: S608 - what is formatted into statements are names from KINDS, never values

from collections.abc import Sequence
from typing import Any, Final

import apsw

from hopsight.errors import ErasedError
from hopsight.model.kinds import Kind
from hopsight.storage.sqlite_chunks import drop_chunks
from hopsight.storage.store import digest_of

ERASED_ROWS: Final = 2_000
"""Most records that one transaction erases."""


def of_agent(kind: Kind) -> str:
    """What is selected from for an agent's records: ``r``, by way of its dimensions, ``d``."""
    table = kind.table
    return f"{table}_dim d CROSS JOIN {table} r INDEXED BY {table}_by_dim ON r.aid = d.aid AND r.dim = d.dim"


def mark_erased(connection: apsw.Connection, agent_id: str) -> None:
    """Have nothing more of an agent stored, and what is deleted overwritten; in the caller's transaction."""
    connection.execute("PRAGMA secure_delete = ON").fetchall()
    refuse(connection, [digest_of(agent_id)])


def refuse(connection: apsw.Connection, digests: Sequence[bytes]) -> None:
    """Have nothing more of some agents stored; in the caller's transaction."""
    connection.executemany(
        "INSERT OR IGNORE INTO erased_agents (digest) VALUES (?)", [(each,) for each in digests]
    )


def read_erased(connection: apsw.Connection) -> list[bytes]:
    """The digests of all agents that were erased."""
    return [bytes(row[0]) for row in connection.execute("SELECT digest FROM erased_agents ORDER BY digest")]


def refuse_erased(connection: apsw.Connection, agent_id: str) -> None:
    """See that an agent was not erased.

    Raises:
        ErasedError: it was.
    """
    found = connection.execute(
        "SELECT count(*) FROM erased_agents WHERE digest = ?", (digest_of(agent_id),)
    ).get
    if found:
        raise ErasedError("The data of this agent was erased; nothing of it is stored again")


def erase_some(connection: apsw.Connection, kind: Kind, agent_id: str) -> int:
    """Remove up to ``ERASED_ROWS`` of an agent's records, or when there are none its dimensions.

    Returns:
        how many rows went: 0 when nothing is left.
    """
    sql = f"SELECT r.aid, r.round_id, r.id FROM {of_agent(kind)} WHERE d.agent_id = ? LIMIT ?"
    keys: list[Any] = connection.execute(sql, (agent_id, ERASED_ROWS)).fetchall()
    if not keys:
        connection.execute(f"DELETE FROM {kind.table}_dim WHERE agent_id = ?", (agent_id,))
        return connection.changes()
    drop_chunks(connection, kind.table, ((aid, round_id) for aid, round_id, _ in keys))
    tables = [kind.table] if kind.detail is None else [f"{kind.table}_detail", kind.table]
    for table in tables:
        connection.executemany(f"DELETE FROM {table} WHERE aid = ? AND round_id = ? AND id = ?", keys)
    return len(keys)
