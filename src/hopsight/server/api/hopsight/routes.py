"""Our own API for those who wire it."""

from typing import Any, Final

from hopsight.server.api.hopsight import (
    agent_states,
    alert_rules,
    incidents,
    maintenance_windows,
    network_probes,
    user_sessions,
    verdicts,
)

HANDLERS: Final[list[Any]] = [
    *user_sessions.HANDLERS,
    *network_probes.HANDLERS,
    *agent_states.HANDLERS,
    *verdicts.HANDLERS,
    *alert_rules.HANDLERS,
    *incidents.HANDLERS,
    *maintenance_windows.HANDLERS,
]
