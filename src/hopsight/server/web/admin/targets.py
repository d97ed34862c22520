"""What the agents of an account group measure: listed, added, changed, deleted."""

from typing import Any, Final, cast

from litestar import get, post
from litestar.connection import Request
from msgspec import Struct

from hopsight.accounts.listings import ListedTarget
from hopsight.errors import ConflictError, InvalidValueError, NotFoundError
from hopsight.model.agents import Target
from hopsight.server.api.answers import Answer
from hopsight.server.api.errors import describe_error
from hopsight.server.web.admin.door import administer, back, confirmation, posted, show
from hopsight.server.web.admin.user_forms import number
from hopsight.server.web.forms import Form
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.visitor import Visitor

PATH: Final = "/admin/targets"
PROTOCOLS: Final = {"auto": "ICMP, and TCP where it is silent", "icmp": "ICMP", "tcp": "TCP"}

_DONE: Final = {
    "added": "The target is added; agents know of it within seconds.",
    "changed": "The target is changed; agents know of it within seconds.",
    "deleted": "The target is deleted.",
}
_MAX_PORT: Final = 65_535
_MAX_MINUTES: Final = 1_440
_MINUTE_S: Final = 60


class TargetFields(Struct, frozen=True, kw_only=True):
    """A form about a target, as it was typed; ``agents``: IDs, one a line, none: all."""

    host: str = ""
    port: str = ""
    protocol: str = "auto"
    minutes: str = "1"
    agents: str = ""


@get(PATH)
async def list_targets(request: Request[Any, Any, Any]) -> Answer:
    """Show them, with a form for another."""
    try:
        visitor = await administer(request)
        return _list(visitor, done=_DONE.get(visitor.parameters.one("done") or "", ""))
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(PATH)
async def add_target(request: Request[Any, Any, Any]) -> Answer:
    """Add one."""
    try:
        visitor, form = await posted(request)
        fields = _fields_from(form)
        try:
            visitor.services.accounts.add_target(
                visitor.group.aid, target_of(fields), fields.agents.split(), visitor.actor
            )
        except (InvalidValueError, ConflictError, NotFoundError) as error:
            return _list(visitor, fields=fields, message=str(error), status=_status_of(error))
        return back(visitor, PATH, done="added")
    except REFUSALS as error:
        return refusal(request.scope, error)


@get(f"{PATH}/{{target:str}}")
async def read_target(request: Request[Any, Any, Any]) -> Answer:
    """Show one, to be changed."""
    try:
        visitor = await administer(request)
        return _show(visitor, _find(visitor, request.path_params["target"]))
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(f"{PATH}/{{target:str}}")
async def change_target(request: Request[Any, Any, Any]) -> Answer:
    """Change how often it is measured, and by whom."""
    try:
        visitor, form = await posted(request)
        listed, fields = _find(visitor, request.path_params["target"]), _fields_from(form)
        try:
            visitor.services.accounts.change_target(
                listed.target_id,
                interval_s=_interval_s(fields.minutes),
                agent_ids=fields.agents.split(),
                by=visitor.actor,
            )
        except (InvalidValueError, NotFoundError) as error:
            return _show(visitor, listed, fields=fields, message=str(error), status=_status_of(error))
        return back(visitor, PATH, done="changed")
    except REFUSALS as error:
        return refusal(request.scope, error)


@get(f"{PATH}/{{target:str}}/delete")
async def ask_to_delete(request: Request[Any, Any, Any]) -> Answer:
    """Say what would be, and ask."""
    try:
        visitor = await administer(request)
        listed = _find(visitor, request.path_params["target"])
    except REFUSALS as error:
        return refusal(request.scope, error)
    return confirmation(
        visitor,
        path=PATH,
        question=f"Delete the target {listed.target.host}?",
        text="Agents measure it no more. What they measured stays.",
        action=f"{PATH}/{listed.target_id}/delete",
        button="Delete the target",
        fields={},
    )


@post(f"{PATH}/{{target:str}}/delete")
async def delete_target(request: Request[Any, Any, Any]) -> Answer:
    """Delete one."""
    try:
        visitor, _ = await posted(request)
        listed = _find(visitor, request.path_params["target"])
        visitor.services.accounts.delete_target(listed.target_id, visitor.actor)
    except REFUSALS as error:
        return refusal(request.scope, error)
    return back(visitor, PATH, done="deleted")


def target_of(fields: TargetFields) -> Target:
    """What the form asks for; the store of accounts looks at the host itself.

    Raises:
        InvalidValueError: a field is wrong.
    """
    if fields.protocol not in PROTOCOLS:
        raise InvalidValueError("protocol", fields.protocol, ", ".join(PROTOCOLS))
    port = _whole("port", fields.port, _MAX_PORT, ", or nothing") if fields.port.strip() else None
    return Target(
        host=fields.host.strip(),
        port=port,
        protocol=cast(Any, fields.protocol),
        interval_s=_interval_s(fields.minutes),
    )


def _interval_s(minutes: str) -> int:
    return _whole("minutes", minutes, _MAX_MINUTES, " (a day)") * _MINUTE_S


def _whole(name: str, text: str, most: int, more: str) -> int:
    digits = text.strip()
    if digits.isascii() and digits.isdigit() and len(digits) <= len(str(most)) and 1 <= int(digits) <= most:
        return int(digits)
    raise InvalidValueError(name, text, f"a whole number from 1 to {most}{more}")


def _fields_from(form: Form) -> TargetFields:
    return TargetFields(**{name: form.one(name) for name in TargetFields.__struct_fields__})


def _fields_of(listed: ListedTarget) -> TargetFields:
    target = listed.target
    return TargetFields(
        host=target.host,
        port="" if target.port is None else str(target.port),
        protocol=target.protocol,
        minutes=str(target.interval_s // _MINUTE_S),
        agents="\n".join(listed.agent_ids),
    )


def _find(visitor: Visitor, text: str) -> ListedTarget:
    """A target of the account group.

    Raises:
        NotFoundError: it has none with this ID.
    """
    target_id = number("target", text)
    for listed in visitor.services.accounts.listed_targets(visitor.group.aid):
        if listed.target_id == target_id:
            return listed
    raise NotFoundError(f"There is no target {target_id} here")


def _status_of(error: InvalidValueError | ConflictError | NotFoundError) -> int:
    described = describe_error(error)
    return 400 if described is None else described.status


def _show(
    visitor: Visitor,
    listed: ListedTarget,
    *,
    fields: TargetFields | None = None,
    message: str = "",
    status: int = 200,
) -> Answer:
    names = visitor.services.accounts.agent_names(visitor.group.aid, listed.agent_ids)
    return show(
        visitor,
        "admin/target.html",
        path=PATH,
        listed=listed,
        names=names,
        fields=fields or _fields_of(listed),
        message=message,
        status=status,
    )


def _list(
    visitor: Visitor,
    *,
    fields: TargetFields | None = None,
    done: str = "",
    message: str = "",
    status: int = 200,
) -> Answer:
    return show(
        visitor,
        "admin/targets.html",
        path=PATH,
        rows=visitor.services.accounts.listed_targets(visitor.group.aid),
        protocols=PROTOCOLS,
        fields=fields or TargetFields(),
        done=done,
        message=message,
        status=status,
    )


HANDLERS: Final[list[Any]] = [
    list_targets,
    add_target,
    read_target,
    change_target,
    ask_to_delete,
    delete_target,
]
