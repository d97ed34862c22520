"""What ``hopsight admin`` does to users, in all organizations at once; each change is in the audit log."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select

from hopsight.accounts import organizations, schema, tokens, users
from hopsight.accounts.audit import Change, Resource
from hopsight.errors import NotFoundError
from hopsight.model.accounts import Role


def create(
    connection: Connection, email: str, role: Role, aids: Sequence[int], name: str | None, change: Change
) -> int:
    """Add a user who sees exactly ``aids``, the first at login; the ID."""
    uid = users.create(connection, email, role, aids, name, change.now_s)
    note(connection, uid, "User created", change)
    return uid


def remove(connection: Connection, email: str, change: Change) -> None:
    """Delete a user; tokens and memberships go too, so that access ends at once."""
    uid = users.require_uid(connection, email)
    # Noted first, while it is known whose log it belongs into.
    note(connection, uid, "User deleted", change)
    connection.execute(delete(schema.users).where(schema.users.c.uid == uid))


def add_token(connection: Connection, email: str, digest: bytes, change: Change) -> int:
    """Let the bearer of a token in as the user ``email``; the token's ID."""
    uid = users.require_uid(connection, email)
    token_id = tokens.create(connection, uid, digest, change.now_s)
    note(connection, uid, "User token created", change, _token(token_id))
    return token_id


def remove_token(connection: Connection, token_id: int, change: Change) -> None:
    """Delete a token."""
    table = schema.tokens
    uid = connection.execute(select(table.c.uid).where(table.c.token_id == token_id)).scalar_one_or_none()
    if uid is None:
        raise NotFoundError(f"There is no token {token_id}")
    connection.execute(delete(table).where(table.c.token_id == token_id))
    note(connection, uid, "User token deleted", change, _token(token_id))


def note(connection: Connection, uid: int, event: str, change: Change, *more: Resource) -> None:
    """Put what is done to a user into the log of all account groups that the user may see."""
    # One event for each account group: that is how the log is read.
    table = schema.users
    email = connection.execute(select(table.c.email).where(table.c.uid == uid)).scalar_one()
    resources = [Resource(type="user", name=f"{email} ({uid})"), *more]
    held = select(schema.memberships.c.aid).where(schema.memberships.c.uid == uid)
    for aid in sorted(connection.execute(held).scalars()):
        organizations.note(connection, aid, event, resources, change)


def _token(token_id: int) -> Resource:
    return Resource(type="token", name=str(token_id))
