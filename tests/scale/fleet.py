"""Agents that upload without end and remember what was acknowledged; readers who see whether pages change."""

import asyncio
import hashlib
import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import aiohttp
import msgspec

from hopsight.accounts.bootstrap_file import Bootstrap
from hopsight.agent.delivery.client import Credentials, ServerClient
from hopsight.errors import UploadError
from hopsight.model.times import format_utc
from hopsight.model.upload import UploadBatch
from hopsight.simulation.fleet import agent_at, enrolment_of
from hopsight.simulation.run import batches
from hopsight.simulation.sessions import Sessions

SESSIONS: Final = "/v6/endpoint-data/user-sessions/network"
RETRY_S: Final = 1.0
REQUEST_S: Final = 45.0


class Second:
    """What went wrong in each second since the start; and that it was asked at all."""

    def __init__(self) -> None:
        self.began_s = time.monotonic()
        self.asked: Counter[int] = Counter()
        self.failed: Counter[int] = Counter()
        self.reasons: Counter[str] = Counter()
        self._said: list[tuple[int, str]] = []

    def note(self, reason: str | None, at_s: float | None = None) -> None:
        """One request is answered; None: well."""
        second = int((time.monotonic() if at_s is None else at_s) - self.began_s)
        self.asked[second] += 1
        if reason is not None:
            self.failed[second] += 1
            self.reasons[reason] += 1
            self._said.append((second, reason))

    def reasons_since(self, second: int) -> dict[str, int]:
        """Why requests failed that were sent from then on."""
        return dict(Counter(reason for at, reason in self._said if at >= second))


class Fleet:
    """So many agents, each with records of some days in small batches.

    Args:
        url: where they upload to.
        bootstrap: whose account group they are in.
        agents: how many.
        last_round: until when their records are.
        days: and how far back they begin.
        records: network sessions in a batch, each a user session, too.
    """

    def __init__(
        self,
        url: str,
        bootstrap: Bootstrap,
        agents: int,
        last_round: int,
        *,
        days: int = 3,
        records: int = 10,
        seed: int = 7,
    ) -> None:
        self._client = ServerClient(url, timeout_s=REQUEST_S, connections=agents)
        self._bootstrap = bootstrap
        self._agents = agents
        self._rounds = range(last_round - days * 86_400, last_round + 1, 60)
        self._records = records
        self._seed = seed
        self._credentials: list[Credentials] = []
        self.uploads = Second()
        self.acknowledged: set[str] = set()
        self.refused: list[str] = []

    async def enrol(self) -> None:
        """Make all of them known."""
        key = self._bootstrap.group_key
        assert key is not None
        for index in range(self._agents):
            enrolment = enrolment_of(agent_at(self._seed, index), key, self._seed)
            answer = await self._client.enrol(key, enrolment)
            self._credentials.append(Credentials(answer.agent_id, enrolment.secret))

    def take_over(self, other: "Fleet") -> None:
        """Be the agents of another fleet, with the secrets that they have, and not enrol."""
        self._credentials = list(other._credentials)

    async def upload(self, stop: asyncio.Event, every_s: float, *, most: int | None = None) -> None:
        """Upload from all of them, each every so often, until told to stop, or each has sent so many."""
        rng = random.Random(self._seed)
        firsts = [rng.random() * every_s for _ in range(self._agents)]
        await asyncio.gather(
            *(self._go_on(index, stop, every_s, first_s, most) for index, first_s in enumerate(firsts))
        )

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.__aexit__(None, None, None)

    async def _go_on(
        self, index: int, stop: asyncio.Event, every_s: float, first_s: float, most: int | None
    ) -> None:
        await _sleep(stop, first_s)
        for batch in itertools.islice(self._batches(index), most):
            while not stop.is_set():
                began_s = time.monotonic()
                try:
                    answer = await self._client.upload(self._credentials[index], batch)
                except UploadError as error:
                    self.uploads.note(str(error.status or "no answer"), began_s)
                    await _sleep(stop, error.retry_after_s or RETRY_S)
                    continue
                self.uploads.note(None, began_s)
                self.refused += [each.reason for each in answer.refused]
                if not answer.refused:
                    ids = (record.document.user_session_id for record in batch.network_sessions)
                    self.acknowledged.update(ids)
                await _sleep(stop, every_s - (time.monotonic() - began_s))
                break
            if stop.is_set():
                return

    def _batches(self, index: int) -> Iterator[UploadBatch]:
        agent = agent_at(self._seed, index)
        sessions = Sessions(self._seed, self._bootstrap.aid)
        records = sessions.history(agent, self._credentials[index].agent_id, self._rounds)
        while some := list(itertools.islice(records, self._records)):
            yield from batches(self._seed, agent, iter(some))


class Readers:
    """Clients that page through one range again and again, through whichever server answers.

    Args:
        url: of all servers together.
        token: theirs.
        first_round: of the range, which nobody writes to any more.
        last_round: its end.
    """

    def __init__(self, url: str, token: str, first_round: int, last_round: int) -> None:
        first, last = (format_utc(moment).replace(" ", "T") for moment in (first_round, last_round))
        self._start = f"{url}{SESSIONS}?from={first}&to={last}"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._expected: list[str] | None = None
        self.pages = Second()
        self.changed = 0
        self.walks = 0
        self.servers: Counter[str] = Counter()

    async def read(self, stop: asyncio.Event, clients: int = 4, pause_s: float = 0.05) -> None:
        """Read until told to stop."""
        timeout = aiohttp.ClientTimeout(total=REQUEST_S)
        async with aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session:
            self._expected, _ = await self._walk(session, asyncio.Event(), 0.0)
            await asyncio.gather(*(self._go_on(session, stop, pause_s) for _ in range(clients)))

    async def ids(self, url: str, first_round: int, last_round: int) -> Counter[str]:
        """The IDs of all sessions of a range, as the API gives them, and how often."""
        first, last = (format_utc(moment).replace(" ", "T") for moment in (first_round, last_round))
        timeout = aiohttp.ClientTimeout(total=REQUEST_S)
        async with aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session:
            start = f"{url}{SESSIONS}?from={first}&to={last}"
            _, found = await self._walk(session, asyncio.Event(), 0.0, start)
        return Counter(found)

    async def _go_on(self, session: aiohttp.ClientSession, stop: asyncio.Event, pause_s: float) -> None:
        while not stop.is_set():
            digests, _ = await self._walk(session, stop, pause_s)
            if stop.is_set():
                return
            self.walks += 1
            self.changed += digests != self._expected

    async def _walk(
        self, session: aiohttp.ClientSession, stop: asyncio.Event, pause_s: float, start: str | None = None
    ) -> tuple[list[str], list[str]]:
        """All pages of a range: a digest of each one's items, and the IDs in them."""
        digests, ids = [], []
        target: str | None = start or self._start
        while target is not None and not stop.is_set():
            page = await self._page(session, target)
            if page is None:
                await _sleep(stop, RETRY_S)
                continue
            items = page["networkSessions"]
            digests.append(hashlib.sha256(msgspec.json.encode(items)).hexdigest())
            ids += [item["userSessionId"] for item in items]
            target = page.get("pages", {}).get("next")
            await _sleep(stop, pause_s)
        return digests, ids

    async def _page(self, session: aiohttp.ClientSession, target: str) -> dict[str, Any] | None:
        began_s = time.monotonic()
        try:
            async with session.get(target) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            self.pages.note(type(error).__name__, began_s)
            return None
        self.pages.note(None if answer.status == 200 else str(answer.status), began_s)
        if answer.status != 200:
            return None
        self.servers[answer.headers["X-Server-Name"]] += 1
        page: dict[str, Any] = msgspec.json.decode(body)
        return page


async def _sleep(stop: asyncio.Event, duration_s: float) -> None:
    if duration_s > 0:
        try:
            async with asyncio.timeout(duration_s):
                await stop.wait()
        except TimeoutError:
            return
