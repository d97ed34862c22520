"""One agent, administered: its name, labels, account group, and whether it measures or is there at all."""

from collections.abc import Callable
from typing import Any, Final

from litestar import get, post
from litestar.connection import Request

from hopsight.accounts.agent_changes import Transfer
from hopsight.errors import ConflictError, InvalidValueError, NotFoundError, PermissionDeniedError
from hopsight.model.accounts import AccountGroup
from hopsight.model.agents import Agent
from hopsight.model.times import format_utc
from hopsight.server.api.acting import WRITERS
from hopsight.server.api.answers import Answer
from hopsight.server.auth import choose_account_group
from hopsight.server.web.admin.agents import PATH, find_agent
from hopsight.server.web.admin.door import administer, back, confirmation, posted, show
from hopsight.server.web.admin.users import status_of
from hopsight.server.web.forms import Form
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.visitor import Visitor

_OF_AGENT: Final = f"{PATH}/{{agentId:str}}"
_DONE: Final = {
    "rename": "The agent is renamed.",
    "enable": "The agent is enabled.",
    "disable": "The agent is disabled.",
    "label": "The label is added.",
    "unlabel": "The label is removed.",
    "restore": "The agent is restored: it is let in again.",
}


@get(_OF_AGENT)
async def read_agent(request: Request[Any, Any, Any]) -> Answer:
    """Show one."""
    try:
        visitor = await administer(request)
        agent = find_agent(visitor, request.path_params["agentId"])
        return _show(visitor, agent, done=_DONE.get(visitor.parameters.one("done") or "", ""))
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(f"{_OF_AGENT}/transfer")
async def transfer_agent(request: Request[Any, Any, Any]) -> Answer:
    """Ask before it is moved; move it when the question was answered."""
    try:
        visitor, form = await posted(request)
        agent = find_agent(visitor, request.path_params["agentId"])
        group = _destination(visitor, form.one("to"))
        if form.one("sure") != "yes":
            return _ask_to_transfer(visitor, agent, group)
        move = Transfer(agent.agent_id, visitor.group.aid, group.aid)
        visitor.services.accounts.transfer_agents([move], visitor.actor)
        return back(visitor, PATH, done="transferred")
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(f"{_OF_AGENT}/{{action:str}}")
async def change_agent(request: Request[Any, Any, Any]) -> Answer:
    """Do one of ``_CHANGES``."""
    try:
        visitor, form = await posted(request)
        agent = find_agent(visitor, request.path_params["agentId"])
        action = request.path_params["action"]
        change = _CHANGES.get(action)
        if change is None:
            raise NotFoundError(f"There is no such action here; there are: {', '.join(_CHANGES)}, transfer")
        try:
            change(visitor, agent.agent_id, form)
        except (InvalidValueError, ConflictError) as error:
            return _show(visitor, agent, form=form, message=str(error), status=status_of(error))
        return back(visitor, f"{PATH}/{agent.agent_id}", done=action)
    except REFUSALS as error:
        return refusal(request.scope, error)


def _rename(visitor: Visitor, agent_id: str, form: Form) -> None:
    visitor.services.accounts.rename_agent(visitor.group.aid, agent_id, form.one("name"), visitor.actor)


def _enable(visitor: Visitor, agent_id: str, _: Form) -> None:
    accounts = visitor.services.accounts
    accounts.set_agent_enabled(visitor.group.aid, agent_id, enabled=True, by=visitor.actor)


def _disable(visitor: Visitor, agent_id: str, _: Form) -> None:
    accounts = visitor.services.accounts
    accounts.set_agent_enabled(visitor.group.aid, agent_id, enabled=False, by=visitor.actor)


def _label(visitor: Visitor, agent_id: str, form: Form) -> None:
    visitor.services.accounts.labels.add(agent_id, form.one("label"), visitor.actor)


def _unlabel(visitor: Visitor, agent_id: str, form: Form) -> None:
    visitor.services.accounts.labels.remove(agent_id, form.one("label"), visitor.actor)


def _restore(visitor: Visitor, agent_id: str, _: Form) -> None:
    visitor.services.accounts.restore_agent(visitor.group.aid, agent_id, visitor.actor)


_CHANGES: Final[dict[str, Callable[[Visitor, str, Form], None]]] = {
    "rename": _rename,
    "enable": _enable,
    "disable": _disable,
    "label": _label,
    "unlabel": _unlabel,
    "restore": _restore,
}


def _destinations(visitor: Visitor) -> list[AccountGroup]:
    """Where the visitor may move an agent to: as over the API, wherever they write."""
    roles = visitor.principal.roles
    return [each for each in visitor.groups if each.aid != visitor.group.aid and roles[each.aid] in WRITERS]


def _destination(visitor: Visitor, text: str) -> AccountGroup:
    aid = choose_account_group(visitor.principal, text)
    for group in _destinations(visitor):
        if group.aid == aid:
            return group
    if aid == visitor.group.aid:
        raise InvalidValueError("account group", text, "another than the agent's own")
    raise PermissionDeniedError(
        f"Your role in account group {aid} only reads; accepted: an account admin or organization admin"
    )


def _ask_to_transfer(visitor: Visitor, agent: Agent, group: AccountGroup) -> Answer:
    return confirmation(
        visitor,
        path=PATH,
        question=f"Move {agent.agent_name} to {group.name}?",
        text=f"What it has measured stays in {visitor.group.name}. Targets that name this agent alone are "
        "deleted; others that name it no longer do.",
        action=f"{PATH}/{agent.agent_id}/transfer",
        button="Move the agent",
        fields={"to": str(group.aid), "sure": "yes"},
    )


def _show(
    visitor: Visitor,
    agent: Agent,
    *,
    form: Form | None = None,
    done: str = "",
    message: str = "",
    status: int = 200,
) -> Answer:
    typed = form or Form(())
    return show(
        visitor,
        "admin/agents_one.html",
        path=PATH,
        agent=agent,
        seen=format_utc(agent.last_seen_s),
        labels=visitor.services.accounts.labels.by_agent(visitor.group.aid).get(agent.agent_id, []),
        typed_name=typed.one("name") or agent.agent_name,
        typed_label=typed.one("label"),
        destinations=_destinations(visitor),
        done=done,
        message=message,
        status=status,
    )


HANDLERS: Final[list[Any]] = [read_agent, transfer_agent, change_agent]
