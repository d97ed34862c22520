"""Connection strings: made and shown once, listed without their secrets, deleted."""

import shlex
from typing import Any, Final

from litestar import get, post
from litestar.connection import Request

from hopsight.accounts.listings import GroupKey
from hopsight.errors import ConflictError, NotFoundError
from hopsight.model.times import format_utc
from hopsight.server.api.answers import Answer
from hopsight.server.connection_strings import MAX_KEYS, new_connection_string
from hopsight.server.web.admin.door import administer, back, confirmation, posted, show
from hopsight.server.web.admin.user_forms import number
from hopsight.server.web.admin.users import status_of
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.visitor import Visitor

PATH: Final = "/admin/connection"

_DONE: Final = {"deleted": "The connection string is deleted: no agent can enrol with it any more."}
_VARIABLE: Final = "HOPSIGHT_CONNECTION_STRING"


def install_lines(text: str) -> list[tuple[str, str]]:
    """What to type where ``hopsight`` is installed, by system; each holds the secret."""
    assignment = f"{_VARIABLE}={shlex.quote(text)}"
    service = f"{assignment} /opt/hopsight/bin/hopsight agent install"
    quoted = text.replace("'", "''")
    return [
        (
            "Linux with systemd, as a service (as root)",
            f"{service}\nsystemctl daemon-reload && systemctl enable --now hopsight-agent",
        ),
        ("Linux or macOS, in a terminal", f"{assignment} hopsight agent"),
        ("Windows, in PowerShell", f"$env:{_VARIABLE} = '{quoted}'; hopsight agent"),
    ]


@get(PATH)
async def list_keys(request: Request[Any, Any, Any]) -> Answer:
    """Show them, with a button for another."""
    try:
        visitor = await administer(request)
        return _list(visitor, done=_DONE.get(visitor.parameters.one("done") or "", ""))
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(PATH)
async def make_string(request: Request[Any, Any, Any]) -> Answer:
    """Make one; this answer alone shows it."""
    try:
        visitor, _ = await posted(request)
        try:
            text = new_connection_string(visitor.scope, visitor.services, visitor.group.aid, visitor.actor)
        except ConflictError as error:
            return _list(visitor, message=str(error), status=status_of(error))
        return _list(visitor, secret=text, done="The connection string is made.")
    except REFUSALS as error:
        return refusal(request.scope, error)


@get(f"{PATH}/{{key:str}}/delete")
async def ask_to_delete(request: Request[Any, Any, Any]) -> Answer:
    """Say what would be, and ask."""
    try:
        visitor = await administer(request)
        key = _find(visitor, request.path_params["key"])
    except REFUSALS as error:
        return refusal(request.scope, error)
    return confirmation(
        visitor,
        path=PATH,
        question=f"Delete connection string {key.key_id}?",
        text="No agent can enrol with it any more. Agents that have, stay and go on measuring.",
        action=f"{PATH}/{key.key_id}/delete",
        button="Delete the connection string",
        fields={},
    )


@post(f"{PATH}/{{key:str}}/delete")
async def delete_key(request: Request[Any, Any, Any]) -> Answer:
    """Delete one."""
    try:
        visitor, _ = await posted(request)
        key = _find(visitor, request.path_params["key"])
        visitor.services.accounts.delete_group_key(key.key_id, visitor.actor)
    except REFUSALS as error:
        return refusal(request.scope, error)
    return back(visitor, PATH, done="deleted")


def _find(visitor: Visitor, text: str) -> GroupKey:
    """A key of the account group.

    Raises:
        NotFoundError: it has none with this ID.
    """
    key_id = number("connection string", text)
    for key in visitor.services.accounts.group_keys(visitor.group.aid):
        if key.key_id == key_id:
            return key
    raise NotFoundError(f"There is no connection string {key_id} here")


def _list(
    visitor: Visitor, *, secret: str = "", done: str = "", message: str = "", status: int = 200
) -> Answer:
    keys = visitor.services.accounts.group_keys(visitor.group.aid)
    return show(
        visitor,
        "admin/connection.html",
        path=PATH,
        rows=[(key.key_id, format_utc(key.created_s)) for key in keys],
        most=MAX_KEYS,
        secret=secret,
        lines=install_lines(secret) if secret else [],
        done=done,
        message=message,
        status=status,
    )


HANDLERS: Final[list[Any]] = [list_keys, make_string, ask_to_delete, delete_key]
