"""Account group keys: what connection strings carry, and what lets an agent enrol."""

from sqlalchemy import Connection, delete, insert, select

from hopsight.accounts import organizations, schema
from hopsight.accounts.audit import Actor, Change, Resource
from hopsight.accounts.listings import GroupKey
from hopsight.errors import NotFoundError


def create(connection: Connection, aid: int, digest: bytes, change: Change) -> int:
    """Let agents with this key into account group ``aid``; the key's ID."""
    organizations.require_group(connection, aid)
    added = insert(schema.group_keys).values(digest=digest, aid=aid, created_s=change.now_s)
    key_id = int(connection.execute(added.returning(schema.group_keys.c.key_id)).scalar_one())
    organizations.note(connection, aid, "Connection string created", [_resource(key_id)], change)
    return key_id


def listing(connection: Connection, aid: int | None) -> list[GroupKey]:
    """Keys by ID: all, or those of one account group."""
    query = select(schema.group_keys).order_by(schema.group_keys.c.key_id)
    if aid is not None:
        query = query.where(schema.group_keys.c.aid == aid)
    return [
        GroupKey(key_id=row.key_id, aid=row.aid, created_s=row.created_s) for row in connection.execute(query)
    ]


def remove(connection: Connection, key_id: int, change: Change) -> None:
    """Delete a key: agents that have enrolled with it stay."""
    query = select(schema.group_keys.c.aid).where(schema.group_keys.c.key_id == key_id)
    aid = connection.execute(query).scalar_one_or_none()
    if aid is None:
        raise NotFoundError(f"There is no connection string {key_id}")
    connection.execute(delete(schema.group_keys).where(schema.group_keys.c.key_id == key_id))
    organizations.note(connection, aid, "Connection string deleted", [_resource(key_id)], change)


def find(connection: Connection, digest: bytes) -> GroupKey | None:
    """The key with this digest."""
    query = select(schema.group_keys).where(schema.group_keys.c.digest == digest)
    row = connection.execute(query).first()
    return None if row is None else GroupKey(key_id=row.key_id, aid=row.aid, created_s=row.created_s)


def bearer(key: GroupKey, ip_address: str | None) -> Actor:
    """Who lets an agent in: nobody but the key that it shows."""
    return Actor(who=f"connection string {key.key_id}", ip_address=ip_address)


def _resource(key_id: int) -> Resource:
    return Resource(type="connection string", name=str(key_id))
