"""The agent put together: the only place that knows all its parts."""

import asyncio
import random
from collections.abc import Coroutine
from contextlib import ExitStack
from typing import Any, Final

import msgspec
import structlog

from hopsight.agent.delivery.client import ServerClient
from hopsight.agent.delivery.directory import AgentDirectory
from hopsight.agent.delivery.enrol import enrol_once, enrol_until_known, resolve_identity
from hopsight.agent.delivery.identity import save_identity
from hopsight.agent.delivery.server_route import route_to
from hopsight.agent.delivery.spool import Spool
from hopsight.agent.duties import Duties, Parts
from hopsight.agent.instruments import AgentNetwork
from hopsight.agent.machine import read_agent_info
from hopsight.agent.passive.sites import SiteFilter
from hopsight.agent.privacy.redaction import open_redaction
from hopsight.agent.results import ProbeOptions
from hopsight.agent.surroundings import check_targets
from hopsight.clock import Clock
from hopsight.config import AgentConfig
from hopsight.model.agents import AgentInfo

OPTIONS: Final = ProbeOptions(path=True)

_log = structlog.get_logger()


def create_agent(
    config: AgentConfig,
    network: AgentNetwork,
    clock: Clock,
    rng: random.Random,
    options: ProbeOptions = OPTIONS,
) -> "Agent":
    """Claim the data directory, and find or make the identity.

    Raises:
        ConfigError: a setting is wrong, or there is no connection string and no identity.
        ConflictError: another agent works in this directory.
        HopsightError: the directory cannot be used.
    """
    with ExitStack() as opened:
        directory = opened.enter_context(AgentDirectory.hold(config.data))
        made = Agent(config, directory, network, clock, rng, options)
        # It is the agent's now, which closes it when it ends.
        opened.pop_all()
    return made


class Agent:
    """One agent, from start to stop. Made by ``create_agent``; runs once."""

    def __init__(
        self,
        config: AgentConfig,
        directory: AgentDirectory,
        network: AgentNetwork,
        clock: Clock,
        rng: random.Random,
        options: ProbeOptions,
    ) -> None:
        self._config = config
        self._options = options
        self._directory = directory
        self._network = network
        self._clock = clock
        self._rng = rng
        check_targets(config.targets)
        SiteFilter.parse(config.passive_include, config.passive_exclude)
        self._redaction = open_redaction(config.redact, directory.path)
        if config.passive:
            # Before the first connection of our own: it is no traffic of the machine's people.
            network.own_sockets.watch()
        known = resolve_identity(directory.path, config.connection_string, rng)
        self._identity = known.identity
        self._route = route_to(known.identity.url, config, known.identity.fingerprint)
        self._spool = Spool(directory.path, clock, max_bytes=config.spool_bytes, max_age_s=config.spool_age_s)
        if known.replaced:
            dropped = self._spool.clear()
            _log.warning(
                "another account group's connection string: enrolling anew; "
                "waiting records belong to the old one and are dropped",
                dropped=dropped,
            )
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End ``run`` soon; to be called on the event loop."""
        self._stopping.set()

    async def run(self) -> None:
        """Measure and deliver until stopped; closes everything on its way out."""
        try:
            async with self._client() as client:
                await self._until_stopped(self._work(client))
        finally:
            self._close()

    async def run_once(self) -> bool:
        """Enrol, measure one round, deliver; closes everything on its way out.

        Returns:
            Whether everything was delivered. If not, it waits in the spool.

        Raises:
            UploadError: not enrolled yet, and the server does not enrol now: nothing was measured.
        """
        delivered = False

        async def work(client: ServerClient) -> None:
            nonlocal delivered
            delivered = await self._once(client)

        try:
            async with self._client() as client:
                await self._until_stopped(work(client))
        finally:
            self._close()
        return delivered

    async def _until_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            working.cancel()
            await asyncio.wait({working, stopping})
        if not working.cancelled():
            working.result()

    async def _work(self, client: ServerClient) -> None:
        self._identity = await enrol_until_known(
            self._directory.path, self._identity, client, self._read_info(), self._clock, self._rng
        )
        while True:
            async with Duties.taken_up(self._parts(client)) as duties:
                aid = await duties.run()
            if aid is None:
                return
            self._move(aid)

    async def _once(self, client: ServerClient) -> bool:
        info = self._read_info()
        self._identity = await enrol_once(self._directory.path, self._identity, client, info)
        while True:
            async with Duties.taken_up(self._parts(client)) as duties:
                aid = duties.moved_to
                if aid is None:
                    return await duties.run_once()
            self._move(aid)

    def _move(self, aid: int) -> None:
        self._identity = msgspec.structs.replace(self._identity, aid=aid)
        save_identity(self._directory.path, self._identity)
        _log.info("moved to another account group", aid=aid)

    def _parts(self, client: ServerClient) -> Parts:
        return Parts(
            config=self._config,
            directory=self._directory.path,
            network=self._network,
            clock=self._clock,
            rng=self._rng,
            options=self._options,
            identity=self._identity,
            spool=self._spool,
            client=client,
            redaction=self._redaction,
            read_info=self._read_info,
        )

    def _client(self) -> ServerClient:
        # Two, so that a long upload does not hold up the question of what to measure.
        return ServerClient(
            self._identity.url,
            self._identity.fingerprint,
            connections=2,
            own=self._network.own_sockets,
            route=self._route,
        )

    def _read_info(self) -> AgentInfo:
        info = read_agent_info(agent_name=self._config.agent_name, location=self._config.location)
        return self._redaction.info(info)

    def _close(self) -> None:
        counts = self._spool.counts()
        _log.info("agent stopped", waiting=counts.waiting, dropped=counts.dropped, refused=counts.refused)
        self._spool.close()
        self._directory.close()
