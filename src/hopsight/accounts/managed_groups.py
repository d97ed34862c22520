"""What administrators of an organization do to its account groups; each change is in the audit log."""

from sqlalchemy import Connection, delete, func, insert, select, update

from hopsight.accounts import organizations, schema
from hopsight.accounts.audit import Change, Resource
from hopsight.accounts.checks import checked_name
from hopsight.accounts.organization_users import groups_of
from hopsight.accounts.user_changes import repair_login
from hopsight.errors import ConflictError
from hopsight.model.accounts import Role


def create(connection: Connection, org_id: int, name: str, uid: int, change: Change) -> int:
    """Add an account group that its maker administers; its ID.

    Raises:
        ConflictError: the organization has one of this name.
    """
    aid = organizations.create_group(connection, name, org_id, change)
    added = {"uid": uid, "aid": aid, "role": Role.ORG_ADMIN.value, "login": False}
    connection.execute(insert(schema.memberships).values(**added))
    return aid


def rename(connection: Connection, aid: int, name: str, change: Change) -> None:
    """Name an account group.

    Raises:
        ConflictError: the organization has another of this name.
    """
    name = checked_name(name, "account group name")
    group = organizations.require_group(connection, aid)
    table = schema.account_groups
    taken = select(table.c.aid).where(
        table.c.org_id == group.org_id, table.c.name == name, table.c.aid != aid
    )
    if connection.execute(taken).first() is not None:
        raise ConflictError(f"Organization {group.org_id} has an account group {name!r} already")
    connection.execute(update(table).where(table.c.aid == aid).values(name=name))
    resources = [Resource(type="account group", name=f"{each} ({aid})") for each in (group.name, name)]
    organizations.note(connection, aid, "Account group renamed", resources, change)


def remove(connection: Connection, aid: int, change: Change) -> None:
    """Delete an account group, its connection strings, and the roles in it.

    Raises:
        ConflictError: it has agents, or users who would be left without any account group.
    """
    group = organizations.require_group(connection, aid)
    stranded = _stranded(connection, aid)
    if stranded:
        raise ConflictError(
            f"Account group {aid} is the only one of {stranded} user(s); give them another, or delete them"
        )
    memberships = schema.memberships
    uids = connection.execute(select(memberships.c.uid).where(memberships.c.aid == aid)).scalars().all()
    connection.execute(delete(memberships).where(memberships.c.aid == aid))
    aids = groups_of(connection, group.org_id)
    for uid in uids:
        repair_login(connection, uid, aids)
    connection.execute(delete(schema.group_keys).where(schema.group_keys.c.aid == aid))
    organizations.remove_group(connection, aid, change)


def _stranded(connection: Connection, aid: int) -> int:
    """How many users have a role in this account group and in no other."""
    table = schema.memberships
    here = select(table.c.uid).where(table.c.aid == aid)
    alone = select(table.c.uid).where(table.c.uid.in_(here)).group_by(table.c.uid).having(func.count() == 1)
    return len(connection.execute(alone).all())
