"""Tokens of users."""

from sqlalchemy import Connection, Table, insert, select

from hopsight.accounts import schema
from hopsight.accounts.listings import Token
from hopsight.model.accounts import Principal, Role


def create(connection: Connection, uid: int, digest: bytes, now_s: int) -> int:
    """Let the bearer of a token in as a user; the token's ID."""
    added = insert(schema.tokens).values(digest=digest, uid=uid, created_s=now_s)
    return int(connection.execute(added.returning(schema.tokens.c.token_id)).scalar_one())


def listing(connection: Connection) -> list[Token]:
    """All tokens, by ID."""
    query = (
        select(schema.tokens.c.token_id, schema.users.c.email, schema.tokens.c.created_s)
        .join_from(schema.tokens, schema.users)
        .order_by(schema.tokens.c.token_id)
    )
    return [
        Token(token_id=row.token_id, email=row.email, created_s=row.created_s)
        for row in connection.execute(query)
    ]


def find(connection: Connection, digest: bytes) -> int | None:
    """The ID of the token with this digest."""
    query = select(schema.tokens.c.token_id).where(schema.tokens.c.digest == digest)
    return connection.execute(query).scalar_one_or_none()


def principal_of(connection: Connection, digest: bytes, table: Table = schema.tokens) -> Principal | None:
    """Who shows the token (or what else ``table`` has by its digest) with this digest."""
    users_, memberships, groups = schema.users, schema.memberships, schema.account_groups
    query = (
        select(users_.c.uid, users_.c.email, memberships.c.aid, memberships.c.role, memberships.c.login)
        .add_columns(groups.c.org_id)
        .join_from(table, users_)
        .join(memberships, memberships.c.uid == users_.c.uid)
        .join(groups, groups.c.aid == memberships.c.aid)
        .where(table.c.digest == digest)
        .order_by(memberships.c.aid)
    )
    rows = connection.execute(query).all()
    login = next((row for row in rows if row.login), None)
    if login is None:
        return None
    return Principal(
        uid=login.uid,
        email=login.email,
        org_id=login.org_id,
        login_aid=login.aid,
        roles={row.aid: Role(row.role) for row in rows},
    )
