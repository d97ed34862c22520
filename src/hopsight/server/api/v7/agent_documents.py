"""Endpoint agents as version 7 writes them: dates with ``Z``, enumerations in lower case."""

from typing import Final

from msgspec import Struct, field

from hopsight.model.agents import Agent, Location
from hopsight.model.times import format_instant
from hopsight.server.api.v7.documents import Link, Links

_MIB: Final = 1 << 20
_PLATFORMS: Final = {"windows": "windows", "darwin": "mac", "mac": "mac", "macos": "mac", "linux": "linux"}


class AgentPlace(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """Where an agent is."""

    latitude: float | None = None
    longitude: float | None = None
    location_name: str


class ClientProfile(Struct, rename="camel", frozen=True, kw_only=True):
    """A user of the agent's machine."""

    user_name: str


class AgentClient(Struct, rename="camel", frozen=True, kw_only=True):
    """One user's session on the agent's machine."""

    user_profile: ClientProfile


class AgentDetail(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """An agent; what it did not tell is absent, and its clients come only where they were asked for."""

    id: str
    aid: str
    name: str
    computer_name: str
    os_version: str
    platform: str
    kernel_version: str
    manufacturer: str | None = None
    model: str | None = None
    last_seen: str
    status: str
    deleted: bool
    version: str
    created_at: str
    number_of_clients: int
    public_ip: str | None = field(default=None, name="publicIP")
    location: AgentPlace | None = None
    clients: list[AgentClient] | None = None
    total_memory: str | None = None
    agent_type: str
    links: Links | None = field(default=None, name="_links")


class AgentList(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """Agents of an account group, and how many there are on all pages."""

    total_agents: int
    agents: list[AgentDetail]
    links: Links = field(name="_links")


def platform_of(agent: Agent) -> str:
    """The platform in version 7's words."""
    return _PLATFORMS.get(agent.info.platform.lower(), "unknown")


def agent_document(agent: Agent, *, clients: bool = False, href: str | None = None) -> AgentDetail:
    """Write an agent; ``clients``: with those who are logged in; ``href``: where it is."""
    info = agent.info
    memory = info.total_memory_bytes
    users = [AgentClient(user_profile=ClientProfile(user_name=name)) for name in info.user_names]
    return AgentDetail(
        id=agent.agent_id,
        aid=str(agent.aid),
        name=agent.agent_name,
        computer_name=info.computer_name,
        os_version=info.os_version,
        platform=platform_of(agent),
        kernel_version=info.kernel_version,
        manufacturer=info.manufacturer,
        model=info.model,
        last_seen=format_instant(agent.last_seen_s),
        status="enabled" if agent.enabled else "disabled",
        deleted=agent.deleted,
        version=info.version,
        created_at=format_instant(agent.created_s),
        number_of_clients=len(users),
        public_ip=agent.public_ip,
        location=_location(info.location),
        clients=users if clients else None,
        total_memory=None if memory is None else f"{memory // _MIB} MB",
        agent_type="enterprise",
        links=None if href is None else Links(self_=Link(href=href)),
    )


def _location(location: Location | None) -> AgentPlace | None:
    if location is None:
        return None
    return AgentPlace(
        latitude=location.latitude, longitude=location.longitude, location_name=location.location_name
    )
