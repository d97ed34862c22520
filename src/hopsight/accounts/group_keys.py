"""Account group keys: what connection strings carry, and what lets an agent enrol."""

from sqlalchemy import Connection, delete, insert, select

from hopsight.accounts import organizations, schema
from hopsight.accounts.listings import GroupKey
from hopsight.errors import NotFoundError


def create(connection: Connection, aid: int, digest: bytes, now_s: int) -> int:
    """Let agents with this key into account group ``aid``; the key's ID."""
    organizations.require_group(connection, aid)
    added = insert(schema.group_keys).values(digest=digest, aid=aid, created_s=now_s)
    return int(connection.execute(added.returning(schema.group_keys.c.key_id)).scalar_one())


def listing(connection: Connection, aid: int | None) -> list[GroupKey]:
    """Keys by ID: all, or those of one account group."""
    query = select(schema.group_keys).order_by(schema.group_keys.c.key_id)
    if aid is not None:
        query = query.where(schema.group_keys.c.aid == aid)
    return [
        GroupKey(key_id=row.key_id, aid=row.aid, created_s=row.created_s) for row in connection.execute(query)
    ]


def remove(connection: Connection, key_id: int) -> None:
    """Delete a key: agents that have enrolled with it stay."""
    gone = connection.execute(delete(schema.group_keys).where(schema.group_keys.c.key_id == key_id))
    if gone.rowcount == 0:
        raise NotFoundError(f"There is no connection string {key_id}")


def aid_of(connection: Connection, digest: bytes) -> int | None:
    """The account group that the key with this digest opens."""
    query = select(schema.group_keys.c.aid).where(schema.group_keys.c.digest == digest)
    return connection.execute(query).scalar_one_or_none()
