"""The agents of an account group: found, and many of them enabled, disabled or deleted at once."""

from typing import Any, Final

from litestar import get, post
from litestar.connection import Request

from hopsight.errors import InvalidValueError, NotFoundError
from hopsight.model.agents import Agent
from hopsight.model.times import format_utc
from hopsight.server.api.answers import Answer
from hopsight.server.web.admin.agents_list import PAGE_AGENTS, STATES, Wanted, list_agents
from hopsight.server.web.admin.door import administer, back, confirmation, posted, show, with_group
from hopsight.server.web.forms import Form
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.visitor import Visitor

PATH: Final = "/admin/agents"

_DONE: Final = {
    "enabled": "The agents are enabled.",
    "disabled": "The agents are disabled.",
    "deleted": "Deleted. Each can be restored for seven days.",
    "transferred": "The agent is in the other account group.",
}
_ACTIONS: Final = "enable, disable or delete"


@get(PATH)
async def read_agents(request: Request[Any, Any, Any]) -> Answer:
    """Show a page of them."""
    try:
        visitor = await administer(request)
        return _list(visitor)
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(PATH)
async def change_agents(request: Request[Any, Any, Any]) -> Answer:
    """Enable or disable those that were chosen; ask before deleting them."""
    try:
        visitor, form = await posted(request)
        action = form.one("do")
        chosen = _chosen(visitor, form.all("agent"))
        if action == "delete":
            return _ask(visitor, chosen)
        if action not in ("enable", "disable"):
            raise InvalidValueError("do", action, _ACTIONS)
        enabled = action == "enable"
        for agent in chosen:
            visitor.services.accounts.set_agent_enabled(
                visitor.group.aid, agent.agent_id, enabled=enabled, by=visitor.actor
            )
        return back(visitor, PATH, done=f"{action}d", **_looked_for(form))
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(f"{PATH}/delete")
async def delete_agents(request: Request[Any, Any, Any]) -> Answer:
    """Delete those that were asked about."""
    try:
        visitor, form = await posted(request)
        for agent in _chosen(visitor, form.one("agents").split()):
            visitor.services.accounts.delete_agent(visitor.group.aid, agent.agent_id, visitor.actor)
        return back(visitor, PATH, done="deleted")
    except REFUSALS as error:
        return refusal(request.scope, error)


def find_agent(visitor: Visitor, agent_id: str) -> Agent:
    """An agent of the account group, deleted or not.

    Raises:
        NotFoundError: it has no such agent.
    """
    agent = visitor.services.accounts.agent(visitor.group.aid, agent_id)
    if agent is None:
        raise NotFoundError(f"There is no agent {agent_id[:36]!r} here")
    return agent


def _chosen(visitor: Visitor, agent_ids: list[str]) -> list[Agent]:
    """The agents that a form names: all are looked up before any is changed.

    Raises:
        InvalidValueError: none, or more than a page shows.
        NotFoundError: one is not there, or deleted.
    """
    wanted = list(dict.fromkeys(agent_ids))
    if not 0 < len(wanted) <= PAGE_AGENTS:
        raise InvalidValueError("number of agents", len(wanted), f"1 to {PAGE_AGENTS}, chosen by check boxes")
    found = [find_agent(visitor, agent_id) for agent_id in wanted]
    for agent in found:
        if agent.deleted:
            raise NotFoundError(f"Agent {agent.agent_name} is deleted; restore it first")
    return found


def _ask(visitor: Visitor, chosen: list[Agent]) -> Answer:
    one = len(chosen) == 1
    return confirmation(
        visitor,
        path=PATH,
        question=f"Delete {chosen[0].agent_name}?" if one else f"Delete {len(chosen)} agents?",
        text=("" if one else ", ".join(agent.agent_name for agent in chosen) + ". ")
        + "What is deleted is shut out at once. What was measured stays, and for seven days an agent can be "
        "restored.",
        action=f"{PATH}/delete",
        button="Delete the agent" if one else f"Delete {len(chosen)} agents",
        fields={"agents": " ".join(agent.agent_id for agent in chosen)},
    )


def _looked_for(form: Form) -> dict[str, str]:
    return {name: form.one(name) for name in ("state", "name", "after") if form.one(name)}


def _list(visitor: Visitor) -> Answer:
    accounts, aid, parameters = visitor.services.accounts, visitor.group.aid, visitor.parameters
    wanted = Wanted(
        state=parameters.one("state") or "",
        name=parameters.one("name") or "",
        after=parameters.one("after") or None,
    ).checked()
    page = list_agents(accounts, aid, wanted)
    labels = accounts.labels.by_agent(aid)
    kept = {name: value for name, value in (("state", wanted.state), ("name", wanted.name)) if value}
    rows = [
        (
            with_group(visitor, f"{PATH}/{agent.agent_id}"),
            agent,
            format_utc(agent.last_seen_s),
            labels.get(agent.agent_id, []),
        )
        for agent in page.agents
    ]
    return show(
        visitor,
        "admin/agents.html",
        path=PATH,
        rows=rows,
        wanted=wanted,
        states=STATES,
        total=accounts.count_agents(aid, deleted=wanted.state == "deleted"),
        first=with_group(visitor, PATH, **kept) if wanted.after else "",
        more=with_group(visitor, PATH, **kept, after=page.after) if page.after else "",
        done=_DONE.get(parameters.one("done") or "", ""),
    )


HANDLERS: Final[list[Any]] = [read_agents, change_agents, delete_agents]
