"""Finding agents: which account groups, which filters, and the page of those that match."""

from collections.abc import AsyncIterator

from msgspec import Struct

from hopsight.accounts.accounts import Accounts
from hopsight.clock import Clock
from hopsight.model.agents import Agent
from hopsight.server.api.v7.agent_documents import platform_of


class AgentFilters(Struct, rename="camel", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What agents must match: any of the values of every field given. Others are not stored, and refused."""

    id: tuple[str, ...] | None = None
    agent_name: tuple[str, ...] | None = None
    computer_name: tuple[str, ...] | None = None
    username: tuple[str, ...] | None = None
    platform: tuple[str, ...] | None = None
    os_version: tuple[str, ...] | None = None


class AgentSearch(Struct, frozen=True, kw_only=True):
    """Which agents are wanted.

    Args:
        aids: account groups.
        filters: what they must match.
        deleted: those that were deleted, too.
        after: ID of the last agent of the page before; empty: from the first.
        most: at most so many on a page.
    """

    aids: tuple[int, ...]
    filters: AgentFilters
    deleted: bool
    after: str
    most: int


class FoundAgents(Struct, frozen=True):
    """A page of agents, how many match on all pages, and whether more are behind it."""

    page: list[Agent]
    total: int
    more: bool


async def find_agents(accounts: Accounts, clock: Clock, wanted: AgentSearch) -> FoundAgents:
    """A page of agents by ID.

    The database answers what it can alone: a page of one account group, with exact names. For everything
    else all agents of the account groups are looked at, since the answer tells how many match.
    """
    if len(wanted.aids) == 1 and not wanted.deleted and _is_exact(wanted.filters):
        return _page(accounts, wanted)
    matching = [agent async for agent in _all(accounts, clock, wanted) if matches(agent, wanted.filters)]
    matching.sort(key=lambda agent: agent.agent_id)
    behind = [agent for agent in matching if agent.agent_id > wanted.after]
    return FoundAgents(behind[: wanted.most], len(matching), len(behind) > wanted.most)


def matches(agent: Agent, filters: AgentFilters) -> bool:
    """Whether an agent passes; names of users and versions of systems match by how they begin."""
    info = agent.info
    return (
        (filters.id is None or agent.agent_id in filters.id)
        and (filters.agent_name is None or agent.agent_name in filters.agent_name)
        and (filters.computer_name is None or info.computer_name in filters.computer_name)
        and (filters.platform is None or platform_of(agent) in filters.platform)
        and (filters.os_version is None or _begins((info.os_version,), filters.os_version))
        and (filters.username is None or _begins(info.user_names, filters.username))
    )


def _is_exact(filters: AgentFilters) -> bool:
    others = (filters.id, filters.username, filters.platform, filters.os_version)
    names = (filters.agent_name, filters.computer_name)
    return not any(others) and all(name is None or len(name) == 1 for name in names)


def _page(accounts: Accounts, wanted: AgentSearch) -> FoundAgents:
    filters, aid = wanted.filters, wanted.aids[0]
    agent_name = filters.agent_name[0] if filters.agent_name else None
    computer_name = filters.computer_name[0] if filters.computer_name else None
    found = accounts.agents(
        aid,
        agent_name=agent_name,
        computer_name=computer_name,
        after=wanted.after or None,
        limit=wanted.most + 1,
    )
    total = accounts.count_agents(aid, agent_name=agent_name, computer_name=computer_name)
    return FoundAgents(found[: wanted.most], total, len(found) > wanted.most)


async def _all(accounts: Accounts, clock: Clock, wanted: AgentSearch) -> AsyncIterator[Agent]:
    for aid in wanted.aids:
        for deleted in (False, True) if wanted.deleted else (False,):
            after: str | None = None
            while chunk := accounts.agents(aid, deleted=deleted, after=after):
                for agent in chunk:
                    yield agent
                after = chunk[-1].agent_id
                # A large group takes a while: others have their turn.
                await clock.sleep(0)


def _begins(values: tuple[str, ...], prefixes: tuple[str, ...]) -> bool:
    lowered = tuple(prefix.lower() for prefix in prefixes)
    return any(value.lower().startswith(lowered) for value in values)
