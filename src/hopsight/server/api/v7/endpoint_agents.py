"""Endpoint agents in version 7: lists, one of them, and what administrators do to them."""

import asyncio
from typing import Annotated, Any, Final, TypeVar

import msgspec
from litestar import delete, get, patch, post
from litestar.connection import Request
from msgspec import Meta, Struct

from hopsight.errors import InvalidValueError, NotFoundError
from hopsight.model.agents import Agent
from hopsight.model.query import PAGE_ITEMS
from hopsight.server.api.acting import require_writer
from hopsight.server.api.answers import Answer
from hopsight.server.api.asking import Asked, ask
from hopsight.server.api.bodies import read_json_body
from hopsight.server.api.cursors import PagePlace, format_page_place, parse_page_place
from hopsight.server.api.links import link, origin
from hopsight.server.api.v7.agent_documents import (
    EndpointAgentsAnswer,
    Link,
    Links,
    agent_document,
    platform_of,
)

PATH: Final = "/v7/endpoint/agents"

_OF: Final = "v7-endpoint-agents"
_BOOLEANS: Final = {"true": True, "false": False}
_EXPANDABLE: Final = {"clients", "vpnProfiles", "networkInterfaceProfiles"}
_json: Final = msgspec.json.Encoder()
_Body = TypeVar("_Body")


class AgentUpdate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an agent is to be called."""

    name: Annotated[str, Meta(min_length=1, max_length=255)]


class SearchFilters(Struct, rename="camel", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What agents must match: any of the values of every field given. Others are not stored, and refused."""

    id: tuple[str, ...] | None = None
    agent_name: tuple[str, ...] | None = None
    computer_name: tuple[str, ...] | None = None
    username: tuple[str, ...] | None = None
    platform: tuple[str, ...] | None = None
    os_version: tuple[str, ...] | None = None


class SearchRequest(Struct, rename="camel", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a search."""

    search_filters: SearchFilters = SearchFilters()


_updates: Final = msgspec.json.Decoder(AgentUpdate)
_searches: Final = msgspec.json.Decoder(SearchRequest)


@get(PATH)
async def list_v7_endpoint_agents(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page of the agents, by ID."""
    asked = ask(request)
    one = asked.parameters.one
    exact = {"agent_name": one("agentName"), "computer_name": one("computerName")}
    filters = {name: (value,) for name, value in exact.items() if value is not None}
    return await _answer_page(asked, SearchFilters(**filters))


@post(f"{PATH}/filter", status_code=200)
async def filter_v7_endpoint_agents(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page of the agents that the filters leave."""
    asked = ask(request)
    body = await read_json_body(request.scope, request.receive)
    wanted = _decoded(_searches, body or b"{}", '{"searchFilters": {"agentName": ["reception"]}}')
    return await _answer_page(asked, wanted.search_filters)


@get(f"{PATH}/{{agentId:str}}")
async def read_v7_endpoint_agent(request: Request[Any, Any, Any]) -> Answer:
    """Answer with one agent; a deleted one only where that is asked for."""
    asked = ask(request)
    agent = _find(asked, request.path_params["agentId"], deleted=_flag(asked, "includeDeleted"))
    return _answer_agent(asked, agent)


@patch(f"{PATH}/{{agentId:str}}")
async def update_v7_endpoint_agent(request: Request[Any, Any, Any]) -> Answer:
    """Rename an agent, and answer with it."""
    asked = ask(request)
    by = require_writer(asked)
    body = await read_json_body(request.scope, request.receive)
    wanted = _decoded(_updates, body, '{"name": "reception"}')
    agent = _find(asked, request.path_params["agentId"])
    asked.services.accounts.rename_agent(asked.aid, agent.agent_id, wanted.name, by)
    return _answer_agent(asked, _find(asked, agent.agent_id))


@delete(f"{PATH}/{{agentId:str}}", status_code=200)
async def delete_v7_endpoint_agent(request: Request[Any, Any, Any]) -> Answer:
    """Delete an agent, with 204: the answer says so, since a route may not declare it."""
    asked = ask(request)
    by = require_writer(asked)
    agent = _find(asked, request.path_params["agentId"])
    asked.services.accounts.delete_agent(asked.aid, agent.agent_id, by)
    return Answer(b"", status=204)


@post(f"{PATH}/{{agentId:str}}/enable", status_code=200)
async def enable_v7_endpoint_agent(request: Request[Any, Any, Any]) -> Answer:
    """Let an agent measure again, and answer with it."""
    return _switched(request, enabled=True)


@post(f"{PATH}/{{agentId:str}}/disable", status_code=200)
async def disable_v7_endpoint_agent(request: Request[Any, Any, Any]) -> Answer:
    """Have an agent measure nothing, and answer with it."""
    return _switched(request, enabled=False)


def _switched(request: Request[Any, Any, Any], *, enabled: bool) -> Answer:
    asked = ask(request)
    by = require_writer(asked)
    agent = _find(asked, request.path_params["agentId"])
    asked.services.accounts.set_agent_enabled(asked.aid, agent.agent_id, enabled=enabled, by=by)
    return _answer_agent(asked, _find(asked, agent.agent_id))


def _find(asked: Asked, agent_id: str, *, deleted: bool = False) -> Agent:
    agent = asked.services.accounts.agent(asked.aid, agent_id.lower())
    if agent is None or (agent.deleted and not deleted):
        raise NotFoundError(f"There is no agent {agent_id!r} in this account group")
    return agent


async def _answer_page(asked: Asked, filters: SearchFilters) -> Answer:
    """One page. All agents of the group are looked at, since the answer tells how many match."""
    most = _most(asked)
    cursor = asked.parameters.one("cursor")
    after = _after(cursor) if cursor else ""
    matching = [agent for agent in await _all_agents(asked) if _matches(agent, filters)]
    behind = [agent for agent in matching if agent.agent_id > after]
    page, clients = behind[:most], "clients" in _expanded(asked)
    links = Links(next=_next(asked, page[-1]) if len(behind) > most else None)
    documents = [agent_document(agent, clients=clients, href=_href(asked, agent)) for agent in page]
    return _answer(EndpointAgentsAnswer(total_agents=len(matching), agents=documents, links=links))


async def _all_agents(asked: Asked) -> list[Agent]:
    kinds = (False, True) if _flag(asked, "includeDeleted") else (False,)
    found: list[Agent] = []
    for deleted in kinds:
        after: str | None = None
        while chunk := asked.services.accounts.agents(asked.aid, deleted=deleted, after=after):
            found += chunk
            after = chunk[-1].agent_id
            # A large group takes a while: others have their turn.
            await asyncio.sleep(0)
    return sorted(found, key=lambda agent: agent.agent_id)


def _matches(agent: Agent, filters: SearchFilters) -> bool:
    info = agent.info
    return (
        (filters.id is None or agent.agent_id in filters.id)
        and (filters.agent_name is None or agent.agent_name in filters.agent_name)
        and (filters.computer_name is None or info.computer_name in filters.computer_name)
        and (filters.platform is None or platform_of(agent) in filters.platform)
        and (filters.os_version is None or _begins((info.os_version,), filters.os_version))
        and (filters.username is None or _begins(info.user_names, filters.username))
    )


def _begins(values: tuple[str, ...], prefixes: tuple[str, ...]) -> bool:
    lowered = tuple(prefix.lower() for prefix in prefixes)
    return any(value.lower().startswith(lowered) for value in values)


def _decoded(decoder: msgspec.json.Decoder[_Body], body: bytes, accepted: str) -> _Body:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidValueError("body", str(error) or "nested too deeply", accepted) from None


def _flag(asked: Asked, name: str) -> bool:
    text = asked.parameters.one(name) or "false"
    if text.lower() not in _BOOLEANS:
        raise InvalidValueError(name, text, "true or false")
    return _BOOLEANS[text.lower()]


def _most(asked: Asked) -> int:
    text = asked.parameters.one("max") or str(PAGE_ITEMS)
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(PAGE_ITEMS))):
        raise InvalidValueError("max", text, f"1 to {PAGE_ITEMS}")
    if not 1 <= int(text) <= PAGE_ITEMS:
        raise InvalidValueError("max", text, f"1 to {PAGE_ITEMS}")
    return int(text)


def _expanded(asked: Asked) -> set[str]:
    wanted = {name for name in (asked.parameters.one("expand") or "").split(",") if name}
    if not wanted <= _EXPANDABLE:
        raise InvalidValueError("expand", ",".join(sorted(wanted)), ", ".join(sorted(_EXPANDABLE)))
    return wanted


def _after(cursor: str) -> str:
    try:
        return parse_page_place(cursor, _OF).item_id
    except InvalidValueError:
        raise InvalidValueError("cursor", cursor, "the one in _links.next of an earlier answer") from None


def _next(asked: Asked, last: Agent) -> Link:
    place = format_page_place(PagePlace(of=_OF, page=2, round_id=0, item_id=last.agent_id))
    pairs = [*asked.parameters.without(frozenset({"cursor"})), f"cursor={place}".encode()]
    base = origin(asked.scope, asked.services.config.public_url)
    return Link(href=link(base, asked.scope["path"], pairs))


def _href(asked: Asked, agent: Agent) -> str:
    base = origin(asked.scope, asked.services.config.public_url)
    return link(base, f"{PATH}/{agent.agent_id}", [f"aid={agent.aid}".encode()])


def _answer_agent(asked: Asked, agent: Agent) -> Answer:
    clients = "clients" in _expanded(asked)
    return _answer(agent_document(agent, clients=clients, href=_href(asked, agent)))


def _answer(document: Struct) -> Answer:
    return Answer(_json.encode(document), b"application/hal+json")


HANDLERS: Final = (
    list_v7_endpoint_agents,
    filter_v7_endpoint_agents,
    read_v7_endpoint_agent,
    update_v7_endpoint_agent,
    delete_v7_endpoint_agent,
    enable_v7_endpoint_agent,
    disable_v7_endpoint_agent,
)
