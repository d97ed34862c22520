"""Tells what waits in the outbox: some at a time, again when it did not work, never without end.

Nothing of it is lost when this process dies: what was claimed and not told is claimed again when the claim is
over. What was told and could not be noted is told a second time then, under the same delivery ID.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Final

import structlog

from hopsight.accounts.accounts import Accounts
from hopsight.accounts.alert_listings import Waiting
from hopsight.clock import Clock
from hopsight.errors import ConflictError, NotFoundError, StoreUnavailableError
from hopsight.server.alerts.doors import Doors
from hopsight.server.alerts.engine import Told
from hopsight.server.alerts.messages import NotTakenError, message_of
from hopsight.server.alerts.telling import describe, recipient_in, tell

AT_ONCE: Final = 8
BACKOFF_S: Final = (2.0, 10.0, 60.0, 300.0, 900.0, 3_600.0, 7_200.0)
"""How long to wait before each try after the first: three hours and a half in all."""
POLL_S: Final = 2.0
REST_S: Final = 10.0
"""A database that is not to be had is left alone for so long: every look at it may wait for a lock."""

_log = structlog.get_logger(__name__)


class Notifier:
    """Sends messages; what became of each is among the incident's events.

    Args:
        accounts: where messages wait.
        clock: the time.
        rng: scatters tries.
        doors: the ways out.
        base_url: how people call this server, for links.
    """

    def __init__(
        self, accounts: Accounts, clock: Clock, rng: random.Random, doors: Doors, base_url: str
    ) -> None:
        self._accounts = accounts
        self._outbox = accounts.alerts.outbox
        self._clock = clock
        self._rng = rng
        self._doors = doors
        self._base_url = base_url.rstrip("/")
        self._under_way: dict[asyncio.Task[None], Waiting] = {}
        # What is over, but could not be written down: it must not be sent again meanwhile.
        self._unwritten: dict[int, tuple[Waiting, Callable[[], None]]] = {}
        self._rests_until_s = float("-inf")

    async def run(self) -> None:
        """Tell what is due, until cancelled."""
        while True:
            self.begin_due()
            await self._clock.sleep(POLL_S)

    async def tell(self, _aid: int, _told: Told) -> None:
        """Begin to tell of what was found just now; returns at once."""
        self.begin_due()

    def begin_due(self) -> None:
        """Begin to tell what is due, as far as there is room."""
        if self._clock.monotonic() < self._rests_until_s:
            return
        try:
            self._write_down()
            busy = {each.address for each in self._under_way.values()}
            busy |= {each.address for each, _ in self._unwritten.values()}
            room = AT_ONCE - len(self._under_way)
            claimed = self._outbox.claim(int(self._clock.now()), most=room, busy=busy)
        except (StoreUnavailableError, ConflictError) as error:
            self._rest("notifications wait", error)
            return
        for each in claimed:
            task = asyncio.ensure_future(self._send(each))
            self._under_way[task] = each
            task.add_done_callback(self._ended)

    async def drain(self) -> None:
        """Wait until everything was told, or given up."""
        while True:
            self.begin_due()
            if self._under_way:
                await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
                continue
            due_s = self._outbox.next_due_s()
            if due_s is None:
                return
            await self._clock.sleep(max(0.1, due_s - self._clock.now()))

    async def close(self) -> None:
        """Leave what waits to whoever comes next."""
        left = list(self._under_way.values())
        tasks = list(self._under_way)
        for task in tasks:
            task.remove_done_callback(self._ended)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._under_way.clear()
        try:
            self._write_down()
            self._outbox.release([each for each in left if each.outbox_id not in self._unwritten])
        except (StoreUnavailableError, ConflictError) as error:
            _log.warning("notifications that were under way are told again later", reason=str(error))

    def _ended(self, task: asyncio.Task[None]) -> None:
        waiting = self._under_way.pop(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            # Its text is not told: it may hold what a library was given.
            _log.error("a notification failed", delivery=waiting.delivery_id, error=type(error).__name__)
            failure = NotTakenError(f"an unexpected fault ({type(error).__name__})")
            self._not_taken(waiting, waiting.channel.capitalize(), failure)
        self.begin_due()

    async def _send(self, waiting: Waiting) -> None:
        try:
            stored = self._accounts.alerts.rules.get(waiting.aid, waiting.rule_id)
        except NotFoundError:
            return
        except StoreUnavailableError:
            self._settle(waiting, lambda: self._outbox.put_off(waiting, self._later_s(1)))
            return
        recipient = recipient_in(stored.rule, waiting.channel, waiting.recipient)
        if recipient is None:
            self._settle(waiting, lambda: self._outbox.drop(waiting))
            return
        message = message_of(waiting.incident_id, waiting.message, stored, self._base_url)
        who = describe(recipient)
        try:
            await tell(self._doors, self._clock, recipient, message, waiting.delivery_id)
        except NotTakenError as error:
            self._not_taken(waiting, who, error)
        else:
            self._finish(waiting, "notified", f"{who} was told ({message.event}).")

    def _not_taken(self, waiting: Waiting, who: str, error: NotTakenError) -> None:
        if error.permanent or waiting.tries > len(BACKOFF_S):
            text = f"{who} was not told ({waiting.message.event}): {error}."
            self._finish(waiting, "not-notified", text)
        else:
            due_s = self._later_s(waiting.tries)
            self._settle(waiting, lambda: self._outbox.put_off(waiting, due_s))

    def _later_s(self, tries: int) -> int:
        wait_s = BACKOFF_S[min(tries, len(BACKOFF_S)) - 1] * self._rng.uniform(0.8, 1.2)
        return int(self._clock.now() + wait_s) + 1

    def _finish(self, waiting: Waiting, event: str, text: str) -> None:
        now_s = int(self._clock.now())
        self._settle(waiting, lambda: self._outbox.finish(waiting, event, text, now_s))

    def _settle(self, waiting: Waiting, write: Callable[[], None]) -> None:
        self._unwritten[waiting.outbox_id] = (waiting, write)
        try:
            self._write_down()
        except (StoreUnavailableError, ConflictError) as error:
            self._rest("what became of a notification is noted later", error)

    def _rest(self, what: str, error: Exception) -> None:
        _log.warning(what, reason=str(error))
        self._rests_until_s = self._clock.monotonic() + REST_S

    def _write_down(self) -> None:
        for outbox_id, (_, write) in list(self._unwritten.items()):
            write()
            del self._unwritten[outbox_id]
