"""Who waits for new rounds, and one watcher a process that tells them.

It asks the store when an upload was stored here, and every few seconds in any case: another process may take
uploads, too. It asks once for each account group that somebody listens to, however many listen.
"""

import asyncio
import contextlib
import traceback
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import structlog
from litestar.exceptions import HTTPException
from msgspec import Struct

from hopsight.clock import Clock
from hopsight.errors import StoreUnavailableError
from hopsight.model.dimensions import NETWORK_SESSIONS, USER_SESSIONS
from hopsight.model.query import Query, Record
from hopsight.server.metrics import Metrics
from hopsight.storage.store import Store

MAX_STREAMS: Final = 200
MAX_STREAMS_OF_ONE: Final = 20
RETRY_AFTER_S: Final = 30

_KINDS: Final = (USER_SESSIONS, NETWORK_SESSIONS)
_log = structlog.get_logger(__name__)

# The store is asked for at most this share of the time, however long its answers take.
_REST: Final = 4


class Pace(Struct, frozen=True, kw_only=True):
    """How often what happens, in seconds.

    Args:
        gap_s: between two questions to the store, and so between two events of a stream.
        poll_s: the store is asked so often when nothing was stored here.
        beat_s: between two signs of life; whether the listener still may listen is looked at as often.
        life_s: a stream ends after so long; the browser opens another one.
    """

    gap_s: float = 1.0
    poll_s: float = 5.0
    beat_s: float = 15.0
    life_s: float = 1_800.0


class News(Struct, frozen=True):
    """The newest round of an account group.

    Args:
        round_id: its epoch seconds.
        sessions: how many are stored so far.
        agents: of how many agents they are.
    """

    round_id: int
    sessions: int
    agents: int


class Listener:
    """Somebody who waits; of several news only the newest is kept for them."""

    def __init__(self, aid: int, uid: int) -> None:
        self.aid = aid
        self.uid = uid
        self.over = False
        self._news: News | None = None
        self._changed = asyncio.Event()

    def tell(self, news: News) -> None:
        """Leave them the news, in the place of what they have not taken yet."""
        self._news = news
        self._changed.set()

    def end(self) -> None:
        """Let them know that nothing comes any more (``over``)."""
        self.over = True
        self._changed.set()

    async def wait(self, patience_s: float) -> News | None:
        """The news, as soon as there are some; None: none came in time, or none will come."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._changed.wait()
        self._changed.clear()
        news, self._news = self._news, None
        return news


class Hub:
    """The listeners of one process, and its watcher, which runs while there are any."""

    def __init__(self, store: Store, clock: Clock, metrics: Metrics, pace: Pace | None = None) -> None:
        self.pace = pace or Pace()
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._listeners: list[Listener] = []
        self._newest: dict[int, int] = {}
        self._told: dict[int, News] = {}
        self._stored: set[int] = set()
        self._wake = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None
        self._closed = False

    def join(self, aid: int, uid: int) -> Listener:
        """Listen to an account group; who does so leaves, too.

        Raises:
            HTTPException: 429, this user has too many streams; 503, all together have, or the server stops.
        """
        if sum(each.uid == uid for each in self._listeners) >= MAX_STREAMS_OF_ONE:
            raise _refusal(429, f"You have {MAX_STREAMS_OF_ONE} live pages open, which is as many as may be")
        if self._closed or len(self._listeners) >= MAX_STREAMS:
            raise _refusal(503, "The server has no room for another live page")
        listener = Listener(aid, uid)
        self._listeners.append(listener)
        self._metrics.live_streams(len(self._listeners))
        if (known := self._told.get(aid)) is not None:
            listener.tell(known)
        else:
            self._stored.add(aid)
            self._wake.set()
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch())
            self._watcher.add_done_callback(self._watcher_ended)
        return listener

    def leave(self, listener: Listener) -> None:
        """Listen no more."""
        self._listeners.remove(listener)
        self._metrics.live_streams(len(self._listeners))
        if all(each.aid != listener.aid for each in self._listeners):
            # Nobody keeps it up to date from now on.
            self._told.pop(listener.aid, None)
        if not self._listeners and self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None

    def stored(self, records: Mapping[str, Sequence[Record]]) -> None:
        """Records (by kind) were stored just now, by this process."""
        for record in (each for kind in _KINDS for each in records.get(kind, ())):
            self._newest[record.aid] = max(record.round_id, self._newest.get(record.aid, 0))
            self._stored.add(record.aid)
        self._wake.set()

    def newest(self, aid: int) -> int | None:
        """The newest round that is known of here, in epoch seconds; without asking the store."""
        return self._newest.get(aid)

    def close(self) -> None:
        """End every stream, and take no more: the server stops."""
        self._closed = True
        for listener in self._listeners:
            listener.end()

    def _watcher_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            # Who listens comes again, and with them another watcher.
            lines = "".join(traceback.format_exception(error))
            _log.error("the watcher for new rounds has ended", traceback=lines)
            self._watcher = None
            for listener in self._listeners:
                listener.end()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        poll_due_s = loop.time() + self.pace.poll_s
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(poll_due_s):
                    await self._wake.wait()
            listened = {each.aid for each in self._listeners}
            aids = self._stored & listened
            if loop.time() >= poll_due_s:
                aids, poll_due_s = listened, loop.time() + self.pace.poll_s
            self._wake.clear()
            self._stored.clear()
            began_s = self._clock.monotonic()
            await self._ask(aids)
            took_s = self._clock.monotonic() - began_s
            await _rest(max(self.pace.gap_s, _REST * took_s) if aids else 0.0)

    async def _ask(self, aids: Iterable[int]) -> None:
        for aid in aids:
            try:
                news = await self._news_of(aid)
            except StoreUnavailableError:
                # Beats go on: the server is there, and tells as soon as its store is.
                self._metrics.store_failed()
                continue
            listeners = [each for each in self._listeners if each.aid == aid]
            if news is None or not listeners or news == self._told.get(aid):
                continue
            self._told[aid] = news
            self._newest[aid] = max(news.round_id, self._newest.get(aid, 0))
            for listener in listeners:
                listener.tell(news)

    async def _news_of(self, aid: int) -> News | None:
        rounds = [await self._store.last_round(kind, aid) for kind in _KINDS]
        round_id = max((each for each in rounds if each is not None), default=None)
        if round_id is None:
            return None
        counts = [
            await self._store.count_by(
                Query(kind=kind, aid=aid, first_round=round_id, last_round=round_id), "agent_id"
            )
            for kind in _KINDS
        ]
        # A session is of both kinds, but for those that are observed only.
        return News(round_id, max(sum(each.values()) for each in counts), max(map(len, counts)))


def _refusal(status: int, reason: str) -> HTTPException:
    detail = f"{reason}; try again in {RETRY_AFTER_S} s"
    return HTTPException(status_code=status, detail=detail, headers={"Retry-After": str(RETRY_AFTER_S)})


async def _rest(duration_s: float) -> None:
    # Not the clock's `sleep`: that of a test, which moves the time on, would never let it stand.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(duration_s):
            await asyncio.Event().wait()
