"""Organizations and their account groups."""

from sqlalchemy import Connection, Table, delete, func, insert, select

from hopsight.accounts import schema
from hopsight.accounts.checks import checked_name
from hopsight.accounts.listings import Organization
from hopsight.errors import ConflictError, InvalidValueError, NotFoundError
from hopsight.model.accounts import AccountGroup


def create(connection: Connection, name: str) -> int:
    """Add an organization; its ID."""
    name = checked_name(name, "organization name")
    known = select(schema.organizations.c.org_id).where(schema.organizations.c.name == name)
    if connection.execute(known).first() is not None:
        raise ConflictError(f"There is an organization {name!r} already")
    added = insert(schema.organizations).values(name=name).returning(schema.organizations.c.org_id)
    return int(connection.execute(added).scalar_one())


def listing(connection: Connection) -> list[Organization]:
    """All organizations, by ID."""
    rows = connection.execute(select(schema.organizations).order_by(schema.organizations.c.org_id))
    return [Organization(org_id=row.org_id, name=row.name) for row in rows]


def remove(connection: Connection, org_id: int) -> None:
    """Delete an organization that holds no account group."""
    _refuse_if_held(connection, schema.account_groups, "org_id", org_id, "account group(s)", "Organization")
    gone = connection.execute(delete(schema.organizations).where(schema.organizations.c.org_id == org_id))
    if gone.rowcount == 0:
        raise NotFoundError(f"There is no organization {org_id}")


def create_group(connection: Connection, name: str, org_id: int | None) -> int:
    """Add an account group to an organization (None: the only one); its ID."""
    name = checked_name(name, "account group name")
    org_id = _resolve(connection, org_id)
    groups = schema.account_groups
    known = select(groups.c.aid).where(groups.c.org_id == org_id, groups.c.name == name)
    if connection.execute(known).first() is not None:
        raise ConflictError(f"Organization {org_id} has an account group {name!r} already")
    added = insert(groups).values(org_id=org_id, name=name).returning(groups.c.aid)
    return int(connection.execute(added).scalar_one())


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


def remove_group(connection: Connection, aid: int) -> None:
    """Delete an account group that has no users, keys or agents; its targets and deleted agents go too."""
    require_group(connection, aid)
    for table, what in (
        (schema.memberships, "user(s)"),
        (schema.group_keys, "connection string(s)"),
    ):
        _refuse_if_held(connection, table, "aid", aid, what, "Account group")
    _refuse_if_agents(connection, aid)
    for table in (schema.targets, schema.agents, schema.account_groups):
        connection.execute(delete(table).where(table.c.aid == aid))


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
