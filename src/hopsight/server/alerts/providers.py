"""Who gives agents their way to the Internet: by the public addresses that they come from."""

from collections.abc import Iterator, Mapping
from typing import Final

from hopsight.accounts.accounts import Accounts
from hopsight.clock import Clock
from hopsight.maxmind.asn import AsnEntry
from hopsight.model.agents import Agent
from hopsight.server.places.atlas import Atlas
from hopsight.server.places.origins import public

KEPT_S: Final = 300.0
"""Agents seldom change their provider, and reading thousands of them takes a moment."""
_PAGE: Final = 1_000


class Providers:
    """Finds them; nobody has any where no file says who announces which address (``--asn-db``).

    Args:
        accounts: where agents are.
        atlas: the file.
        clock: the time.
    """

    def __init__(self, accounts: Accounts, atlas: Atlas, clock: Clock) -> None:
        self._accounts = accounts
        self._atlas = atlas
        self._clock = clock
        self._known: dict[int, tuple[float, Mapping[str, str]]] = {}

    def of(self, aid: int) -> Mapping[str, str]:
        """The provider of each agent of an account group that has a known one: ``AS64500 Example``.

        Raises:
            StoreUnavailableError: agents cannot be read now.
        """
        if not self._atlas.knows_networks:
            return {}
        now_s = self._clock.monotonic()
        until_s, found = self._known.get(aid, (0.0, {}))
        if now_s >= until_s:
            found = dict(self._read(aid))
            self._known[aid] = now_s + KEPT_S, found
        return found

    def _read(self, aid: int) -> Iterator[tuple[str, str]]:
        after: str | None = None
        while page := self._accounts.agents(aid, after=after, limit=_PAGE):
            for agent in page:
                entry = self._entry(agent)
                if entry is not None:
                    yield agent.agent_id, named(entry)
            after = page[-1].agent_id

    def _entry(self, agent: Agent) -> AsnEntry | None:
        return self._atlas.network_of(public(agent.public_ip) if agent.public_ip else None)


def named(entry: AsnEntry) -> str:
    """A provider in words."""
    return f"AS{entry.asn} {entry.organization}" if entry.organization else f"AS{entry.asn}"
