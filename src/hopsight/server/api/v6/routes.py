"""Version 6 for those who wire it: its handlers, its place among paths, and its errors."""

from typing import Any, Final

from litestar.exceptions import HTTPException
from litestar.types import Scope

from hopsight.errors import InvalidValueError
from hopsight.server.api.answers import Answer
from hopsight.server.api.errors import ErrorAnswer
from hopsight.server.api.formats import Format
from hopsight.server.api.parameters import Parameters
from hopsight.server.api.v6 import (
    account_groups,
    endpoint_agent_changes,
    endpoint_agents,
    network_sessions,
    network_topology,
    networks,
    roles,
    status,
    user_events,
    user_sessions,
    users,
    web_sessions,
)
from hopsight.server.api.v6.asking import format_of
from hopsight.server.api.v6.rendering import render_error
from hopsight.server.api.visits import Dialect, visit_of

VERSION: Final = "/v6"
RESOURCES: Final = frozenset(
    {"status", "account-groups", "audit", "endpoint-agents", "endpoint-data", "permissions", "roles", "users"}
)
"""First parts of paths that mean this version when none is given."""

HANDLERS: Final[list[Any]] = [
    *status.HANDLERS,
    *account_groups.HANDLERS,
    *endpoint_agents.HANDLERS,
    *endpoint_agent_changes.HANDLERS,
    *user_events.HANDLERS,
    *users.HANDLERS,
    *roles.HANDLERS,
    *user_sessions.HANDLERS,
    *network_sessions.HANDLERS,
    *web_sessions.HANDLERS,
    *network_topology.HANDLERS,
    *networks.HANDLERS,
]


def answer_error(scope: Scope, error: ErrorAnswer) -> Answer:
    """Answer in the format that was asked for; JSON where that was the mistake, and outside version 6."""
    return render_error(_error_format(scope) if visit_of(scope).dialect is Dialect.V6 else Format.JSON, error)


def _error_format(scope: Scope) -> Format:
    for query in (scope["query_string"], b""):
        try:
            return format_of(scope, Parameters(query))
        except InvalidValueError:
            # The mistake was `format` itself: what did the rest of the request ask for?
            continue
        except HTTPException:
            break
    return Format.JSON
