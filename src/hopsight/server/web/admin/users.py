"""The users of the organization: who there is, and adding one. For organization admins."""

from typing import Any, Final

from litestar import get, post
from litestar.connection import Request

from hopsight.accounts.listings import OrganizationUser
from hopsight.errors import ConflictError, InvalidValueError, NotFoundError
from hopsight.model.accounts import AccountGroup, Role
from hopsight.server.api.answers import Answer
from hopsight.server.api.errors import describe_error
from hopsight.server.web.admin.door import administer, back, posted, show, with_group
from hopsight.server.web.admin.sections import ORG_ADMINS
from hopsight.server.web.admin.user_forms import (
    ROLE_LABELS,
    UserFields,
    fields_from,
    fields_of,
    number,
    token_rows,
    wish_of,
)
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.visitor import Visitor

PATH: Final = "/admin/users"

_DONE: Final = {"deleted": "The user is no longer in your organization."}
_CHANGED: Final = "The user is changed."


@get(PATH)
async def list_users(request: Request[Any, Any, Any]) -> Answer:
    """Show them, with a form for another."""
    try:
        visitor = await administer(request, ORG_ADMINS)
        return _list(visitor, done=_DONE.get(visitor.parameters.one("done") or "", ""))
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(PATH)
async def add_user(request: Request[Any, Any, Any]) -> Answer:
    """Add one, and show the first token this once."""
    try:
        visitor, form = await posted(request, ORG_ADMINS)
        fields = fields_from(form, organization_groups(visitor))
        try:
            uid, token = visitor.services.accounts.add_user(
                visitor.group.org_id, wish_of(fields), visitor.actor
            )
        except (InvalidValueError, ConflictError) as error:
            return _list(visitor, fields=fields, message=str(error), status=status_of(error))
        return show_user(visitor, find_user(visitor, str(uid)), secret=token, done="The user is added.")
    except REFUSALS as error:
        return refusal(request.scope, error)


@get(f"{PATH}/{{uid:str}}")
async def read_user(request: Request[Any, Any, Any]) -> Answer:
    """Show one."""
    try:
        visitor = await administer(request, ORG_ADMINS)
        user = find_user(visitor, request.path_params["uid"])
        done = _CHANGED if visitor.parameters.one("done") == "changed" else ""
        return show_user(visitor, user, done=done)
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(f"{PATH}/{{uid:str}}")
async def change_user(request: Request[Any, Any, Any]) -> Answer:
    """Change one: name, address, roles, default account group."""
    try:
        visitor, form = await posted(request, ORG_ADMINS)
        user = find_user(visitor, request.path_params["uid"])
        fields = fields_from(form, organization_groups(visitor))
        try:
            visitor.services.accounts.change_user(
                visitor.group.org_id, user.uid, wish_of(fields), visitor.actor
            )
        except (InvalidValueError, ConflictError) as error:
            return show_user(visitor, user, fields=fields, message=str(error), status=status_of(error))
        return back(visitor, f"{PATH}/{user.uid}", done="changed")
    except REFUSALS as error:
        return refusal(request.scope, error)


def organization_groups(visitor: Visitor) -> list[AccountGroup]:
    """All account groups of the organization that the page is about, by ID."""
    org_id = visitor.group.org_id
    return [group for group in visitor.services.accounts.account_groups() if group.org_id == org_id]


def find_user(visitor: Visitor, text: str) -> OrganizationUser:
    """A user of the organization.

    Raises:
        NotFoundError: the organization has none with this ID.
    """
    uid = number("user", text)
    aids = {group.aid for group in organization_groups(visitor)}
    found = visitor.services.accounts.users_of(aids, uid)
    if not found:
        raise NotFoundError(f"There is no user {uid} here")
    return found[0]


def status_of(error: InvalidValueError | ConflictError) -> int:
    """The status of the page that says why not."""
    described = describe_error(error)
    return 400 if described is None else described.status


def show_user(  # each a part of one page
    visitor: Visitor,
    user: OrganizationUser,
    *,
    fields: UserFields | None = None,
    secret: str = "",
    done: str = "",
    message: str = "",
    status: int = 200,
) -> Answer:
    """The page of one; ``secret``: a token that was just made."""
    accounts, org_id = visitor.services.accounts, visitor.group.org_id
    try:
        tokens, kept_out = accounts.tokens_of(org_id, user.uid, visitor.actor), ""
        sessions = len(accounts.sign_ins.sessions_of(user.uid))
    except ConflictError as error:
        # Somebody of other organizations, too: tokens and sessions open what is theirs.
        tokens, kept_out, sessions = [], str(error), 0
    return show(
        visitor,
        "admin/user.html",
        path=PATH,
        user=user,
        is_self=user.uid == visitor.principal.uid,
        fields=fields or fields_of(user),
        org_groups=organization_groups(visitor),
        labels=ROLE_LABELS,
        tokens=token_rows(tokens),
        sessions=sessions,
        kept_out=kept_out,
        has_password=accounts.sign_ins.password_of(user.email) is not None,
        secret=secret,
        done=done,
        message=message,
        status=status,
    )


def _list(
    visitor: Visitor,
    *,
    fields: UserFields | None = None,
    done: str = "",
    message: str = "",
    status: int = 200,
) -> Answer:
    groups = organization_groups(visitor)
    users = visitor.services.accounts.users_of({group.aid for group in groups})
    chosen = fields or UserFields(roles={visitor.group.aid: Role.USER.value})
    return show(
        visitor,
        "admin/users.html",
        path=PATH,
        rows=[(with_group(visitor, f"{PATH}/{user.uid}"), user) for user in users],
        fields=chosen,
        org_groups=groups,
        labels=ROLE_LABELS,
        done=done,
        message=message,
        status=status,
    )


HANDLERS: Final[list[Any]] = [list_users, add_user, read_user, change_user]
