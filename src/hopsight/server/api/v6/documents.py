"""The answers of version 6, as structs: JSON, XML, its schema and the API's description come from here."""

from typing import Final

from msgspec import Struct, field

from hopsight.model.dimensions import NETWORK_PROBES, NETWORK_SESSIONS, USER_SESSIONS, WEB_SESSIONS
from hopsight.model.har import Browser, Har, HarPage
from hopsight.model.kinds import KINDS
from hopsight.model.sessions import AgentId, DateTime, NetworkSession
from hopsight.model.topology import NetworkProbe
from hopsight.model.user_sessions import Coordinates, UserSession
from hopsight.model.web_sessions import WebSession
from hopsight.server.api.documents import ErrorDocument, Pages, records_answer
from hopsight.server.api.names import capitalized
from hopsight.server.api.v6.network_items import NetworkProfileItem, SessionNetworkItem
from hopsight.server.api.v6.user_documents import PermissionsAnswer, RolesAnswer, TokensAnswer, UsersAnswer


class AgentLocation(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Where an agent is."""

    latitude: float | None = None
    longitude: float | None = None
    location_name: str


class UserProfile(Struct, rename="camel", frozen=True, kw_only=True, gc=False):
    """A user of the agent's machine."""

    user_name: str


class Client(Struct, rename="camel", frozen=True, kw_only=True, gc=False):
    """One user's session on the agent's machine."""

    user_profile: UserProfile


class EndpointAgent(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An agent; what it did not tell is absent."""

    agent_id: AgentId
    agent_name: str
    computer_name: str
    os_version: str
    kernel_version: str
    manufacturer: str | None = None
    model: str | None = None
    total_memory: str | None = None
    status: str
    deleted: bool
    version: str
    created_time: DateTime
    last_seen: DateTime
    number_of_clients: int
    public_ip: str | None = field(default=None, name="publicIP")
    location: AgentLocation | None = None
    clients: list[Client]
    agent_type: str


class EndpointAgentsAnswer(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """Agents of an account group; one agent comes without ``pages``."""

    endpoint_agents: list[EndpointAgent]
    pages: Pages | None = None


class TransferredAgents(Struct, rename="camel", frozen=True, kw_only=True):
    """How many agents moved."""

    machine_count: int


class TransferAnswer(Struct, rename="camel", frozen=True, kw_only=True):
    """What became of a transfer."""

    endpoint_agents_transfer: TransferredAgents


class AuditResource(Struct, frozen=True, kw_only=True):
    """What a change was about."""

    type: str
    name: str


class AuditEventDocument(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """One change: who, when, from where, what."""

    event: str
    date: DateTime
    user: str
    uid: int | None = None
    ip_address: str | None = None
    aid: int | None = None
    account_group_name: str | None = None
    resources: list[AuditResource]


class AuditAnswer(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """Changes of a time range, oldest first."""

    audit_events: list[AuditEventDocument]
    from_: DateTime = field(name="from")
    to: DateTime
    pages: Pages


class UserRole(Struct, rename="camel", frozen=True, kw_only=True):
    """What a user may do."""

    role_name: str
    role_id: int
    has_management_permissions: int
    builtin: int


class GroupUser(Struct, rename="camel", frozen=True, kw_only=True):
    """A user of an account group."""

    name: str
    email: str
    uid: int
    roles: list[UserRole]


class GroupAgent(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """An agent of an account group, in short."""

    agent_id: AgentId
    agent_name: str
    location: str | None = None
    public_ip_address: str | None = None
    public_ip_addresses: list[str] | None = None
    enabled: int
    last_seen: DateTime
    agent_type: str


class AccountGroupDocument(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """An account group; users and agents only when one group was asked for."""

    account_group_name: str
    aid: int
    organization_name: str | None = None
    current: int
    default: int
    users: list[GroupUser] | None = None
    agents: list[GroupAgent] | None = None


class AccountGroupsAnswer(Struct, rename="camel", frozen=True, kw_only=True):
    """Account groups that the asker may see."""

    account_groups: list[AccountGroupDocument]


class StatusAnswer(Struct, frozen=True, kw_only=True):
    """That we are here: epoch seconds, and our version."""

    timestamp: int
    version: str


class UserSessionItem(UserSession, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """A user session; what follows ``permalink`` comes only where one session was asked for."""

    permalink: str | None = None
    browser: Browser | None = None
    coordinates: Coordinates | None = None
    pages: tuple[HarPage, ...] = ()
    network: SessionNetworkItem | None = None


class NetworkProbeItem(NetworkProbe, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """A network probe; coordinates and profile come only where one probe was asked for."""

    coordinates: Coordinates | None = None
    network_profile: NetworkProfileItem | None = None


class PrivateNetwork(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """A network that agents were on."""

    network_id: str
    network_name: str
    local_prefix: str | None = None
    public_ip_range: str | None = None


class PrivateNetworksAnswer(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """Networks of an account group."""

    private_networks: list[PrivateNetwork]
    pages: Pages


class HarAnswer(Struct, frozen=True, kw_only=True):
    """The archive of one page."""

    har: Har


ITEMS: Final[dict[str, type[Struct]]] = {
    NETWORK_SESSIONS: NetworkSession,
    USER_SESSIONS: UserSessionItem,
    WEB_SESSIONS: WebSession,
    NETWORK_PROBES: NetworkProbeItem,
}
"""The kinds of record that version 6 serves, and what it shows of each."""
# One of these comes whole where it alone is asked for, and then without a tail.
_WITH_DETAIL: Final = frozenset({USER_SESSIONS, NETWORK_PROBES})
RECORDS: Final = {
    name: records_answer(
        KINDS[name].list_key,
        item,
        f"{capitalized(KINDS[name].list_key)}Answer",
        or_one=name in _WITH_DETAIL,
    )
    for name, item in ITEMS.items()
}
ANSWERS: Final[tuple[type[Struct], ...]] = (
    *RECORDS.values(),
    PrivateNetworksAnswer,
    HarAnswer,
    EndpointAgentsAnswer,
    TransferAnswer,
    AuditAnswer,
    UsersAnswer,
    RolesAnswer,
    PermissionsAnswer,
    TokensAnswer,
    AccountGroupsAnswer,
    StatusAnswer,
    ErrorDocument,
)
"""Everything that the root of an answer may hold."""
