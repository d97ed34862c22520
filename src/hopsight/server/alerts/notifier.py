"""Tells of incidents: some at a time, again when it did not work, never without end."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

import structlog

from hopsight.accounts.accounts import Accounts
from hopsight.clock import Clock
from hopsight.errors import StoreUnavailableError
from hopsight.model.alerts import Webhook
from hopsight.server.alerts.engine import Told
from hopsight.server.alerts.messages import IncidentMessage, NotTakenError, encode, message_of, signature_of

MAX_WAITING: Final = 1_000
"""Messages that are on their way or wait for another try; what is beyond is told to nobody, and logged."""
AT_ONCE: Final = 8
BACKOFF_S: Final = (2.0, 10.0, 60.0, 300.0)
"""How long to wait before each try after the first."""

Post = Callable[[str, bytes, dict[str, str]], Awaitable[None]]
"""The door: posts a body with headers to a URL, or raises ``NotTakenError``."""

_log = structlog.get_logger(__name__)


class Notifier:
    """Sends messages; what became of each is among the incident's events.

    Args:
        accounts: where incidents are.
        clock: the time.
        rng: scatters tries.
        post: the door.
        base_url: how people call this server, for links.
    """

    def __init__(
        self, accounts: Accounts, clock: Clock, rng: random.Random, post: Post, base_url: str
    ) -> None:
        self._accounts = accounts
        self._clock = clock
        self._rng = rng
        self._post = post
        self._base_url = base_url.rstrip("/")
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._waiting: set[asyncio.Task[None]] = set()

    async def tell(self, aid: int, told: Told) -> None:
        """Begin to tell of what was opened and resolved; returns at once."""
        for incident_id, change in told:
            message = message_of(incident_id, change, int(self._clock.now()), self._base_url)
            for webhook in change.rule.rule.webhooks if message is not None else ():
                assert message is not None  # noqa: S101 - for the type checker: there are no webhooks otherwise
                self._begin(aid, message, webhook)

    async def drain(self) -> None:
        """Wait until everything was told, or given up."""
        while self._waiting:
            await asyncio.gather(*self._waiting, return_exceptions=True)

    async def close(self) -> None:
        """Give up what waits."""
        for task in self._waiting:
            task.cancel()
        await self.drain()

    def _begin(self, aid: int, message: IncidentMessage, webhook: Webhook) -> None:
        if len(self._waiting) >= MAX_WAITING:
            _log.warning(
                "too many notifications wait; one is left out", aid=aid, incident=message.incident_id
            )
            return
        task = asyncio.ensure_future(self._send(message, webhook))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _send(self, message: IncidentMessage, webhook: Webhook) -> None:
        # Its path may be a secret of the receiver's: whoever may read incidents sees the host alone.
        host = urlsplit(webhook.url).hostname or "?"
        error: NotTakenError | None = None
        for wait_s in (0.0, *BACKOFF_S):
            if wait_s:
                await self._clock.sleep(wait_s * self._rng.uniform(0.8, 1.2))
            try:
                async with self._slots:
                    await self._attempt(message, webhook)
            except NotTakenError as failure:
                error = failure
                if failure.permanent:
                    break
            else:
                self._note(message, "notified", f"Webhook at {host} was told ({message.event}).")
                return
        self._note(message, "not-notified", f"Webhook at {host} was not told ({message.event}): {error}.")

    async def _attempt(self, message: IncidentMessage, webhook: Webhook) -> None:
        body, timestamp_s = encode(message), int(self._clock.now())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "hopsight",
            "X-Hopsight-Event": f"incident.{message.event}",
            "X-Hopsight-Timestamp": str(timestamp_s),
            "X-Hopsight-Signature": signature_of(webhook.secret or "", timestamp_s, body),
        }
        await self._post(webhook.url, body, headers)

    def _note(self, message: IncidentMessage, event: str, text: str) -> None:
        try:
            now_s = int(self._clock.now())
            self._accounts.alerts.incidents.note(message.incident_id, event, text, now_s)
        except StoreUnavailableError as error:
            _log.warning("what became of a notification is not noted", reason=str(error))
