"""What opens the door to a user: tokens and sessions; and taking the user out of the organization."""

from typing import Any, Final

from litestar import get, post
from litestar.connection import Request

from hopsight.accounts.listings import OrganizationUser
from hopsight.errors import ConflictError
from hopsight.server.api.answers import Answer
from hopsight.server.web.admin.door import administer, back, confirmation, posted
from hopsight.server.web.admin.sections import ORG_ADMINS
from hopsight.server.web.admin.user_forms import number
from hopsight.server.web.admin.users import PATH, find_user, show_user, status_of
from hopsight.server.web.forms import Form
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.visitor import Visitor

_OF_USER: Final = f"{PATH}/{{uid:str}}"


@post(f"{_OF_USER}/tokens")
async def make_token(request: Request[Any, Any, Any]) -> Answer:
    """Make a token; this answer alone shows it."""
    try:
        visitor, user, _ = await _posted(request)
        try:
            _, token = visitor.services.accounts.add_token(visitor.group.org_id, user.uid, visitor.actor)
        except ConflictError as error:
            return show_user(visitor, user, message=str(error), status=status_of(error))
        return show_user(visitor, user, secret=token, done="The token is made.")
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(f"{_OF_USER}/tokens/delete")
async def delete_token(request: Request[Any, Any, Any]) -> Answer:
    """Delete a token: whoever shows it is refused from now on."""
    try:
        visitor, user, form = await _posted(request)
        token_id = number("token", form.one("token"))
        try:
            visitor.services.accounts.remove_token(visitor.group.org_id, user.uid, token_id, visitor.actor)
        except ConflictError as error:
            return show_user(visitor, user, message=str(error), status=status_of(error))
        return show_user(visitor, user, done="The token is deleted.")
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(f"{_OF_USER}/sessions")
async def end_sessions(request: Request[Any, Any, Any]) -> Answer:
    """Sign the user out of every browser."""
    try:
        visitor, user, _ = await _posted(request)
        try:
            visitor.services.accounts.end_sessions(visitor.group.org_id, user.uid, visitor.actor)
        except ConflictError as error:
            return show_user(visitor, user, message=str(error), status=status_of(error))
        return show_user(visitor, user, done="The user is signed out everywhere.")
    except REFUSALS as error:
        return refusal(request.scope, error)


@get(f"{_OF_USER}/delete")
async def ask_to_delete(request: Request[Any, Any, Any]) -> Answer:
    """Say what would go, and ask."""
    try:
        visitor = await administer(request, ORG_ADMINS)
        user = find_user(visitor, request.path_params["uid"])
    except REFUSALS as error:
        return refusal(request.scope, error)
    return confirmation(
        visitor,
        path=PATH,
        question=f"Delete the user {user.email}?",
        text="All roles in your organization go at once, and with the last role anywhere the user: tokens,"
        " password and open sessions. The audit log keeps what the user has done.",
        action=f"{PATH}/{user.uid}/delete",
        button="Delete the user",
        fields={},
    )


@post(f"{_OF_USER}/delete")
async def delete_user(request: Request[Any, Any, Any]) -> Answer:
    """Take the user out of the organization."""
    try:
        visitor, user, _ = await _posted(request)
        try:
            visitor.services.accounts.remove_user(visitor.group.org_id, user.uid, visitor.actor)
        except ConflictError as error:
            return show_user(visitor, user, message=str(error), status=status_of(error))
        return back(visitor, PATH, done="deleted")
    except REFUSALS as error:
        return refusal(request.scope, error)


async def _posted(request: Request[Any, Any, Any]) -> tuple[Visitor, OrganizationUser, Form]:
    visitor, form = await posted(request, ORG_ADMINS)
    return visitor, find_user(visitor, request.path_params["uid"]), form


HANDLERS: Final[list[Any]] = [make_token, delete_token, end_sessions, ask_to_delete, delete_user]
