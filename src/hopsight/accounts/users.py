"""Users, and what they may see."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, Row, insert, select

from hopsight.accounts import organizations, schema
from hopsight.accounts.checks import checked_email, checked_name
from hopsight.accounts.listings import User
from hopsight.errors import ConflictError, InvalidValueError, NotFoundError
from hopsight.model.accounts import Member, Role

MAX_MEMBERSHIPS: Final = 1_000


def create(
    connection: Connection, email: str, role: Role, aids: Sequence[int], name: str | None, now_s: int
) -> int:
    """Add a user who sees exactly ``aids``, the first at login; the ID."""
    email = checked_email(email)
    name = checked_name(email if name is None else name, "user name")
    aids = list(dict.fromkeys(aids))
    if not 0 < len(aids) <= MAX_MEMBERSHIPS:
        raise InvalidValueError("account groups", len(aids), f"1 to {MAX_MEMBERSHIPS} of them")
    for aid in aids:
        organizations.require_group(connection, aid)
    if find_uid(connection, email) is not None:
        raise ConflictError(f"There is a user {email} already")
    added = insert(schema.users).values(email=email, name=name, created_s=now_s)
    uid = int(connection.execute(added.returning(schema.users.c.uid)).scalar_one())
    memberships = [
        {"uid": uid, "aid": aid, "role": Role(role).value, "login": aid == aids[0]} for aid in aids
    ]
    connection.execute(insert(schema.memberships), memberships)
    return uid


def find_uid(connection: Connection, email: str) -> int | None:
    """The user with this address (lower case)."""
    query = select(schema.users.c.uid).where(schema.users.c.email == email)
    return connection.execute(query).scalar_one_or_none()


def require_uid(connection: Connection, email: str) -> int:
    """The user with this address.

    Raises:
        NotFoundError: there is none.
    """
    email = checked_email(email)
    uid = find_uid(connection, email)
    if uid is None:
        raise NotFoundError(f"There is no user {email}")
    return uid


def listing(connection: Connection) -> list[User]:
    """All users, by ID."""
    users, memberships = schema.users, schema.memberships
    query = (
        select(users, memberships.c.aid, memberships.c.role, memberships.c.login)
        .join_from(users, memberships)
        .order_by(users.c.uid, memberships.c.aid)
    )
    by_uid: dict[int, list[Row[tuple[object, ...]]]] = {}
    for row in connection.execute(query):
        by_uid.setdefault(row.uid, []).append(row)
    return [
        User(
            uid=uid,
            email=rows[0].email,
            name=rows[0].name,
            login_aid=next(row.aid for row in rows if row.login),
            roles={row.aid: Role(row.role) for row in rows},
        )
        for uid, rows in by_uid.items()
    ]


def members(connection: Connection, aid: int) -> list[Member]:
    """The users of an account group, by ID."""
    users, memberships = schema.users, schema.memberships
    query = (
        select(users, memberships.c.role)
        .join_from(users, memberships)
        .where(memberships.c.aid == aid)
        .order_by(users.c.uid)
    )
    return [
        Member(uid=row.uid, name=row.name, email=row.email, role=Role(row.role))
        for row in connection.execute(query)
    ]
