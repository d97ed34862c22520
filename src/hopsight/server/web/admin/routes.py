"""Every handler of administration."""

from typing import Any, Final

from hopsight.server.web.admin import (
    agents,
    agents_one,
    audit,
    connection,
    groups,
    home,
    privacy,
    targets,
    users,
    users_access,
)

HANDLERS: Final[list[Any]] = [
    *home.HANDLERS,
    *agents.HANDLERS,
    *agents_one.HANDLERS,
    *targets.HANDLERS,
    *connection.HANDLERS,
    *users.HANDLERS,
    *users_access.HANDLERS,
    *groups.HANDLERS,
    *audit.HANDLERS,
    *privacy.HANDLERS,
]
