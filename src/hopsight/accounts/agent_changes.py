"""What administrators do to agents; each change is in the audit log, in the same transaction."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, Row, delete, insert, select, update

from hopsight.accounts import organizations, schema, targets
from hopsight.accounts.agents import has_id
from hopsight.accounts.audit import Change, Resource, record
from hopsight.accounts.checks import checked_name
from hopsight.errors import ConflictError, NotFoundError

RESTORABLE_S: Final = 7 * 86_400
"""How long a deleted agent can be had back."""

_table = schema.agents


class Transfer(NamedTuple):
    """An agent, and the account groups that it goes from and to."""

    agent_id: str
    from_aid: int
    to_aid: int


def rename(connection: Connection, aid: int, agent_id: str, name: str, change: Change) -> None:
    """Give an agent a name that outlives what it calls itself."""
    name = checked_name(name, "newAgentName")
    row = _present(connection, aid, agent_id)
    _update(connection, agent_id, agent_name=name, given_name=name)
    _note(connection, row, "Endpoint agent renamed", change)


def set_enabled(connection: Connection, aid: int, agent_id: str, change: Change, *, enabled: bool) -> None:
    """Let an agent measure, or not."""
    row = _present(connection, aid, agent_id)
    _update(connection, agent_id, enabled=enabled)
    _note(connection, row, f"Endpoint agent {'enabled' if enabled else 'disabled'}", change)


def remove(connection: Connection, aid: int, agent_id: str, change: Change) -> None:
    """Shut an agent out; for ``RESTORABLE_S`` it can be had back."""
    row = _present(connection, aid, agent_id)
    _update(connection, agent_id, deleted=True, deleted_s=change.now_s)
    _note(connection, row, "Endpoint agent deleted", change)


def restore(connection: Connection, aid: int, agent_id: str, change: Change) -> None:
    """Let a deleted agent in again: it still has its secret."""
    row = _find(connection, aid, agent_id)
    if not row.deleted:
        raise ConflictError(f"Agent {agent_id} is not deleted")
    if row.deleted_s is None or change.now_s - row.deleted_s > RESTORABLE_S:
        days = RESTORABLE_S // 86_400
        raise ConflictError(f"Agent {agent_id} was deleted over {days} days ago; it has to enrol again")
    _update(connection, agent_id, deleted=False, deleted_s=None)
    _note(connection, row, "Endpoint agent restored", change)


def transfer(connection: Connection, moves: Sequence[Transfer], change: Change) -> None:
    """Move agents to other account groups, all of them or none.

    What they have measured stays where it was made, also what is still on its way. Targets that named them
    name them no longer; those that named nobody else are deleted, and the log says so.
    """
    for aid in {move.to_aid for move in moves}:
        organizations.require_group(connection, aid)
    for move in moves:
        row = _present(connection, move.from_aid, move.agent_id)
        if move.from_aid != move.to_aid:
            _move(connection, row, move, change)


def _move(connection: Connection, row: Row[tuple[object, ...]], move: Transfer, change: Change) -> None:
    former = schema.former_groups
    targets.forget_agent(connection, move.agent_id, change)
    # For ever: an agent may be away for as long as it likes, and does not know meanwhile that it was moved.
    connection.execute(
        delete(former).where(former.c.agent_id == move.agent_id, former.c.aid == move.from_aid)
    )
    connection.execute(insert(former).values(agent_id=move.agent_id, aid=move.from_aid))
    _update(connection, move.agent_id, aid=move.to_aid)
    # Whoever reads the log of either account group is to see it.
    event = "Endpoint agent transferred"
    to = Resource(type="to account group", name=str(move.to_aid))
    from_ = Resource(type="from account group", name=str(move.from_aid))
    _note(connection, row, event, change, to)
    _note(connection, row, event, change, from_, aid=move.to_aid)


def _find(connection: Connection, aid: int, agent_id: str) -> Row[tuple[object, ...]]:
    query = select(_table).where(_table.c.aid == aid, has_id(agent_id))
    row = connection.execute(query).first()
    if row is None:
        raise NotFoundError(f"Account group {aid} has no agent {agent_id}")
    return row


def _present(connection: Connection, aid: int, agent_id: str) -> Row[tuple[object, ...]]:
    row = _find(connection, aid, agent_id)
    if row.deleted:
        raise NotFoundError(f"Account group {aid} has no agent {agent_id}")
    return row


def _update(connection: Connection, agent_id: str, **values: object) -> None:
    connection.execute(update(_table).where(_table.c.agent_id == agent_id).values(**values))


def _note(
    connection: Connection,
    row: Row[tuple[object, ...]],
    event: str,
    change: Change,
    more: Resource | None = None,
    *,
    aid: int | None = None,
) -> None:
    group = organizations.require_group(connection, row.aid if aid is None else aid)
    resources = [Resource(type="endpoint agent", name=f"{row.agent_name} ({row.agent_id})")]
    if more is not None:
        resources.append(more)
    record(connection, change.by, event, resources, now_s=change.now_s, org_id=group.org_id, aid=group.aid)
