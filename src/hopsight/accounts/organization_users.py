"""Users as an organization sees them: with the memberships that it may know of, and no others."""

from collections.abc import Collection

from sqlalchemy import Connection, Row, select

from hopsight.accounts import schema
from hopsight.accounts.listings import OrganizationUser
from hopsight.errors import NotFoundError
from hopsight.model.accounts import AccountGroup, Role


def groups_of(connection: Connection, org_id: int) -> set[int]:
    """The IDs of an organization's account groups."""
    table = schema.account_groups
    return set(connection.execute(select(table.c.aid).where(table.c.org_id == org_id)).scalars())


def listing(connection: Connection, aids: Collection[int], uid: int | None = None) -> list[OrganizationUser]:
    """The users (or one) who have a role in ``aids``, by ID; roles elsewhere are not told."""
    users, memberships, groups = schema.users, schema.memberships, schema.account_groups
    query = (
        select(users, memberships.c.aid, memberships.c.role, memberships.c.login)
        .add_columns(groups.c.name.label("group_name"), groups.c.org_id)
        .add_columns(schema.organizations.c.name.label("org_name"))
        .join_from(users, memberships)
        .join(groups, groups.c.aid == memberships.c.aid)
        .join(schema.organizations, schema.organizations.c.org_id == groups.c.org_id)
        .where(memberships.c.aid.in_(aids))
        .order_by(users.c.uid, memberships.c.aid)
    )
    if uid is not None:
        query = query.where(users.c.uid == uid)
    by_uid: dict[int, list[Row[tuple[object, ...]]]] = {}
    for row in connection.execute(query):
        by_uid.setdefault(row.uid, []).append(row)
    return [_user(rows) for rows in by_uid.values()]


def require(connection: Connection, aids: Collection[int], uid: int) -> OrganizationUser:
    """One of them.

    Raises:
        NotFoundError: there is none, or none with a role in ``aids``: the same words for both.
    """
    found = listing(connection, aids, uid)
    if not found:
        raise NotFoundError(f"There is no user {uid} here")
    return found[0]


def _user(rows: list[Row[tuple[object, ...]]]) -> OrganizationUser:
    groups = {
        row.aid: AccountGroup(aid=row.aid, name=row.group_name, org_id=row.org_id, org_name=row.org_name)
        for row in rows
    }
    return OrganizationUser(
        uid=rows[0].uid,
        email=rows[0].email,
        name=rows[0].name,
        login_aid=next((row.aid for row in rows if row.login), None),
        groups=groups,
        roles={row.aid: Role(row.role) for row in rows},
        created_s=rows[0].created_s,
    )
