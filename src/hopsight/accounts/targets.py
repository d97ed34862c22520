"""Targets that the agents of an account group measure."""

from typing import Final

from sqlalchemy import Connection, delete, func, insert, select

from hopsight.accounts import organizations, schema
from hopsight.accounts.checks import checked_target
from hopsight.accounts.listings import ListedTarget
from hopsight.errors import ConflictError, NotFoundError
from hopsight.model.agents import Target

MAX_TARGETS: Final = 1_000
"""In one account group: what ``AgentConfiguration`` can carry."""


def add(connection: Connection, aid: int, target: Target) -> int:
    """Add a target; its ID."""
    organizations.require_group(connection, aid)
    target = checked_target(target)
    table = schema.targets
    values = {"aid": aid, "host": target.host, "port": target.port or 0, "protocol": target.protocol}
    if connection.execute(select(table.c.target_id).filter_by(**values)).first() is not None:
        raise ConflictError(f"Account group {aid} has this target already")
    held = select(func.count()).select_from(table).where(table.c.aid == aid)
    if connection.execute(held).scalar_one() >= MAX_TARGETS:
        raise ConflictError(f"Account group {aid} has {MAX_TARGETS} targets already; delete some first")
    return int(connection.execute(insert(table).values(**values).returning(table.c.target_id)).scalar_one())


def listing(connection: Connection, aid: int | None) -> list[ListedTarget]:
    """Targets by ID: all, or those of one account group."""
    query = select(schema.targets).order_by(schema.targets.c.target_id)
    if aid is not None:
        query = query.where(schema.targets.c.aid == aid)
    return [
        ListedTarget(
            target_id=row.target_id,
            aid=row.aid,
            target=Target(host=row.host, port=row.port or None, protocol=row.protocol),
        )
        for row in connection.execute(query)
    ]


def remove(connection: Connection, target_id: int) -> None:
    """Delete a target."""
    gone = connection.execute(delete(schema.targets).where(schema.targets.c.target_id == target_id))
    if gone.rowcount == 0:
        raise NotFoundError(f"There is no target {target_id}")
