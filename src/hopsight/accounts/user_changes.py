"""What administrators of an organization do to its users; each change is in the audit log.

A user may have roles in other organizations too. Those are neither shown nor touched, and what would reach
into them (the address and name, which are one for all; tokens, which open everything) is refused.
"""

from collections.abc import Mapping

from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, select, update

from hopsight.accounts import browser_sessions, organization_users, schema, users
from hopsight.accounts.audit import Change, Resource, record
from hopsight.accounts.checks import checked_email, checked_name
from hopsight.accounts.listings import OrganizationUser, Token
from hopsight.errors import ConflictError, InvalidValueError, NotFoundError
from hopsight.model.accounts import Role


class UserWish(Struct, frozen=True, kw_only=True):
    """What a user is to be like; None leaves it as it is.

    Args:
        name: shown to people.
        email: who they are to Basic credentials.
        login_aid: the account group meant when a request names none.
        roles: the role in each account group of the organization; those not named are taken away.
    """

    name: str | None = None
    email: str | None = None
    login_aid: int | None = None
    roles: Mapping[int, Role] | None = None


def create(connection: Connection, org_id: int, wish: UserWish, digest: bytes, change: Change) -> int:
    """Add a user with a token; the ID."""
    roles = dict(wish.roles or {})
    login_aid = next(iter(roles), None) if wish.login_aid is None else wish.login_aid
    _check_roles(connection, org_id, roles)
    if login_aid not in roles:
        raise InvalidValueError(
            "loginAccountGroup", login_aid, "an account group in which the user has a role"
        )
    aids = sorted(roles, key=lambda aid: aid != login_aid)
    uid = users.create(connection, wish.email or "", Role.USER, aids, wish.name, change.now_s)
    for aid, role in roles.items():
        _set_role(connection, uid, aid, role)
    token = insert(schema.tokens).values(digest=digest, uid=uid, created_s=change.now_s)
    connection.execute(token)
    _note(connection, org_id, organization_users.require(connection, roles, uid), "User created", change)
    return uid


def change_user(connection: Connection, org_id: int, uid: int, wish: UserWish, change: Change) -> None:
    """Change a user's name, address, login account group, and roles in the organization.

    Raises:
        NotFoundError: the organization knows no such user (as in the next functions).
        ConflictError: the address is taken, the user is not this organization's alone, or is its last admin.
    """
    aids = organization_users.groups_of(connection, org_id)
    user = organization_users.require(connection, aids, uid)
    _change_person(connection, user, wish)
    if wish.roles is not None:
        _check_roles(connection, org_id, wish.roles)
        for aid in user.roles.keys() - wish.roles.keys():
            _remove_membership(connection, uid, aid)
        for aid, role in wish.roles.items():
            if aid in user.roles:
                _set_role(connection, uid, aid, role)
            else:
                added = {"uid": uid, "aid": aid, "role": role.value, "login": False}
                connection.execute(insert(schema.memberships).values(**added))
    if wish.login_aid is not None:
        _choose_login(connection, aids, uid, wish.login_aid)
    repair_login(connection, uid, aids)
    _require_admin(connection, aids)
    _note(connection, org_id, organization_users.require(connection, aids, uid), "User updated", change)


def remove(connection: Connection, org_id: int, uid: int, change: Change) -> None:
    """Take away a user's roles in the organization, and the user when none are left anywhere."""
    aids = organization_users.groups_of(connection, org_id)
    user = organization_users.require(connection, aids, uid)
    for aid in user.roles:
        _remove_membership(connection, uid, aid)
    if _memberships(connection, uid):
        repair_login(connection, uid, aids)
    else:
        connection.execute(delete(schema.users).where(schema.users.c.uid == uid))
    _require_admin(connection, aids)
    _note(connection, org_id, user, "User deleted", change)


def tokens_of(connection: Connection, org_id: int, uid: int, asker_uid: int | None) -> list[Token]:
    """The tokens of a user, by ID."""
    user = _token_owner(connection, org_id, uid, asker_uid)
    table = schema.tokens
    rows = connection.execute(select(table).where(table.c.uid == uid).order_by(table.c.token_id))
    return [Token(token_id=row.token_id, email=user.email, created_s=row.created_s) for row in rows]


def add_token(connection: Connection, org_id: int, uid: int, digest: bytes, change: Change) -> int:
    """Make a token for a user; its ID."""
    user = _token_owner(connection, org_id, uid, change.by.uid)
    added = insert(schema.tokens).values(digest=digest, uid=uid, created_s=change.now_s)
    token_id = int(connection.execute(added.returning(schema.tokens.c.token_id)).scalar_one())
    _note(connection, org_id, user, "User token created", change, Resource(type="token", name=str(token_id)))
    return token_id


def remove_token(connection: Connection, org_id: int, uid: int, token_id: int, change: Change) -> None:
    """Delete a token of a user."""
    user = _token_owner(connection, org_id, uid, change.by.uid)
    table = schema.tokens
    gone = connection.execute(delete(table).where(table.c.uid == uid, table.c.token_id == token_id))
    if gone.rowcount == 0:
        raise NotFoundError(f"User {uid} has no token {token_id}")
    _note(connection, org_id, user, "User token deleted", change, Resource(type="token", name=str(token_id)))


def end_sessions(connection: Connection, org_id: int, uid: int, change: Change) -> None:
    """Sign a user out of every browser."""
    user = _token_owner(connection, org_id, uid, change.by.uid)
    browser_sessions.end_of_user(connection, uid)
    _note(connection, org_id, user, "User signed out", change)


def _check_roles(connection: Connection, org_id: int, roles: Mapping[int, Role]) -> None:
    if not roles:
        raise InvalidValueError("accountGroupRoles", "none", "at least one; delete the user to take all away")
    aids = organization_users.groups_of(connection, org_id)
    for aid in roles:
        if aid not in aids:
            raise InvalidValueError("aid", aid, "the ID of an account group of your organization")


def _change_person(connection: Connection, user: OrganizationUser, wish: UserWish) -> None:
    email = user.email if wish.email is None else checked_email(wish.email)
    name = user.name if wish.name is None else checked_name(wish.name, "user name")
    if (email, name) == (user.email, user.name):
        return
    _refuse_shared(connection, user)
    if email != user.email and users.find_uid(connection, email) is not None:
        raise ConflictError(f"There is a user {email} already")
    connection.execute(
        update(schema.users).where(schema.users.c.uid == user.uid).values(email=email, name=name)
    )


def _choose_login(connection: Connection, aids: set[int], uid: int, login_aid: int) -> None:
    user = organization_users.require(connection, aids, uid)
    if login_aid not in user.roles:
        raise InvalidValueError(
            "loginAccountGroup", login_aid, "an account group in which the user has a role"
        )
    if login_aid != user.login_aid:
        held = {membership.aid for membership in _memberships(connection, uid) if membership.login}
        if held - aids:
            _refuse_shared(connection, user)
        _set_login(connection, uid, login_aid)


def repair_login(connection: Connection, uid: int, aids: set[int]) -> None:
    """Whoever lost the account group of the login gets another, one of ``aids`` if there is one."""
    held = _memberships(connection, uid)
    if held and not any(membership.login for membership in held):
        _set_login(connection, uid, min(held, key=lambda each: (each.aid not in aids, each.aid)).aid)


def _set_login(connection: Connection, uid: int, aid: int) -> None:
    table = schema.memberships
    connection.execute(update(table).where(table.c.uid == uid).values(login=table.c.aid == aid))


def _set_role(connection: Connection, uid: int, aid: int, role: Role) -> None:
    table = schema.memberships
    chosen = update(table).where(table.c.uid == uid, table.c.aid == aid)
    connection.execute(chosen.values(role=role.value))


def _remove_membership(connection: Connection, uid: int, aid: int) -> None:
    table = schema.memberships
    connection.execute(delete(table).where(table.c.uid == uid, table.c.aid == aid))


class _Membership(Struct, frozen=True):
    aid: int
    login: bool


def _memberships(connection: Connection, uid: int) -> list[_Membership]:
    table = schema.memberships
    rows = connection.execute(select(table.c.aid, table.c.login).where(table.c.uid == uid))
    return [_Membership(row.aid, row.login) for row in rows]


def _refuse_shared(connection: Connection, user: OrganizationUser) -> None:
    if len(_memberships(connection, user.uid)) > len(user.roles):
        raise ConflictError(
            f"Name, address, login account group and tokens of user {user.uid} cannot be managed here; "
            "the user, or whoever runs the server, can"
        )


def _token_owner(connection: Connection, org_id: int, uid: int, asker_uid: int | None) -> OrganizationUser:
    user = organization_users.require(connection, organization_users.groups_of(connection, org_id), uid)
    if uid != asker_uid:
        # A token opens all that its user may see, in other organizations too.
        _refuse_shared(connection, user)
    return user


def _require_admin(connection: Connection, aids: set[int]) -> None:
    table = schema.memberships
    admins = select(func.count()).where(table.c.aid.in_(aids), table.c.role == Role.ORG_ADMIN.value)
    if connection.execute(admins).scalar_one() == 0:
        raise ConflictError("This is the last organization admin; make another first")


def _note(
    connection: Connection, org_id: int, user: OrganizationUser, event: str, change: Change, *more: Resource
) -> None:
    # One event for each account group: that is how the log is read.
    resources = [Resource(type="user", name=f"{user.email} ({user.uid})"), *more]
    for aid in user.roles:
        record(connection, change.by, event, resources, now_s=change.now_s, org_id=org_id, aid=aid)
