"""What an enrolled agent does all day, put together."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Self

import structlog
from msgspec import Struct

from hopsight.agent.attachment import is_loopback
from hopsight.agent.circumstances import Circumstances
from hopsight.agent.client import ServerClient
from hopsight.agent.configuration import Configuration
from hopsight.agent.enrol import credentials_of
from hopsight.agent.identity import Identity
from hopsight.agent.measurement import Measurement, Measurer
from hopsight.agent.network import Network
from hopsight.agent.recording import Recorder
from hopsight.agent.results import ProbeOptions
from hopsight.agent.rounds import Rounds, RoundWork
from hopsight.agent.spool import Spool
from hopsight.agent.state_keeper import StateKeeper
from hopsight.agent.supervision import side_by_side, supervised
from hopsight.agent.surroundings import Surroundings
from hopsight.agent.upload import Uploader, UploadHooks
from hopsight.clock import Clock
from hopsight.config import AgentConfig
from hopsight.errors import StoreUnavailableError, UploadError
from hopsight.model.agents import AgentInfo, Target
from hopsight.model.upload import UploadAnswer

FIRST_ANSWER_S: Final = 5.0
LAST_UPLOAD_S: Final = 1.0
"""How long stopping may wait for one last upload; what it does not take stays in the spool."""

_log = structlog.get_logger()


class Parts(Struct, frozen=True, kw_only=True):
    """What the duties are made from; all of it outlives them."""

    config: AgentConfig
    directory: Path
    network: Network
    clock: Clock
    rng: random.Random
    options: ProbeOptions
    identity: Identity
    spool: Spool
    client: ServerClient
    read_info: Callable[[], AgentInfo]


class Duties:
    """Made by ``taken_up``."""

    def __init__(self, parts: Parts, measurer: Measurer) -> None:
        self._parts = parts
        self._measurer = measurer
        identity = parts.identity
        self._agent_id = identity.agent_id or ""
        self._configuration = Configuration(parts.directory, parts.client, credentials_of(identity))
        self._surroundings = Surroundings(parts.config, parts.network, identity.url, parts.read_info)
        self._circumstances = Circumstances(parts.network, parts.clock, lambda: self._configuration.current)
        self._recorder = Recorder(parts.spool, identity, parts.rng, self._surroundings.context)
        self._keeper = StateKeeper(
            parts.directory,
            self._agent_id,
            identity.aid or 0,
            clock=parts.clock,
            condition=self._circumstances.now,
            keep=self._recorder.states,
        )
        self._rounds = Rounds(
            RoundWork(self._targets, self._measure, self._keep), parts.clock, self._agent_id
        )
        self._uploader = self._made_uploader()
        self._all_day = False

    @classmethod
    @asynccontextmanager
    async def taken_up(cls, parts: Parts) -> AsyncIterator[Self]:
        """Duties with what they hold open; the server is asked first what it wants."""
        measurer = Measurer(parts.network, parts.clock, parts.rng)
        try:
            duties = cls(parts, measurer)
            await duties._ask_first()
            yield duties
        finally:
            await measurer.aclose()

    async def run(self) -> None:
        """All of them side by side, until cancelled; then a goodbye, and one quick try to deliver."""
        clock, rng = self._parts.clock, self._parts.rng
        self._all_day = True

        async def upload() -> None:
            await self._uploader.run(self._rounds.first_done)

        async def ask() -> None:
            await self._configuration.run(clock, rng, self._heard)

        duties = {
            "rounds": self._rounds.run,
            "upload": upload,
            "configuration": ask,
            "states": self._keeper.run,
        }
        try:
            await side_by_side(*(supervised(name, duty, clock, rng) for name, duty in duties.items()))
        finally:
            await self._keeper.goodbye()
            await self._deliver_last()

    async def run_once(self) -> bool:
        """One round of everything, uploaded. What is run now and then has no states: it is not there between.

        Returns:
            Whether everything was delivered.
        """
        measured = await self._rounds.run_once()
        try:
            delivered = await self._uploader.drain()
        except (UploadError, StoreUnavailableError) as error:
            _log.warning("cannot upload now; records are kept", reason=str(error))
            return False
        _log.info("one round is over", targets=measured, delivered=delivered)
        return True

    async def _ask_first(self) -> None:
        try:
            # Asked before the first round; a server that does not answer must not hold it up for long.
            async with asyncio.timeout(FIRST_ANSWER_S):
                await self._configuration.refresh()
        except (UploadError, TimeoutError) as error:
            _log.warning("starting with the configuration kept from before", reason=str(error) or "no answer")

    async def _targets(self) -> Sequence[Target]:
        targets = await asyncio.to_thread(self._surroundings.targets, self._configuration.current)
        self._circumstances.note_targets(targets)
        if self._all_day:
            await self._keeper.look()
        return self._circumstances.possible(targets)

    async def _measure(self, target: Target) -> Sequence[Measurement]:
        started_s = self._parts.clock.boottime()
        found = await self._measurer.measure(target, self._parts.options)
        if not is_loopback(target.host) and self._circumstances.was_cut_off_since(started_s):
            _log.info("the machine was offline: measurement discarded", target=target.host)
            return ()
        return found

    async def _keep(self, found: Sequence[Measurement]) -> None:
        await self._recorder.measurements(found)
        if self._all_day:
            await self._keeper.look(after_round=True)

    def _made_uploader(self) -> Uploader:
        def reached(_: UploadAnswer) -> None:
            self._keeper.answered(delivery=True)

        def failed(reason: str) -> None:
            self._keeper.failed(reason, delivery=True)

        return Uploader(
            self._parts.client,
            credentials_of(self._parts.identity),
            spool=self._parts.spool,
            info=self._surroundings.info,
            may_send=lambda: self._configuration.current.enabled,
            clock=self._parts.clock,
            rng=self._parts.rng,
            hooks=UploadHooks(reached=reached, failed=failed),
        )

    def _heard(self, error: UploadError | None) -> None:
        if error is None:
            self._keeper.answered(delivery=False)
        else:
            self._keeper.failed(str(error), delivery=False)

    async def _deliver_last(self) -> None:
        """One quick try on the way out; what it does not take waits in the spool."""
        try:
            async with asyncio.timeout(LAST_UPLOAD_S):
                await self._uploader.drain()
        except (UploadError, StoreUnavailableError, TimeoutError):
            _log.info("not everything could be uploaded; records are kept")
