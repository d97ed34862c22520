"""What an enrolled agent does all day, put together."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Self

import msgspec
import structlog
from msgspec import Struct

from hopsight.agent.delivery.client import ServerClient
from hopsight.agent.delivery.configuration import Configuration
from hopsight.agent.delivery.enrol import credentials_of
from hopsight.agent.delivery.identity import Identity
from hopsight.agent.delivery.sent import SentLog
from hopsight.agent.delivery.spool import Spool
from hopsight.agent.delivery.spool_batch import SpoolRecord
from hopsight.agent.delivery.upload import Uploader, UploadHooks
from hopsight.agent.instruments import AgentNetwork, Instruments, opened
from hopsight.agent.measurement import Measurement
from hopsight.agent.pages.choice import page_url
from hopsight.agent.privacy.redaction import Redaction
from hopsight.agent.profile.profile import NetworkProfile
from hopsight.agent.recording import Recorder
from hopsight.agent.reporting import Reporter, Told, icmp_kind
from hopsight.agent.results import ProbeOptions
from hopsight.agent.rounds import Rounds, RoundWork
from hopsight.agent.states.attachment import is_loopback
from hopsight.agent.states.circumstances import Circumstances
from hopsight.agent.states.keeper import StateKeeper
from hopsight.agent.status import StatusFile
from hopsight.agent.supervision import each_round, first_of, side_by_side, supervised
from hopsight.agent.surroundings import Surroundings
from hopsight.agent.topology import Topology, TopologyWork
from hopsight.agent.watching import Watched, Watching
from hopsight.clock import Clock
from hopsight.config import AgentConfig
from hopsight.errors import StoreUnavailableError, UploadError
from hopsight.model.agents import AgentInfo, Target
from hopsight.model.ids import SESSION_ROUND_S
from hopsight.model.upload import UploadAnswer, UploadBatch

FIRST_ANSWER_S: Final = 5.0
LAST_UPLOAD_S: Final = 1.0
"""How long stopping may wait for one last upload; what it does not take stays in the spool."""

_STATUS_AT_S: Final = 20.0
"""Second of the minute at which the status is written: the round is over by then, as a rule."""

_log = structlog.get_logger()


class Parts(Struct, frozen=True, kw_only=True):
    """What the duties are made from; all of it outlives them."""

    config: AgentConfig
    directory: Path
    network: AgentNetwork
    clock: Clock
    rng: random.Random
    options: ProbeOptions
    identity: Identity
    spool: Spool
    client: ServerClient
    redaction: Redaction
    read_info: Callable[[], AgentInfo]


class Duties:
    """Made by ``taken_up``."""

    def __init__(self, parts: Parts, surroundings: Surroundings, instruments: Instruments) -> None:
        self._parts = parts
        self._surroundings = surroundings
        self._instruments = instruments
        identity, clock = parts.identity, parts.clock
        self._aid, self._agent_id = identity.aid or 0, identity.agent_id or ""
        self._configuration = Configuration(parts.directory, parts.client, credentials_of(identity))
        self._circumstances = Circumstances(parts.network, clock, lambda: self._configuration.current)
        self._recorder = Recorder(parts.spool, identity, parts.rng, surroundings, parts.redaction)
        self._keeper = StateKeeper(
            parts.directory,
            self._agent_id,
            self._aid,
            clock=clock,
            condition=self._circumstances.now,
            keep=self._recorder.states,
        )
        self._rounds = Rounds(RoundWork(self._targets, self._measure, self._keep), clock, self._agent_id)
        work = TopologyWork(
            look=self._look_around, keep=self._append, cut_off_since=self._circumstances.was_cut_off_since
        )
        self._topology = Topology(
            instruments.measurer.pings,
            clock,
            work,
            aid=self._aid,
            agent_id=self._agent_id,
            options=msgspec.structs.replace(parts.options, path=False),
        )
        self._reporter = self._made_reporter()
        self._sent = SentLog(parts.directory, clock)
        self._uploader = self._made_uploader()
        self._all_day = False
        self._moved = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def taken_up(cls, parts: Parts) -> AsyncIterator[Self]:
        """Duties with what they hold open; the server is asked first what it wants."""
        surroundings = Surroundings(parts.config, parts.network, parts.identity.url, parts.read_info)
        async with opened(parts.config, parts.network, parts.clock, parts.rng, surroundings) as instruments:
            duties = cls(parts, surroundings, instruments)
            await duties._ask_first()
            yield duties

    @property
    def moved_to(self) -> int | None:
        """The account group that the server says this agent is in now; None: the one that it knows of."""
        return self._configuration.current.aid if self._moved.is_set() else None

    async def run(self) -> int | None:
        """All of them side by side, until cancelled; then a goodbye, and one quick try to deliver.

        Returns:
            The account group that the agent was moved to: what is measured from now on belongs there.
        """
        clock, rng = self._parts.clock, self._parts.rng
        self._all_day = True
        duties = (supervised(name, duty, clock, rng) for name, duty in self._each())
        try:
            await first_of(side_by_side(*duties), self._moved.wait())
        finally:
            await self._keeper.goodbye()
            await self._deliver_last()
        return self.moved_to

    def _each(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        clock, rng = self._parts.clock, self._parts.rng

        async def report() -> None:
            await asyncio.to_thread(self._reporter.write)

        yield "rounds", self._rounds.run
        yield "upload", lambda: self._uploader.run(self._rounds.first_done)
        yield "configuration", lambda: self._configuration.run(clock, rng, self._heard)
        yield "states", self._keeper.run
        yield "topology", self._topology.run
        yield "status", lambda: each_round(report, SESSION_ROUND_S, _STATUS_AT_S, clock)
        if self._instruments.passive is not None:
            watched = Watched(
                self._aid,
                self._agent_id,
                wanted=lambda: self._configuration.current.enabled,
                keep=self._append,
                clock=clock,
            )
            yield "passive", Watching(self._instruments.passive, watched).run

    async def run_once(self) -> bool:
        """One round of everything, uploaded. What is run now and then has no states: it is not there between.

        Returns:
            Whether everything was delivered.
        """
        async with asyncio.TaskGroup() as tasks:
            measuring = tasks.create_task(self._rounds.run_once())
            probing = tasks.create_task(self._topology.probe_round())
        measured, probes = measuring.result(), probing.result()
        if probes:
            await self._append(probes)
        await asyncio.to_thread(self._reporter.write)
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
            self._take_in_address()
        except (UploadError, TimeoutError) as error:
            _log.warning("starting with the configuration kept from before", reason=str(error) or "no answer")

    async def _targets(self) -> Sequence[Target]:
        targets = await asyncio.to_thread(self._surroundings.targets, self._configuration.current)
        self._circumstances.note_targets(targets)
        self._recorder.note_targets(targets)
        if self._all_day:
            await self._keeper.look()
        return self._circumstances.possible(targets)

    async def _measure(self, target: Target) -> Sequence[Measurement]:
        started_s = self._parts.clock.boottime()
        found = await self._instruments.measurer.measure(target, self._parts.options)
        if not is_loopback(target.host) and self._circumstances.was_cut_off_since(started_s):
            _log.info("the machine was offline: measurement discarded", target=target.host)
            return ()
        return await self._with_page(target, found)

    async def _with_page(self, target: Target, found: Sequence[Measurement]) -> Sequence[Measurement]:
        """Fetch once the probes are over, not to disturb them; the page belongs to the first session."""
        pages, url = self._instruments.pages, page_url(target)
        if pages is None or url is None or not found or found[0].asleep:
            return found
        # A name that did not resolve has been told of already.
        if found[0].address is None or not self._configuration.current.enabled:
            return found
        try:
            page = await pages.fetch(url)
        except asyncio.CancelledError:
            # Who stops the agent does not wait for a page; the window itself is over, and worth keeping.
            return found
        if page.answered:
            return (msgspec.structs.replace(found[0], page=page), *found[1:])
        # Nothing came: that is no page, but a finding.
        errors = (*found[0].errors, *(f"page: {finding}" for finding in page.findings))
        return (msgspec.structs.replace(found[0], errors=errors), *found[1:])

    async def _keep(self, found: Sequence[Measurement]) -> None:
        await self._recorder.measurements(found)
        if self._all_day:
            await self._keeper.look(after_round=True)

    async def _look_around(self) -> NetworkProfile | None:
        """The network, for probing it; None: not to be probed, or not to be reached."""
        if not self._parts.config.topology or self._circumstances.now() is not None:
            return None
        return await self._surroundings.look_around()

    async def _append(self, records: Sequence[SpoolRecord]) -> None:
        await asyncio.to_thread(self._recorder.append, records)

    def _made_reporter(self) -> Reporter:
        told = Told(
            config=self._parts.config,
            identity=self._parts.identity,
            configuration=self._configuration,
            spool=self._parts.spool,
            recorder=self._recorder,
            keeper=self._keeper,
            icmp=icmp_kind(self._parts.network),
            passive=self._instruments.passive,
        )
        return Reporter(told, StatusFile(self._parts.directory), self._parts.clock)

    def _made_uploader(self) -> Uploader:
        hooks = UploadHooks(
            usage=self._reporter.usage, sent=self._note_sent, reached=self._reached, failed=self._failed
        )
        return Uploader(
            self._parts.client,
            credentials_of(self._parts.identity),
            spool=self._parts.spool,
            info=self._surroundings.info,
            may_send=lambda: self._configuration.current.enabled,
            clock=self._parts.clock,
            rng=self._parts.rng,
            hooks=hooks,
        )

    def _reached(self, answer: UploadAnswer) -> None:
        self._keeper.answered(delivery=True)
        self._reporter.uploaded()
        self._surroundings.saw_public_address(answer.public_address, answer.public_ip_range)

    def _failed(self, reason: str) -> None:
        self._keeper.failed(reason, delivery=True)
        self._reporter.not_uploaded(reason)

    def _note_sent(self, batch: UploadBatch, answer: UploadAnswer) -> None:
        try:
            self._sent.note(batch, answer)
        except OSError as error:
            _log.warning("what was sent cannot be noted", reason=str(error))

    def _heard(self, error: UploadError | None) -> None:
        if error is None:
            self._keeper.answered(delivery=False)
            self._take_in_address()
        else:
            self._keeper.failed(str(error), delivery=False)

    def _take_in_address(self) -> None:
        said = self._configuration.current
        if said.aid is not None and said.aid != self._aid:
            self._moved.set()
        self._surroundings.saw_public_address(said.public_address, said.public_ip_range)

    async def _deliver_last(self) -> None:
        """One quick try on the way out; what it does not take waits in the spool."""
        try:
            async with asyncio.timeout(LAST_UPLOAD_S):
                await self._uploader.drain()
        except (UploadError, StoreUnavailableError, TimeoutError):
            _log.info("not everything could be uploaded; records are kept")
