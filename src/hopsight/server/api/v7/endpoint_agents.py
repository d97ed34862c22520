"""Endpoint agents in version 7: lists, and one of them."""

from typing import Any, Final

from litestar import get, post
from litestar.connection import Request
from msgspec import Struct

from hopsight.errors import NotFoundError
from hopsight.model.agents import Agent
from hopsight.model.query import PAGE_ITEMS
from hopsight.server.api.answers import Answer
from hopsight.server.api.body_readers import BodyReader
from hopsight.server.api.common_parameters import ACCOUNT_GROUP
from hopsight.server.api.cursors import PagePlace
from hopsight.server.api.description import Parameter, described
from hopsight.server.api.v7.agent_documents import AgentDetail, AgentList, agent_document
from hopsight.server.api.v7.agent_search import AgentFilters, AgentSearch, find_agents
from hopsight.server.api.v7.asking import Asked, answer, ask, link_to
from hopsight.server.api.v7.cursors import PARAMETER, format_cursor, parse_cursor
from hopsight.server.api.v7.descriptions import BODY_STATUSES, CURSOR, operation, path_parameter
from hopsight.server.api.v7.documents import Link, Links
from hopsight.server.api.v7.parameters import count_up_to, expanded, flag
from hopsight.server.places.agents import located

PATH: Final = "/v7/endpoint/agents"
TAG: Final = "Endpoint agents"
AGENT: Final = path_parameter("agentId", "ID of the agent")
EXPAND: Final = Parameter(
    name="expand",
    meaning="`clients`: with the users of the machine; `vpnProfiles` and `networkInterfaceProfiles` are "
    "taken and add nothing: agents do not report them",
    schema={"type": "string"},
)

_OF: Final = "endpoint-agents"
_EXPANDABLE: Final = ("clients", "networkInterfaceProfiles", "vpnProfiles")
_BOOLEAN: Final = {"enum": ["true", "false"]}
_DELETED: Final = Parameter(name="includeDeleted", meaning="`true`: deleted ones, too", schema=_BOOLEAN)
_LIST_PARAMETERS: Final = (
    ACCOUNT_GROUP,
    Parameter(
        name="useAllPermittedAids",
        meaning="`true`: agents of all account groups that the user may see",
        schema=_BOOLEAN,
    ),
    Parameter(
        name="max",
        meaning="most agents on a page",
        schema={"type": "integer", "minimum": 1, "maximum": PAGE_ITEMS},
    ),
    CURSOR,
    EXPAND,
    _DELETED,
)


class SearchRequest(Struct, rename="camel", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a search."""

    search_filters: AgentFilters | None = None


_searches: Final = BodyReader(
    SearchRequest,
    '{"searchFilters": {"agentName": ["reception"]}} with any of id, agentName, computerName, username, '
    "platform, osVersion",
)
_LISTED: Final = operation(
    "Agents of the account group, in order of ID",
    TAG,
    parameters=(
        *_LIST_PARAMETERS,
        Parameter(name="agentName", meaning="exact", schema={"type": "string"}),
        Parameter(name="computerName", meaning="exact", schema={"type": "string"}),
    ),
    answer=AgentList,
)
_FILTERED: Final = operation(
    "The same, narrowed by filters",
    TAG,
    *BODY_STATUSES,
    parameters=_LIST_PARAMETERS,
    body=SearchRequest,
    answer=AgentList,
)
_READ: Final = operation(
    "One agent", TAG, 404, parameters=(AGENT, ACCOUNT_GROUP, EXPAND, _DELETED), answer=AgentDetail
)


@get(PATH, opt=described(_LISTED))
async def list_endpoint_agents(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page of the agents, by ID."""
    asked = await ask(request)
    names = {field: asked.parameters.one(name) for field, name in _NAMES.items()}
    filters = AgentFilters(**{field: (name,) for field, name in names.items() if name is not None})
    return await _answer_page(asked, filters)


@post(f"{PATH}/filter", status_code=200, opt=described(_FILTERED))
async def filter_endpoint_agents(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page of the agents that the filters leave."""
    asked = await ask(request)
    wanted = await _searches.read(request, empty=b"{}")
    return await _answer_page(asked, wanted.search_filters or AgentFilters())


@get(f"{PATH}/{{agentId:str}}", opt=described(_READ))
async def read_endpoint_agent(request: Request[Any, Any, Any]) -> Answer:
    """Answer with one agent; a deleted one only where that is asked for."""
    asked = await ask(request)
    deleted = flag(asked.parameters, "includeDeleted")
    return answer_agent(asked, find_agent(asked, request.path_params["agentId"], deleted=deleted))


def find_agent(asked: Asked, agent_id: str, *, deleted: bool = False) -> Agent:
    """An agent of the account group that is asked about.

    Raises:
        NotFoundError: it has none of this ID, or it was deleted and ``deleted`` was not asked for.
    """
    agent = asked.services.accounts.agent(asked.aid, agent_id.lower())
    if agent is None or (agent.deleted and not deleted):
        raise NotFoundError(f"There is no agent {agent_id!r} in this account group")
    return agent


def answer_agent(asked: Asked, agent: Agent) -> Answer:
    """Answer with one agent."""
    clients = "clients" in expanded(asked.parameters, _EXPANDABLE)
    (found,) = located([agent], asked.services.atlas)
    return answer(asked, agent_document(found, clients=clients, href=_href(_base(asked), agent)))


async def _answer_page(asked: Asked, filters: AgentFilters) -> Answer:
    parameters = asked.parameters
    cursor = parameters.one(PARAMETER)
    everywhere = flag(parameters, "useAllPermittedAids")
    wanted = AgentSearch(
        aids=tuple(sorted(asked.principal.roles)) if everywhere else (asked.aid,),
        filters=filters,
        deleted=flag(parameters, "includeDeleted"),
        after=parse_cursor(cursor, _OF).place.item_id if cursor else "",
        most=count_up_to(parameters, "max", PAGE_ITEMS),
    )
    clients = "clients" in expanded(parameters, _EXPANDABLE)
    found = await find_agents(asked.services.accounts, asked.services.clock, wanted)
    agents = located(found.page, asked.services.atlas)
    base = _base(asked)
    documents = [agent_document(each, clients=clients, href=_href(base, each)) for each in agents]
    links = Links(next=_next(asked, found.page[-1]) if found.more else None)
    return answer(asked, AgentList(total_agents=found.total, agents=documents, links=links))


def _next(asked: Asked, last: Agent) -> Link:
    cursor = format_cursor(PagePlace(of=_OF, page=2, round_id=0, item_id=last.agent_id))
    pairs = [*asked.parameters.without(frozenset({PARAMETER})), f"{PARAMETER}={cursor}".encode()]
    return link_to(asked, asked.scope["path"], pairs)


def _base(asked: Asked) -> str:
    # Once an answer: only its end differs from agent to agent, and IDs and numbers need no quoting.
    return link_to(asked, f"{PATH}/").href


def _href(base: str, agent: Agent) -> str:
    return f"{base}{agent.agent_id}?aid={agent.aid}"


_NAMES: Final = {"agent_name": "agentName", "computer_name": "computerName"}

HANDLERS: Final = (list_endpoint_agents, filter_endpoint_agents, read_endpoint_agent)
