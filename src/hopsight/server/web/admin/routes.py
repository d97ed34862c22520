"""Every handler of administration."""

from typing import Any, Final

from hopsight.server.web.admin import home

HANDLERS: Final[list[Any]] = [*home.HANDLERS]
