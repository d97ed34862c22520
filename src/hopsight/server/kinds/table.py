"""The table of kinds that agents upload: everything in ``ingest`` loops over it."""

from typing import Final

from hopsight.server.kinds import agent_states, network_probes, network_sessions, user_sessions, web_sessions
from hopsight.server.kinds.contract import KindCheck

CHECKS: Final[tuple[KindCheck, ...]] = (
    network_sessions.CHECK,
    user_sessions.CHECK,
    web_sessions.CHECK,
    network_probes.CHECK,
    agent_states.CHECK,
)
