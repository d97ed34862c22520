"""Endpoint agents (API.md section 3.7): the list and one of them."""

from typing import Any, Final

from litestar import get
from litestar.connection import Request

from hopsight.errors import InvalidValueError, NotFoundError
from hopsight.model.agents import Agent, Location
from hopsight.model.query import PAGE_ITEMS
from hopsight.model.times import format_utc
from hopsight.server.api.answers import Answer
from hopsight.server.api.common_parameters import PAGE, PLACE
from hopsight.server.api.cursors import PARAMETER, PagePlace
from hopsight.server.api.description import Parameter, described
from hopsight.server.api.documents import Pages
from hopsight.server.api.parameters import Parameters
from hopsight.server.api.record_pages import page_url, parse_page_number, parse_place
from hopsight.server.api.v6.asking import Asked, ask
from hopsight.server.api.v6.descriptions import COMMON, operation
from hopsight.server.api.v6.documents import (
    AgentLocation,
    Client,
    EndpointAgent,
    EndpointAgentsAnswer,
    UserProfile,
)
from hopsight.server.api.v6.rendering import render
from hopsight.server.places.agents import located

PATH: Final = "/v6/endpoint-agents"

_OF: Final = "endpoint-agents"
_MIB: Final = 1 << 20
_MAX_PAGE: Final = 100
_BOOLEANS: Final = {"true": True, "false": False}

_LISTED: Final = operation(
    "Agents of the account group, in order of ID",
    "Endpoint agents",
    parameters=(
        *COMMON,
        Parameter(name="deleted", meaning="`true`: deleted ones instead", schema={"enum": ["true", "false"]}),
        Parameter(name="agentName", meaning="exact", schema={"type": "string"}),
        Parameter(name="computerName", meaning="exact", schema={"type": "string"}),
        PAGE,
        PLACE,
    ),
    answer=EndpointAgentsAnswer,
)
_READ: Final = operation(
    "One agent",
    "Endpoint agents",
    404,
    parameters=(
        Parameter(name="agentId", meaning="ID of the agent", schema={"type": "string"}, where="path"),
        *COMMON,
    ),
    answer=EndpointAgentsAnswer,
)


@get(PATH, opt=described(_LISTED))
async def list_endpoint_agents(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page; it costs one call to the accounts."""
    asked = await ask(request)
    place = parse_place(_OF, asked.parameters)
    number = place.page if place else parse_page_number(asked.parameters, _MAX_PAGE)
    skipped = 0 if place else (number - 1) * PAGE_ITEMS
    found = asked.services.accounts.agents(
        asked.aid,
        deleted=_deleted(asked.parameters),
        agent_name=asked.parameters.one("agentName"),
        computer_name=asked.parameters.one("computerName"),
        after=place.item_id if place else None,
        limit=skipped + PAGE_ITEMS + 1,
    )[skipped:]
    agents, more = found[:PAGE_ITEMS], len(found) > PAGE_ITEMS
    pages = Pages(current=number, next=_next_url(asked, agents[-1], number) if more else None)
    return render(asked.scope, asked.format, _answer(asked, agents, pages))


@get(f"{PATH}/{{agentId:str}}", opt=described(_READ))
async def read_endpoint_agent(request: Request[Any, Any, Any]) -> Answer:
    """Answer with the agent, deleted or not."""
    asked = await ask(request)
    agent = find_agent(asked, request.path_params["agentId"])
    return render_agent(asked, agent)


def render_agent(asked: Asked, agent: Agent) -> Answer:
    """Answer with one agent."""
    return render(asked.scope, asked.format, _answer(asked, [agent], None))


def find_agent(asked: Asked, agent_id: str) -> Agent:
    """An agent of the account group that is asked about, deleted or not.

    Raises:
        NotFoundError: it has none of this ID.
    """
    agent = asked.services.accounts.agent(asked.aid, agent_id.lower())
    if agent is None:
        raise NotFoundError(f"There is no agent {agent_id!r} in this account group")
    return agent


def _deleted(parameters: Parameters) -> bool:
    text = parameters.one("deleted") or "false"
    if text not in _BOOLEANS:
        raise InvalidValueError("deleted", text, "true or false")
    return _BOOLEANS[text]


def _next_url(asked: Asked, last: Agent, number: int) -> str:
    place = PagePlace(of=_OF, page=number + 1, round_id=0, item_id=last.agent_id)
    pairs = asked.parameters.without(frozenset({"page", PARAMETER}))
    return page_url(asked.scope, asked.services.config.public_url, pairs, place)


def _answer(asked: Asked, agents: list[Agent], pages: Pages | None) -> EndpointAgentsAnswer:
    documents = [_document(agent) for agent in located(agents, asked.services.atlas)]
    return EndpointAgentsAnswer(endpoint_agents=documents, pages=pages)


def _document(agent: Agent) -> EndpointAgent:
    info = agent.info
    memory = info.total_memory_bytes
    clients = [Client(user_profile=UserProfile(user_name=name)) for name in info.user_names]
    return EndpointAgent(
        agent_id=agent.agent_id,
        agent_name=agent.agent_name,
        computer_name=info.computer_name,
        os_version=info.os_version,
        kernel_version=info.kernel_version,
        manufacturer=info.manufacturer,
        model=info.model,
        total_memory=None if memory is None else f"{memory // _MIB} MB",
        status="enabled" if agent.enabled else "disabled",
        deleted=agent.deleted,
        version=info.version,
        created_time=format_utc(agent.created_s),
        last_seen=format_utc(agent.last_seen_s),
        number_of_clients=len(clients),
        public_ip=agent.public_ip,
        location=_location(info.location),
        clients=clients,
        agent_type="enterprise",
    )


def _location(location: Location | None) -> AgentLocation | None:
    if location is None:
        return None
    return AgentLocation(
        latitude=location.latitude, longitude=location.longitude, location_name=location.location_name
    )


HANDLERS: Final = (list_endpoint_agents, read_endpoint_agent)
