"""Records leave the spool when the server has acknowledged them, and not before."""

import asyncio
import random
import uuid
from collections.abc import Callable
from typing import Final

import structlog
from msgspec import Struct

from hopsight.agent.delivery.backoff import Backoff
from hopsight.agent.delivery.client import CREDENTIALS, Credentials, ServerClient
from hopsight.agent.delivery.spool import Spool, Spooled
from hopsight.clock import Clock
from hopsight.errors import StoreUnavailableError, UploadError
from hopsight.model.agents import AgentInfo
from hopsight.model.upload import BATCH_RECORDS, AgentUsage, UploadAnswer, UploadBatch

INTERVAL_S: Final = 60.0
REFUSED_IN_A_ROW: Final = 3
"""So many records refused one by one, and it is more likely us or something between than the records."""

_log = structlog.get_logger()


class UploadHooks(Struct, frozen=True, kw_only=True):
    """Who else wants to know of uploads. None of them may raise.

    Args:
        usage: what the agent costs the machine, for the next batch; None: not known. Runs in a thread.
        sent: a batch, once it is acknowledged, and its answer. Runs in a thread.
        reached: a batch was acknowledged.
        failed: one could not be delivered, and why.
    """

    usage: Callable[[], AgentUsage | None] = lambda: None
    sent: Callable[[UploadBatch, UploadAnswer], None] = lambda _batch, _answer: None
    reached: Callable[[UploadAnswer], None] = lambda _answer: None
    failed: Callable[[str], None] = lambda _reason: None


class Uploader:
    """Takes batches from the spool to the server.

    Args:
        client: the server.
        credentials: who sends.
        spool: where records wait.
        info: what this machine is now; sent when it changed, and once a process.
        may_send: False while the server has this agent disabled.
        hooks: who else wants to know.
    """

    def __init__(  # noqa: PLR0913 - its parts are handed to it
        self,
        client: ServerClient,
        credentials: Credentials,
        *,
        spool: Spool,
        info: Callable[[], AgentInfo],
        may_send: Callable[[], bool],
        clock: Clock,
        rng: random.Random,
        hooks: UploadHooks | None = None,
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._spool = spool
        self._info = info
        self._may_send = may_send
        self._clock = clock
        self._rng = rng
        self._hooks = hooks or UploadHooks()
        self._told: AgentInfo | None = None
        self._limit = BATCH_RECORDS
        self._refused_in_a_row = 0
        self._bare = False

    async def run(self, first_round: asyncio.Event) -> None:
        """Deliver right after the first round, then every minute at a phase of this agent's own."""
        await first_round.wait()
        backoff = Backoff(self._rng)
        wait_s = self._rng.uniform(0, INTERVAL_S)
        while True:
            try:
                await self.drain()
            except (UploadError, StoreUnavailableError) as error:
                await self._clock.sleep(self._after(error, backoff))
                continue
            backoff.reset()
            await self._clock.sleep(wait_s)
            wait_s = INTERVAL_S

    async def drain(self) -> int:
        """Send batch after batch until nothing waits.

        Returns:
            How many records the server has acknowledged.

        Raises:
            UploadError: the server does not take them now; what it did not take waits on.
            StoreUnavailableError: the spool cannot be used now.
        """
        delivered = 0
        while self._may_send():
            batch = await asyncio.to_thread(self._spool.next_batch, self._limit)
            if not batch.ids:
                return delivered
            delivered += await self._deliver(batch)
        return delivered

    async def _deliver(self, spooled: Spooled) -> int:
        info = self._info()
        news = None if info == self._told else info
        usage = None if self._bare else await asyncio.to_thread(self._hooks.usage)
        batch = self._batch(spooled, news, usage)
        try:
            answer = await self._client.upload(self._credentials, batch)
        except UploadError as error:
            if not error.permanent:
                self._hooks.failed(str(error))
                raise
            await self._after_refusal(spooled, batch, error)
            return 0
        self._told = info
        self._hooks.reached(answer)
        accepted = await self._settle(spooled, answer)
        await asyncio.to_thread(self._hooks.sent, batch, answer)
        return accepted

    def _batch(self, spooled: Spooled, news: AgentInfo | None, usage: AgentUsage | None) -> UploadBatch:
        return UploadBatch(
            upload_id=str(uuid.UUID(int=self._rng.getrandbits(128), version=4)),
            agent=news,
            contexts=spooled.contexts,
            network_sessions=spooled.network_sessions,
            user_sessions=spooled.user_sessions,
            web_sessions=spooled.web_sessions,
            network_probes=spooled.network_probes,
            agent_states=spooled.agent_states,
            usage=usage,
        )

    async def _settle(self, batch: Spooled, answer: UploadAnswer) -> int:
        numbers = [(batch.number_of(refusal.kind, refusal.index), refusal) for refusal in answer.refused]
        refused = {number: f"{at.kind}: {at.reason}" for number, at in numbers if number is not None}
        if refused:
            _log.warning(
                "the server refused records", refused=len(refused), reason=next(iter(refused.values()))
            )
            await asyncio.to_thread(self._spool.refuse, refused)
        accepted = [number for number in batch.ids if number not in refused]
        await asyncio.to_thread(self._spool.acknowledge, accepted)
        self._limit = min(BATCH_RECORDS, self._limit * 2)
        self._refused_in_a_row = 0
        self._bare = False
        return len(accepted)

    async def _after_refusal(self, spooled: Spooled, batch: UploadBatch, error: UploadError) -> None:
        """The same again cannot help: send less, until the one record is found that is at fault."""
        ids = spooled.ids
        if len(ids) > 1:
            self._limit = len(ids) // 2
        elif batch.agent is not None or batch.usage is not None:
            # Before a record is given up, what travels with it is.
            _log.error("the server refuses what this agent says of its machine", reason=str(error))
            self._told = batch.agent or self._told
            self._bare = True
        else:
            self._refused_in_a_row += 1
            if self._refused_in_a_row > REFUSED_IN_A_ROW:
                self._refused_in_a_row = 0
                raise UploadError(f"every record is refused: {error}", permanent=False)
            _log.warning("the server refused a record", reason=str(error))
            await asyncio.to_thread(self._spool.refuse, {ids[0]: str(error)})

    def _after(self, error: UploadError | StoreUnavailableError, backoff: Backoff) -> float:
        if isinstance(error, StoreUnavailableError):
            wait_s = backoff.next_s()
            _log.error("spool cannot be read", reason=str(error), retry_in_s=round(wait_s))
            return wait_s
        unknown = error.status in CREDENTIALS
        wait_s = backoff.after(error, credentials=unknown)
        if unknown:
            _log.error(
                "the server does not accept this agent's credentials; records are kept",
                reason=str(error),
                agent_id=self._credentials.agent_id,
                retry_in_s=round(wait_s),
            )
        else:
            _log.warning("cannot upload now; records are kept", reason=str(error), retry_in_s=round(wait_s))
        return wait_s
