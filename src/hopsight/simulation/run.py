"""Sends a fleet's history to a server, by the way that real agents go: enrolment, then batches of records."""

import asyncio
import itertools
import random
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

from msgspec import Struct

from hopsight.agent.delivery.backoff import Backoff
from hopsight.agent.delivery.client import Credentials, ServerClient
from hopsight.clock import Clock
from hopsight.errors import UploadError
from hopsight.model.connection import ConnectionString
from hopsight.model.upload import (
    BATCH_RECORDS,
    AgentStateRecord,
    Enrolment,
    EnrolmentAnswer,
    NetworkProbeRecord,
    NetworkSessionRecord,
    UploadAnswer,
    UploadBatch,
)
from hopsight.simulation.details import Details
from hopsight.simulation.draws import draws_of
from hopsight.simulation.fleet import SimulatedAgent, agent_at, enrolment_of
from hopsight.simulation.pages import page_of
from hopsight.simulation.sessions import Sessions, rounds_until
from hopsight.simulation.surroundings import Surroundings

IN_FLIGHT: Final = 4
_FINAL: Final = frozenset({401, 403, 404, 405})
TRIES: Final = 6
"""Then the server is taken to be gone: a person is watching, and can start again where this stopped."""


class Plan(Struct, frozen=True, kw_only=True):
    """What to simulate; the same plan makes the same records."""

    connection: ConnectionString
    agents: int
    hours: float
    seed: int
    end_s: int


class Progress(Struct, kw_only=True):
    """How far it has come, in records of all kinds; ``reason`` is why the first of the refused ones was."""

    agents_total: int
    agents_done: int = 0
    sent: int = 0
    stored: int = 0
    duplicates: int = 0
    refused: int = 0
    network_sessions: int = 0
    user_sessions: int = 0
    web_sessions: int = 0
    network_probes: int = 0
    agent_states: int = 0
    reason: str | None = None
    elapsed_s: float = 0.0

    @property
    def rate_per_s(self) -> float:
        """Records a second, acknowledged."""
        return self.sent / self.elapsed_s if self.elapsed_s > 0 else 0.0


async def simulate(
    plan: Plan, clock: Clock, rng: random.Random, on_progress: Callable[[Progress], None]
) -> Progress:
    """Send it all; whatever the server has already is stored once.

    Args:
        plan: what to simulate.
        clock: measures the rate.
        rng: scatters retries, nothing else.
        on_progress: called whenever the server has acknowledged something.

    Raises:
        UploadError: the server refuses, or stays away.
    """
    progress = Progress(agents_total=plan.agents)
    started_s = clock.monotonic()
    waiting = iter(range(plan.agents))
    async with ServerClient(
        plan.connection.url, plan.connection.fingerprint, connections=IN_FLIGHT
    ) as client:
        sender = _Sender(client, clock, rng)

        def note(batch: UploadBatch, answer: UploadAnswer) -> None:
            progress.elapsed_s = clock.monotonic() - started_s
            _add(progress, batch, answer)
            on_progress(progress)

        async def work() -> None:
            for index in waiting:
                await _send_agent(sender, plan, agent_at(plan.seed, index), note)
                progress.agents_done += 1
                on_progress(progress)

        await _all_or_first_failure(work() for _ in range(min(IN_FLIGHT, plan.agents)))
    return progress


async def _all_or_first_failure(workers: Iterator[Coroutine[Any, Any, None]]) -> None:
    tasks = [asyncio.create_task(worker) for worker in workers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Sender:
    """Enrolments and uploads, tried again where that can help."""

    def __init__(self, client: ServerClient, clock: Clock, rng: random.Random) -> None:
        self._client = client
        self._clock = clock
        self._rng = rng

    async def enrol(self, key: str, enrolment: Enrolment) -> EnrolmentAnswer:
        backoff = Backoff(self._rng, first_s=0.5, longest_s=30)
        while True:
            try:
                return await self._client.enrol(key, enrolment)
            except UploadError as error:
                await self._wait(error, backoff)

    async def upload(self, credentials: Credentials, batch: UploadBatch) -> UploadAnswer:
        backoff = Backoff(self._rng, first_s=0.5, longest_s=30)
        while True:
            try:
                return await self._client.upload(credentials, batch)
            except UploadError as error:
                await self._wait(error, backoff)

    async def _wait(self, error: UploadError, backoff: Backoff) -> None:
        final = error.permanent or (error.status is not None and error.status in _FINAL)
        if final or backoff.failures >= TRIES:
            raise error
        await self._clock.sleep(backoff.next_s(error.retry_after_s))


async def _send_agent(
    sender: _Sender, plan: Plan, agent: SimulatedAgent, note: Callable[[UploadBatch, UploadAnswer], None]
) -> None:
    enrolment = enrolment_of(agent, plan.connection.key, plan.seed)
    known = await sender.enrol(plan.connection.key, enrolment)
    sessions = Sessions(plan.seed, known.aid)
    around = Surroundings(plan.seed, known.aid)
    rounds = rounds_until(plan.end_s, plan.hours)
    records = sessions.history(agent, known.agent_id, rounds)
    rest = around_batches(
        plan.seed,
        agent,
        around.probes(agent, known.agent_id, rounds),
        around.states(agent, known.agent_id, rounds),
    )
    for batch in itertools.chain(batches(plan.seed, agent, records), rest):
        answer = await sender.upload(Credentials(known.agent_id, enrolment.secret), batch)
        note(batch, answer)


def batches(
    seed: int, agent: SimulatedAgent, records: Iterator[NetworkSessionRecord]
) -> Iterator[UploadBatch]:
    """An agent's sessions in batches, made as they are taken: each as a network and as a user session."""
    draw = draws_of(seed, "upload")
    details = Details(agent)
    for number in itertools.count():
        chunk = list(itertools.islice(records, BATCH_RECORDS))
        if not chunk:
            return
        words = draw(f"{agent.index}:{chunk[0].document.user_session_id}:{len(chunk)}".encode())
        pages = [page_of(record) for record in chunk]
        yield UploadBatch(
            upload_id=_uuid(words),
            agent=agent.info if number == 0 else None,
            contexts=[agent.context],
            network_sessions=chunk,
            user_sessions=[
                details.user_session(record, page) for record, page in zip(chunk, pages, strict=True)
            ],
            web_sessions=[page for page in pages if page is not None],
        )


def around_batches(
    seed: int,
    agent: SimulatedAgent,
    probes: Iterator[NetworkProbeRecord],
    states: Iterator[AgentStateRecord],
) -> Iterator[UploadBatch]:
    """What an agent tells besides its sessions, in batches."""
    draw = draws_of(seed, "around")
    for number in itertools.count():
        some_probes = list(itertools.islice(probes, BATCH_RECORDS))
        some_states = list(itertools.islice(states, BATCH_RECORDS))
        if not some_probes and not some_states:
            return
        yield UploadBatch(
            upload_id=_uuid(draw(b"%d:%d" % (agent.index, number))),
            contexts=[agent.context],
            network_probes=some_probes,
            agent_states=some_states,
        )


def _uuid(words: tuple[int, ...]) -> str:
    text = "".join(f"{word:08x}" for word in words[:4])
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def _add(progress: Progress, batch: UploadBatch, answer: UploadAnswer) -> None:
    progress.network_sessions += len(batch.network_sessions)
    progress.user_sessions += len(batch.user_sessions)
    progress.web_sessions += len(batch.web_sessions)
    progress.network_probes += len(batch.network_probes)
    progress.agent_states += len(batch.agent_states)
    progress.stored += answer.stored
    progress.duplicates += answer.duplicates
    progress.refused += len(answer.refused)
    if answer.refused and progress.reason is None:
        progress.reason = answer.refused[0].reason
    progress.sent += answer.stored + answer.duplicates + len(answer.refused)
