"""Version 7 for those who wire it: its handlers and its errors."""

from typing import Any, Final

from hopsight.server.api.v7 import (
    account_group_changes,
    account_groups,
    endpoint_agent_changes,
    endpoint_agents,
    local_networks,
    real_user_tests,
)
from hopsight.server.api.v7.problems import answer_error

__all__ = ["HANDLERS", "VERSION", "answer_error"]

VERSION: Final = "/v7"
HANDLERS: Final[list[Any]] = [
    *account_groups.HANDLERS,
    *account_group_changes.HANDLERS,
    *endpoint_agents.HANDLERS,
    *endpoint_agent_changes.HANDLERS,
    *real_user_tests.HANDLERS,
    *local_networks.HANDLERS,
]
