"""The account groups of the organization, managed by its admins: sizes, adding, naming, deleting."""

from typing import Any, Final

from litestar import get, post
from litestar.connection import Request
from msgspec import Struct

from hopsight.errors import ConflictError, InvalidValueError, NotFoundError, PermissionDeniedError
from hopsight.model.accounts import AccountGroup, Role
from hopsight.server.api.answers import Answer
from hopsight.server.web.admin.door import administer, back, confirmation, posted, show
from hopsight.server.web.admin.sections import ORG_ADMINS
from hopsight.server.web.admin.user_forms import number
from hopsight.server.web.admin.users import organization_groups, status_of
from hopsight.server.web.forms import see_other
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.visitor import Visitor

PATH: Final = "/admin/groups"

_DONE: Final = {
    "added": "The account group is added.",
    "renamed": "The account group is renamed.",
    "deleted": "The account group is deleted.",
}


class Row(Struct, frozen=True, kw_only=True):
    """An account group as it is listed; ``typed``: the name in its field."""

    group: AccountGroup
    members: int
    agents: int
    is_mine: bool
    typed: str


@get(PATH)
async def list_groups(request: Request[Any, Any, Any]) -> Answer:
    """Show them, with a form for another."""
    try:
        visitor = await administer(request, ORG_ADMINS)
        return _list(visitor, done=_DONE.get(visitor.parameters.one("done") or "", ""))
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(PATH)
async def add_group(request: Request[Any, Any, Any]) -> Answer:
    """Add one, with whoever adds it as its organization admin."""
    try:
        visitor, form = await posted(request, ORG_ADMINS)
        name, uid = form.one("name"), visitor.principal.uid
        try:
            visitor.services.accounts.add_group(visitor.group.org_id, name, uid, visitor.actor)
        except (InvalidValueError, ConflictError) as error:
            return _list(visitor, added=name, message=str(error), status=status_of(error))
        return back(visitor, PATH, done="added")
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(f"{PATH}/{{aid:str}}")
async def rename_group(request: Request[Any, Any, Any]) -> Answer:
    """Name one."""
    try:
        visitor, form = await posted(request, ORG_ADMINS)
        group, name = _find(visitor, request.path_params["aid"]), form.one("name")
        try:
            visitor.services.accounts.rename_group(group.aid, name, visitor.actor)
        except (InvalidValueError, ConflictError) as error:
            typed = {group.aid: name}
            return _list(visitor, typed=typed, message=str(error), status=status_of(error))
        return back(visitor, PATH, done="renamed")
    except REFUSALS as error:
        return refusal(request.scope, error)


@get(f"{PATH}/{{aid:str}}/delete")
async def ask_to_delete(request: Request[Any, Any, Any]) -> Answer:
    """Say what would go, and ask."""
    try:
        visitor = await administer(request, ORG_ADMINS)
        group = _find(visitor, request.path_params["aid"])
    except REFUSALS as error:
        return refusal(request.scope, error)
    return confirmation(
        visitor,
        path=PATH,
        question=f"Delete the account group {group.name}?",
        text="Its connection strings, targets and all roles in it go. One that has agents, or is the only one"
        " of a user, is not deleted.",
        action=f"{PATH}/{group.aid}/delete",
        button="Delete the account group",
        fields={},
    )


@post(f"{PATH}/{{aid:str}}/delete")
async def delete_group(request: Request[Any, Any, Any]) -> Answer:
    """Delete one without agents."""
    try:
        visitor, _ = await posted(request, ORG_ADMINS)
        group = _find(visitor, request.path_params["aid"])
        try:
            visitor.services.accounts.remove_group(group.aid, visitor.actor)
        except ConflictError as error:
            return _list(visitor, message=str(error), status=status_of(error))
    except REFUSALS as error:
        return refusal(request.scope, error)
    return see_other(f"{PATH}?aid={_next_to(visitor, group.aid)}&done=deleted")


def _find(visitor: Visitor, text: str) -> AccountGroup:
    """An account group of the organization that the visitor manages.

    Raises:
        NotFoundError: the organization has none with this ID.
        PermissionDeniedError: the visitor is no organization admin there.
    """
    aid = number("account group", text)
    group = next((each for each in organization_groups(visitor) if each.aid == aid), None)
    if group is None:
        raise NotFoundError(f"There is no account group {aid} here")
    if not _manages(visitor, aid):
        raise PermissionDeniedError("Account groups are managed by organization admins; you are none there")
    return group


def _manages(visitor: Visitor, aid: int) -> bool:
    return visitor.principal.roles.get(aid) is Role.ORG_ADMIN


def _next_to(visitor: Visitor, gone: int) -> int:
    """An account group to look at when one is gone: the same as before, or another that they manage."""
    if visitor.group.aid != gone:
        return visitor.group.aid
    managed = [each.aid for each in visitor.groups if each.aid != gone and _manages(visitor, each.aid)]
    return next(iter(managed), visitor.principal.login_aid)


def _list(  # each a part of one page
    visitor: Visitor,
    *,
    added: str = "",
    typed: dict[int, str] | None = None,
    done: str = "",
    message: str = "",
    status: int = 200,
) -> Answer:
    accounts = visitor.services.accounts
    rows = [
        Row(
            group=group,
            members=len(accounts.members(group.aid)),
            agents=accounts.count_agents(group.aid),
            is_mine=_manages(visitor, group.aid),
            typed=(typed or {}).get(group.aid, group.name),
        )
        for group in organization_groups(visitor)
    ]
    return show(
        visitor,
        "admin/groups.html",
        path=PATH,
        rows=rows,
        added=added,
        done=done,
        message=message,
        status=status,
    )


HANDLERS: Final[list[Any]] = [list_groups, add_group, rename_group, ask_to_delete, delete_group]
