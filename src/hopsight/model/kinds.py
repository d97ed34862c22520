"""The kinds of record: one table. Everything that works for all of them loops over ``KINDS``."""

from typing import Final

from msgspec import Struct

from hopsight.model.dimensions import (
    AGENT_STATES,
    NETWORK_PROBES,
    NETWORK_SESSIONS,
    USER_SESSIONS,
    WEB_SESSIONS,
)
from hopsight.model.ids import SESSION_ROUND_S
from hopsight.model.sessions import ProbedNetworkSession
from hopsight.model.states import AgentState
from hopsight.model.topology import TOPOLOGY_ROUND_S, NetworkProbe, NetworkProbeDetail
from hopsight.model.user_sessions import SessionDetail, UserSession
from hopsight.model.web_sessions import WebPageDetail, WebSession


class Kind(Struct, frozen=True):
    """One kind of record.

    Args:
        name: in our own terms; also the key into ``KINDS``.
        table: its table in an SQL store.
        list_key: the key of its list in the API.
        document: the struct that its stored body is.
        round_s: length of its rounds in seconds.
        detail: the struct that its stored detail is; None: it has none.
    """

    name: str
    table: str
    list_key: str
    document: type[Struct]
    round_s: int
    detail: type[Struct] | None = None


KINDS: Final = {
    NETWORK_SESSIONS: Kind(
        name=NETWORK_SESSIONS,
        table="network_sessions",
        list_key="networkSessions",
        document=ProbedNetworkSession,
        round_s=SESSION_ROUND_S,
    ),
    USER_SESSIONS: Kind(
        name=USER_SESSIONS,
        table="user_sessions",
        list_key="userSessions",
        document=UserSession,
        round_s=SESSION_ROUND_S,
        detail=SessionDetail,
    ),
    WEB_SESSIONS: Kind(
        name=WEB_SESSIONS,
        table="web_sessions",
        list_key="webSessions",
        document=WebSession,
        round_s=SESSION_ROUND_S,
        detail=WebPageDetail,
    ),
    NETWORK_PROBES: Kind(
        name=NETWORK_PROBES,
        table="network_probes",
        list_key="networkProbes",
        document=NetworkProbe,
        round_s=TOPOLOGY_ROUND_S,
        detail=NetworkProbeDetail,
    ),
    AGENT_STATES: Kind(
        name=AGENT_STATES,
        table="agent_states",
        list_key="agentStates",
        document=AgentState,
        round_s=SESSION_ROUND_S,
    ),
}
