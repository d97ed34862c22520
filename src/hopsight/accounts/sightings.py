"""When agents were last seen: gathered in memory and written now and then, off the path of uploads."""

from typing import Final

from msgspec import Struct, structs
from sqlalchemy import Connection, bindparam, func, update

from hopsight.accounts import schema
from hopsight.accounts.agents import described
from hopsight.accounts.database import Database
from hopsight.clock import Clock
from hopsight.errors import StoreUnavailableError
from hopsight.model.agents import Agent, AgentInfo

FLUSH_EVERY_S: Final = 5.0
FLUSH_AT: Final = 500
"""So many at once keep one write short."""
MAX_WAITING: Final = 10_000
"""What is kept while the database cannot be written; beyond it new sightings are forgotten."""


class Sighting(Struct, frozen=True):
    """The newest that is known of one agent.

    Args:
        seen_s: when it was here, epoch seconds.
        public_ip: where it came from.
        info: None: it has not introduced itself again.
        network_id: None: it has told of no measurement since.
    """

    seen_s: int
    public_ip: str | None
    info: AgentInfo | None
    network_id: str | None = None


class Sightings:
    """Sightings on their way to the database; a crash loses those of the last seconds, and nothing else."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._waiting: dict[str, Sighting] = {}
        self._flushed_s = clock.monotonic()
        self._flush_at = FLUSH_AT

    def add(
        self, agent_id: str, public_ip: str | None, info: AgentInfo | None, network_id: str | None = None
    ) -> None:
        """Note that an agent was here now. Never fails: an upload must not for the sake of this."""
        known = self._waiting.get(agent_id)
        if known is None and len(self._waiting) >= MAX_WAITING:
            return
        if known is not None:
            info, network_id = info or known.info, network_id or known.network_id
        self._waiting[agent_id] = Sighting(int(self._clock.now()), public_ip, info, network_id)
        age_s = self._clock.monotonic() - self._flushed_s
        if age_s >= FLUSH_EVERY_S or len(self._waiting) >= self._flush_at:
            self._try_flush()

    def _try_flush(self) -> None:
        try:
            self.flush()
        except StoreUnavailableError:
            # Tried again in a while, or when as many more have come.
            self._flushed_s = self._clock.monotonic()
            self._flush_at = len(self._waiting) + FLUSH_AT

    def flush(self) -> None:
        """Write what waits.

        Raises:
            StoreUnavailableError: it cannot be written now, and goes on waiting.
        """
        if self._waiting:
            with self._database.write(changes_rights=False) as connection:
                _write(connection, self._waiting)
            self._waiting = {}
        self._flushed_s = self._clock.monotonic()
        self._flush_at = FLUSH_AT

    def applied_to(self, agent: Agent) -> Agent:
        """The agent as it is with what still waits."""
        sighting = self._waiting.get(agent.agent_id)
        if sighting is None:
            return agent
        info = sighting.info or agent.info
        return structs.replace(
            agent,
            last_seen_s=sighting.seen_s,
            public_ip=sighting.public_ip,
            network_id=sighting.network_id or agent.network_id,
            info=info,
            agent_name=agent.given_name or info.agent_name or info.computer_name,
        )


def _write(connection: Connection, waiting: dict[str, Sighting]) -> None:
    table = schema.agents
    seen = update(table).where(table.c.agent_id == bindparam("id_"))
    moved = seen.values(
        last_seen_s=bindparam("seen"),
        public_ip=bindparam("ip"),
        network_id=func.coalesce(bindparam("network"), table.c.network_id),
    )
    rows = [
        {
            "id_": agent_id,
            "seen": sighting.seen_s,
            "ip": sighting.public_ip,
            "network": sighting.network_id,
        }
        for agent_id, sighting in waiting.items()
    ]
    connection.execute(moved, rows)
    for agent_id, sighting in waiting.items():
        if sighting.info is not None:
            values = described(sighting.info)
            name = func.coalesce(table.c.given_name, values.pop("agent_name"))
            changed = update(table).where(table.c.agent_id == agent_id).values(**values, agent_name=name)
            connection.execute(changed)
