"""Which agents a page lists: searched through in bounded steps, so that large account groups answer, too."""

from typing import Final

from msgspec import Struct

from hopsight.accounts.accounts import Accounts
from hopsight.errors import InvalidValueError
from hopsight.model.agents import Agent

PAGE_AGENTS: Final = 100
"""Rows of a page: what check boxes can choose at once."""

STATES: Final = {
    "": "all but deleted",
    "enabled": "enabled",
    "disabled": "disabled",
    "deleted": "deleted",
}
"""What ``?state=`` may say, and what it is called."""

_STEP_AGENTS: Final = 1_000
_STEPS: Final = 10


class Wanted(Struct, frozen=True, kw_only=True):
    """What is looked for.

    Args:
        state: one of ``STATES``.
        name: a part of an agent's or computer's name, or an ID, in any case; empty: all.
        after: ID of the last agent of the page before.
    """

    state: str = ""
    name: str = ""
    after: str | None = None

    def checked(self) -> "Wanted":
        """This.

        Raises:
            InvalidValueError: there is no such state.
        """
        if self.state not in STATES:
            raise InvalidValueError("state", self.state, "enabled, disabled, deleted, or none for all others")
        return self

    def matches(self, agent: Agent) -> bool:
        """Whether this agent is looked for."""
        if self.state in ("enabled", "disabled") and agent.enabled is not (self.state == "enabled"):
            return False
        part = self.name.strip().lower()
        names = (agent.agent_name, agent.info.computer_name, agent.agent_id)
        return any(part in name.lower() for name in names)


class Listed(Struct, frozen=True, kw_only=True):
    """A page of them; ``after``: where the next begins, None: that is all."""

    agents: list[Agent]
    after: str | None


def list_agents(accounts: Accounts, aid: int, wanted: Wanted) -> Listed:
    """The next page: at most ``PAGE_AGENTS``, and fewer when few of many match."""
    found: list[Agent] = []
    after = wanted.after
    for _ in range(_STEPS):
        step = accounts.agents(aid, deleted=wanted.state == "deleted", after=after, limit=_STEP_AGENTS)
        for agent in step:
            if wanted.matches(agent):
                if len(found) == PAGE_AGENTS:
                    return Listed(agents=found, after=found[-1].agent_id)
                found.append(agent)
        if len(step) < _STEP_AGENTS:
            return Listed(agents=found, after=None)
        after = step[-1].agent_id
    return Listed(agents=found, after=after)
