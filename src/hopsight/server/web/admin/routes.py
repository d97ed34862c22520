"""Every handler of administration."""

from typing import Any, Final

from hopsight.server.web.admin import audit, connection, groups, home, privacy, users, users_access

HANDLERS: Final[list[Any]] = [
    *home.HANDLERS,
    *connection.HANDLERS,
    *users.HANDLERS,
    *users_access.HANDLERS,
    *groups.HANDLERS,
    *audit.HANDLERS,
    *privacy.HANDLERS,
]
