"""The agent put together: the only place that knows all its parts."""

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import Any, Final

import structlog
from msgspec import Struct

from hopsight.agent.client import ServerClient
from hopsight.agent.configuration import Configuration
from hopsight.agent.directory import AgentDirectory
from hopsight.agent.documents import network_session
from hopsight.agent.enrol import credentials_of, enrol_once, enrol_until_known, resolve_identity
from hopsight.agent.identity import Identity
from hopsight.agent.machine import read_agent_info
from hopsight.agent.measurement import Measurement, Measurer
from hopsight.agent.network import Network
from hopsight.agent.results import ProbeOptions
from hopsight.agent.rounds import Rounds, RoundWork
from hopsight.agent.spool import Spool
from hopsight.agent.surroundings import Surroundings, check_targets
from hopsight.agent.upload import Uploader
from hopsight.clock import Clock
from hopsight.config import AgentConfig
from hopsight.errors import StoreUnavailableError, UploadError
from hopsight.model.agents import AgentInfo, Target
from hopsight.model.upload import NetworkSessionRecord

OPTIONS: Final = ProbeOptions()
FIRST_ANSWER_S: Final = 5.0
LAST_UPLOAD_S: Final = 1.0
"""How long stopping may wait for one last upload; what it does not take stays in the spool."""

_log = structlog.get_logger()


def create_agent(
    config: AgentConfig,
    network: Network,
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
        network: Network,
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
        known = resolve_identity(directory.path, config.connection_string, rng)
        self._identity = known.identity
        self._spool = Spool(directory.path, clock, max_bytes=config.spool_bytes, max_age_s=config.spool_age_s)
        if known.replaced:
            dropped = self._spool.clear()
            _log.warning(
                "another account group's connection string: enrolling anew; "
                "waiting records belong to the old one and are dropped",
                dropped=dropped,
            )
        self._missing: set[str] = set()
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
        async with self._duties(client) as duties:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(duties.rounds.run())
                    tasks.create_task(duties.uploader.run(duties.rounds.first_done))
                    tasks.create_task(duties.configuration.run(self._clock, self._rng))
            finally:
                await duties.deliver_last()

    async def _once(self, client: ServerClient) -> bool:
        info = self._read_info()
        self._identity = await enrol_once(self._directory.path, self._identity, client, info)
        async with self._duties(client) as duties:
            measured = await duties.rounds.run_once()
            try:
                delivered = await duties.uploader.drain()
            except (UploadError, StoreUnavailableError) as error:
                _log.warning("cannot upload now; records are kept", reason=str(error))
                return False
        _log.info("one round is over", targets=measured, delivered=delivered)
        return True

    @asynccontextmanager
    async def _duties(self, client: ServerClient) -> AsyncIterator["Duties"]:
        configuration = Configuration(self._directory.path, client, credentials_of(self._identity))
        try:
            # Asked before the first round; a server that does not answer must not hold it up for long.
            async with asyncio.timeout(FIRST_ANSWER_S):
                await configuration.refresh()
        except (UploadError, TimeoutError) as error:
            _log.warning("starting with the configuration kept from before", reason=str(error) or "no answer")
        measurer = Measurer(self._network, self._clock, self._rng)
        try:
            yield self._wired(client, configuration, measurer)
        finally:
            await measurer.aclose()

    def _wired(self, client: ServerClient, configuration: Configuration, measurer: Measurer) -> "Duties":
        surroundings = Surroundings(self._config, self._network, self._identity.url, self._read_info)
        uploader = Uploader(
            client,
            credentials_of(self._identity),
            spool=self._spool,
            info=surroundings.info,
            may_send=lambda: configuration.current.enabled,
            clock=self._clock,
            rng=self._rng,
        )

        async def targets() -> Sequence[Target]:
            return await asyncio.to_thread(surroundings.targets, configuration.current)

        async def measure(target: Target) -> Measurement:
            return (await measurer.measure(target, self._options))[0]

        async def keep(measurements: Sequence[Measurement]) -> None:
            self._say_what_is_missing(measurements)
            records = records_of(measurements, self._identity, self._rng)
            if records:
                await asyncio.to_thread(self._spool.append, records, surroundings.context())

        return Duties(
            configuration=configuration,
            uploader=uploader,
            rounds=Rounds(RoundWork(targets, measure, keep), self._clock),
        )

    def _say_what_is_missing(self, measurements: Sequence[Measurement]) -> None:
        """Once for each reason, not once a minute: that ICMP is not allowed, and how to allow it."""
        reasons = {item.icmp_unavailable for item in measurements if item.icmp_unavailable is not None}
        for reason in sorted(reasons - self._missing):
            _log.warning("measuring by TCP alone", reason=reason)
        self._missing |= reasons

    def _client(self) -> ServerClient:
        return ServerClient(self._identity.url, self._identity.fingerprint)

    def _read_info(self) -> AgentInfo:
        return read_agent_info(agent_name=self._config.agent_name, location=self._config.location)

    def _close(self) -> None:
        counts = self._spool.counts()
        _log.info("agent stopped", waiting=counts.waiting, dropped=counts.dropped, refused=counts.refused)
        self._spool.close()
        self._directory.close()


class Duties(Struct, frozen=True):
    """What an enrolled agent does all day."""

    configuration: Configuration
    uploader: Uploader
    rounds: Rounds

    async def deliver_last(self) -> None:
        """One quick try on the way out; what it does not take waits in the spool."""
        try:
            async with asyncio.timeout(LAST_UPLOAD_S):
                await self.uploader.drain()
        except (UploadError, StoreUnavailableError, TimeoutError):
            _log.info("not everything could be uploaded; records are kept")


def records_of(
    measurements: Sequence[Measurement], identity: Identity, rng: random.Random
) -> list[NetworkSessionRecord]:
    """What is to be kept of measurements: a window that was slept through is none, and is not recorded."""
    records = []
    for measurement in measurements:
        if measurement.asleep:
            _log.info("the machine slept: measurement discarded", target=measurement.visited_site)
            continue
        document = network_session(measurement, identity.aid or 0, identity.agent_id or "", rng)
        if document is None:
            _log.warning(
                "not measured", target=measurement.visited_site, reason="; ".join(measurement.errors)
            )
            continue
        records.append(
            NetworkSessionRecord(document=document, context=0, visited_site=measurement.visited_site)
        )
    return records
