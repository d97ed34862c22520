"""Every handler of administration."""

from typing import Any, Final

from hopsight.server.web.admin import home, users, users_access

HANDLERS: Final[list[Any]] = [*home.HANDLERS, *users.HANDLERS, *users_access.HANDLERS]
