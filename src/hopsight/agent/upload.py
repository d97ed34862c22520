"""Records leave the spool when the server has acknowledged them, and not before."""

import asyncio
import random
import uuid
from collections.abc import Callable
from typing import Final

import structlog

from hopsight.agent.backoff import Backoff
from hopsight.agent.client import CREDENTIALS, Credentials, ServerClient
from hopsight.agent.spool import Spool, Spooled
from hopsight.clock import Clock
from hopsight.errors import StoreUnavailableError, UploadError
from hopsight.model.agents import AgentInfo
from hopsight.model.dimensions import NETWORK_SESSIONS
from hopsight.model.upload import BATCH_RECORDS, UploadAnswer, UploadBatch

INTERVAL_S: Final = 60.0
REFUSED_IN_A_ROW: Final = 3
"""So many records refused one by one, and it is more likely us or something between than the records."""

_log = structlog.get_logger()


class Uploader:
    """Takes batches from the spool to the server.

    Args:
        client: the server.
        credentials: who sends.
        spool: where records wait.
        info: what this machine is now; sent when it changed, and once a process.
        may_send: False while the server has this agent disabled.
    """

    def __init__(
        self,
        client: ServerClient,
        credentials: Credentials,
        *,
        spool: Spool,
        info: Callable[[], AgentInfo],
        may_send: Callable[[], bool],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._spool = spool
        self._info = info
        self._may_send = may_send
        self._clock = clock
        self._rng = rng
        self._told: AgentInfo | None = None
        self._limit = BATCH_RECORDS
        self._refused_in_a_row = 0

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

    async def _deliver(self, batch: Spooled) -> int:
        info = self._info()
        news = None if info == self._told else info
        try:
            answer = await self._client.upload(self._credentials, _upload_batch(batch, news, self._rng))
        except UploadError as error:
            if not error.permanent:
                raise
            await self._after_refusal(batch, news, error)
            return 0
        self._told = info
        return await self._settle(batch, answer)

    async def _settle(self, batch: Spooled, answer: UploadAnswer) -> int:
        refused = {
            batch.ids[refusal.index]: refusal.reason
            for refusal in answer.refused
            if refusal.kind == NETWORK_SESSIONS and 0 <= refusal.index < len(batch.ids)
        }
        if refused:
            _log.warning(
                "the server refused records", refused=len(refused), reason=next(iter(refused.values()))
            )
            await asyncio.to_thread(self._spool.refuse, refused)
        accepted = [record_id for record_id in batch.ids if record_id not in refused]
        await asyncio.to_thread(self._spool.acknowledge, accepted)
        self._limit = min(BATCH_RECORDS, self._limit * 2)
        self._refused_in_a_row = 0
        return len(accepted)

    async def _after_refusal(self, batch: Spooled, news: AgentInfo | None, error: UploadError) -> None:
        """The same again cannot help: send less, until the one record is found that is at fault."""
        if len(batch.ids) > 1:
            self._limit = len(batch.ids) // 2
        elif news is not None:
            # Before a record is given up, what travels with it is.
            _log.error("the server refuses what this agent says of its machine", reason=str(error))
            self._told = news
        else:
            self._refused_in_a_row += 1
            if self._refused_in_a_row > REFUSED_IN_A_ROW:
                self._refused_in_a_row = 0
                raise UploadError(f"every record is refused: {error}", permanent=False)
            _log.warning("the server refused a record", reason=str(error))
            await asyncio.to_thread(self._spool.refuse, {batch.ids[0]: str(error)})

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


def _upload_batch(batch: Spooled, agent: AgentInfo | None, rng: random.Random) -> UploadBatch:
    return UploadBatch(
        upload_id=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        agent=agent,
        contexts=batch.contexts,
        network_sessions=batch.network_sessions,
    )
