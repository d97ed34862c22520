"""The kinds of record: one table. Everything that works for all of them loops over ``KINDS``."""

from typing import Final

from msgspec import Struct

from hopsight.model.dimensions import NETWORK_SESSIONS
from hopsight.model.ids import SESSION_ROUND_S
from hopsight.model.sessions import NetworkSession


class Kind(Struct, frozen=True):
    """One kind of record.

    Args:
        name: in our own terms; also the key into ``KINDS``.
        table: its table in an SQL store.
        list_key: the key of its list in the API.
        document: the struct that its stored body is.
        round_s: length of its rounds in seconds.
    """

    name: str
    table: str
    list_key: str
    document: type[Struct]
    round_s: int


# User sessions, web sessions and network probes (API.md 3.2 to 3.5) each become one row here.
KINDS: Final = {
    NETWORK_SESSIONS: Kind(
        name=NETWORK_SESSIONS,
        table="network_sessions",
        list_key="networkSessions",
        document=NetworkSession,
        round_s=SESSION_ROUND_S,
    ),
}
