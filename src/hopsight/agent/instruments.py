"""What the duties measure with: opened together, and closed together."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

from msgspec import Struct

from hopsight.agent.measurement import Measurer
from hopsight.agent.network import Network, PageNetwork, PassiveNetwork
from hopsight.agent.pages.fetch import PageFetcher
from hopsight.agent.passive.sessions import PassiveSessions
from hopsight.agent.passive.sites import SiteFilter
from hopsight.agent.path.names import PathNames
from hopsight.agent.sockets.own import OwnSockets
from hopsight.agent.surroundings import Surroundings
from hopsight.clock import Clock
from hopsight.config import AgentConfig
from hopsight.maxmind.asn import AsnDatabase


class AgentNetwork(Network, PassiveNetwork, PageNetwork, Protocol):
    """All that an agent asks of the network."""

    @property
    def own_sockets(self) -> OwnSockets:
        """Which connections are the agent's own."""
        ...


class Instruments(Struct, frozen=True):
    """Open until ``opened`` is left.

    Args:
        measurer: of sites.
        names: of hops and addresses.
        passive: watches real traffic, once it is started; None: it is not to be watched.
        pages: fetches pages; None: none is to be.
    """

    measurer: Measurer
    names: PathNames
    passive: PassiveSessions | None
    pages: PageFetcher | None = None


@asynccontextmanager
async def opened(
    config: AgentConfig, network: AgentNetwork, clock: Clock, rng: random.Random, surroundings: Surroundings
) -> AsyncIterator[Instruments]:
    """Open what this configuration asks for.

    Raises:
        ConfigError: the file with AS numbers cannot be used, or a list of sites cannot be read.
    """
    async with AsyncExitStack() as stack:
        asn = AsnDatabase(config.asn_database) if config.asn_database is not None else None
        names = PathNames(network, clock, asn)
        stack.push_async_callback(names.aclose)
        measurer = Measurer(network, clock, rng, surroundings=surroundings.profile, path_notes=names.annotate)
        stack.push_async_callback(measurer.aclose)
        passive = None
        if config.passive:
            passive = PassiveSessions(
                network,
                clock,
                rng,
                sites=SiteFilter.parse(config.passive_include, config.passive_exclude),
                reverse_name=names.name_of,
                profile=surroundings.document,
            )
            stack.callback(passive.close)
        pages = None
        if config.fetch:
            pages = PageFetcher(network, clock, proxies=lambda: surroundings.profile().proxies)
        yield Instruments(measurer, names, passive, pages)
