"""Organizations and their account groups; each change is in the audit log, in the same transaction."""

from collections.abc import Sequence

from sqlalchemy import Connection, Table, delete, func, insert, select

from hopsight.accounts import schema
from hopsight.accounts.audit import Change, Resource, record
from hopsight.accounts.checks import checked_name
from hopsight.accounts.listings import Organization
from hopsight.errors import ConflictError, InvalidValueError, NotFoundError
from hopsight.model.accounts import AccountGroup


def create(connection: Connection, name: str, change: Change) -> int:
    """Add an organization; its ID."""
    name = checked_name(name, "organization name")
    known = select(schema.organizations.c.org_id).where(schema.organizations.c.name == name)
    if connection.execute(known).first() is not None:
        raise ConflictError(f"There is an organization {name!r} already")
    added = insert(schema.organizations).values(name=name).returning(schema.organizations.c.org_id)
    org_id = int(connection.execute(added).scalar_one())
    _note(connection, org_id, "Organization created", _organization(org_id, name), change)
    return org_id


def listing(connection: Connection) -> list[Organization]:
    """All organizations, by ID."""
    rows = connection.execute(select(schema.organizations).order_by(schema.organizations.c.org_id))
    return [Organization(org_id=row.org_id, name=row.name) for row in rows]


def remove(connection: Connection, org_id: int, change: Change) -> None:
    """Delete an organization that holds no account group."""
    _refuse_if_held(connection, schema.account_groups, "org_id", org_id, "account group(s)", "Organization")
    known = next((item for item in listing(connection) if item.org_id == org_id), None)
    if known is None:
        raise NotFoundError(f"There is no organization {org_id}")
    connection.execute(delete(schema.organizations).where(schema.organizations.c.org_id == org_id))
    _note(connection, org_id, "Organization deleted", _organization(org_id, known.name), change)


def create_group(connection: Connection, name: str, org_id: int | None, change: Change) -> int:
    """Add an account group to an organization (None: the only one); its ID."""
    name = checked_name(name, "account group name")
    org_id = _resolve(connection, org_id)
    groups = schema.account_groups
    known = select(groups.c.aid).where(groups.c.org_id == org_id, groups.c.name == name)
    if connection.execute(known).first() is not None:
        raise ConflictError(f"Organization {org_id} has an account group {name!r} already")
    added = insert(groups).values(org_id=org_id, name=name).returning(groups.c.aid)
    aid = int(connection.execute(added).scalar_one())
    _note(connection, org_id, "Account group created", _account_group(aid, name), change)
    return aid


def _resolve(connection: Connection, org_id: int | None) -> int:
    organizations = listing(connection)
    ids = [organization.org_id for organization in organizations]
    if org_id is None:
        if len(ids) == 1:
            return ids[0]
        listed = ", ".join(f"{item.org_id} ({item.name})" for item in organizations) or "there is none yet"
        raise InvalidValueError("organization", "(none given)", f"one by its ID: {listed}")
    if org_id not in ids:
        raise NotFoundError(f"There is no organization {org_id}")
    return org_id


def groups(connection: Connection, aids: set[int] | None = None) -> list[AccountGroup]:
    """Account groups by ID: all, or those in ``aids``."""
    joined = schema.account_groups.join(schema.organizations)
    query = (
        select(
            schema.account_groups.c.aid,
            schema.account_groups.c.name,
            schema.organizations.c.org_id,
            schema.organizations.c.name.label("org_name"),
        )
        .select_from(joined)
        .order_by(schema.account_groups.c.aid)
    )
    if aids is not None:
        query = query.where(schema.account_groups.c.aid.in_(aids))
    return [
        AccountGroup(aid=row.aid, name=row.name, org_id=row.org_id, org_name=row.org_name)
        for row in connection.execute(query)
    ]


def require_group(connection: Connection, aid: int) -> AccountGroup:
    """The account group ``aid``.

    Raises:
        NotFoundError: there is none.
    """
    found = groups(connection, {aid})
    if not found:
        raise NotFoundError(f"There is no account group {aid}")
    return found[0]


def remove_group(connection: Connection, aid: int, change: Change) -> None:
    """Delete an account group that has no users, keys or agents; its targets and deleted agents go too."""
    group = require_group(connection, aid)
    for table, what in (
        (schema.memberships, "user(s)"),
        (schema.group_keys, "connection string(s)"),
    ):
        _refuse_if_held(connection, table, "aid", aid, what, "Account group")
    _refuse_if_agents(connection, aid)
    for table in (schema.targets, schema.agents, schema.account_groups):
        connection.execute(delete(table).where(table.c.aid == aid))
    _note(connection, group.org_id, "Account group deleted", _account_group(aid, group.name), change)


def note(connection: Connection, aid: int, event: str, resources: Sequence[Resource], change: Change) -> None:
    """Put a change in an account group into the audit log."""
    org_id = require_group(connection, aid).org_id
    record(connection, change.by, event, resources, now_s=change.now_s, org_id=org_id, aid=aid)


def _refuse_if_agents(connection: Connection, aid: int) -> None:
    agents = schema.agents
    count = connection.execute(
        select(func.count()).select_from(agents).where(agents.c.aid == aid, ~agents.c.deleted)
    ).scalar_one()
    if count:
        raise ConflictError(f"Account group {aid} still has {count} agent(s); delete them first")


def _refuse_if_held(
    connection: Connection, table: Table, column: str, owner: int, what: str, who: str
) -> None:
    count = connection.execute(
        select(func.count()).select_from(table).where(table.c[column] == owner)
    ).scalar_one()
    if count:
        raise ConflictError(f"{who} {owner} still has {count} {what}; delete them first")


def _note(connection: Connection, org_id: int, event: str, resource: Resource, change: Change) -> None:
    # Of no account group: such a one has no readers yet, or none any more.
    record(connection, change.by, event, [resource], now_s=change.now_s, org_id=org_id)


def _organization(org_id: int, name: str) -> Resource:
    return Resource(type="organization", name=f"{name} ({org_id})")


def _account_group(aid: int, name: str) -> Resource:
    return Resource(type="account group", name=f"{name} ({aid})")
