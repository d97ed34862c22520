"""Those who ask: wrk for pages, many uploads in flight for batches, one client that follows pages."""

import asyncio
import base64
import http.client
import random
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import msgspec
from benchmarks.make_sessions import agent_info
from benchmarks.servers import Account, Server
from msgspec import Raw, Struct, field

from hopsight.model.upload import Enrolment, EnrolmentAnswer

CONNECTIONS = 8
WRK_SUMMARY = Path(__file__).with_name("wrk_summary.lua")


class PageLoad(Struct, frozen=True, rename="camel"):
    """What wrk reports."""

    requests: int
    duration_us: int
    bytes: int
    failures: int
    p50_us: int
    p99_us: int

    @property
    def per_s(self) -> float:
        """Requests a second."""
        return self.requests / self.duration_us * 1e6


def wrk(
    url: str,
    token: str | None,
    seconds: float,
    connections: int = CONNECTIONS,
    *,
    posted: str | None = None,
) -> PageLoad:
    """Ask for the same page over and over, on ``connections`` at the same time; ``posted``: JSON to POST."""
    headers = ["-H", f"Authorization: Bearer {token}"] if token else []
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", *headers]
    words = [] if posted is None else ["--", posted]
    finished = subprocess.run(
        [*command, "-s", str(WRK_SUMMARY), url, *words], check=True, capture_output=True, text=True
    )
    load = msgspec.json.decode(finished.stdout.splitlines()[-1], type=PageLoad)
    if load.failures:
        raise SystemExit(f"{url}: {load.failures} of {load.requests} requests failed")
    return load


class Upload(Struct, frozen=True):
    """A request that is ready to be sent, and how many records its answer must say were stored."""

    headers: dict[str, str]
    body: bytes
    records: int


class _Stored(Struct):
    stored: int


async def _send_all(url: str, uploads: Sequence[Upload], connections: int, *, patient: bool) -> None:
    waiting = iter(uploads)
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(_send(session, url, waiting, patient=patient))


async def _send(
    session: aiohttp.ClientSession, url: str, waiting: Iterator[Upload], *, patient: bool
) -> None:
    for upload in waiting:
        while not await _is_taken(session, url, upload, patient=patient):
            pass


async def _is_taken(session: aiohttp.ClientSession, url: str, upload: Upload, *, patient: bool) -> bool:
    """Send once; False: the server asked to wait, and that was done."""
    async with session.post(url, data=upload.body, headers=upload.headers) as response:
        answer = await response.read()
        if patient and response.status == http.client.SERVICE_UNAVAILABLE:
            await asyncio.sleep(float(response.headers["Retry-After"]))
            return False
        if response.status >= http.client.BAD_REQUEST:
            raise SystemExit(f"{url}: {response.status} {answer[:500]!r}")
        stored = msgspec.json.decode(answer, type=_Stored).stored
        if stored != upload.records:
            raise SystemExit(f"{url}: {stored} of {upload.records} records stored: {answer[:500]!r}")
        return True


def send_all(
    url: str, uploads: Sequence[Upload], connections: int = CONNECTIONS, *, patient: bool = False
) -> float:
    """Send uploads, ``connections`` at a time, each acknowledged in full; answer the seconds it took.

    ``patient``: who is told that the server is busy waits as long as it says, and sends again, as agents do.
    """
    began = time.perf_counter()
    asyncio.run(_send_all(url, uploads, connections, patient=patient))
    return time.perf_counter() - began


class EnrolledAgent(Struct, frozen=True):
    """An agent's ID and the header by which it is known."""

    agent_id: str
    authorization: str


def enrol(server: Server, account: Account, count: int, seed: int) -> list[EnrolledAgent]:
    """Enrol agents as they do it themselves."""
    rng = random.Random(seed)
    client = Client(server.url, f"Bearer {account.connection.key}")
    agents = []
    for number in range(count):
        secret = f"{rng.getrandbits(256):064x}"
        enrolment = Enrolment(
            enrolment_id=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            secret=secret,
            agent=agent_info(number),
        )
        answer = client.post("/agent/v1/enrol", msgspec.json.encode(enrolment))
        agent_id = msgspec.json.decode(answer, type=EnrolmentAnswer).agent_id
        basic = base64.b64encode(f"{agent_id}:{secret}".encode()).decode()
        agents.append(EnrolledAgent(agent_id, f"Basic {basic}"))
    client.close()
    return agents


class Client:
    """One connection, kept open."""

    def __init__(self, url: str, authorization: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        self._headers = {"Authorization": authorization, "Accept": "application/json"}

    def get(self, target: str) -> bytes:
        """The body of an answer of 200; ``target`` is a path with its query."""
        return self._ask("GET", target, None)

    def post(self, target: str, body: bytes) -> bytes:
        """The body of an answer of success."""
        return self._ask("POST", target, body)

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def _ask(self, method: str, target: str, body: bytes | None) -> bytes:
        headers = self._headers | ({"Content-Type": "application/json"} if body is not None else {})
        self._connection.request(method, target, body, headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status >= http.client.MULTIPLE_CHOICES:
            raise SystemExit(f"{method} {target}: {response.status} {content[:500]!r}")
        return content


class _Pages(Struct):
    next: str | None = None


class _Page(Struct):
    sessions: list[Raw] = field(name="networkSessions")
    pages: _Pages


class Walked(Struct, frozen=True):
    """A page as met when following ``next``: where it was, how many items it held."""

    target: str
    items: int


def walk(client: Client, target: str) -> Iterator[Walked]:
    """Follow ``pages.next`` to the end."""
    following: str | None = target
    while following is not None:
        page = msgspec.json.decode(client.get(following), type=_Page)
        yield Walked(following, len(page.sessions))
        following = page.pages.next and _target_of(page.pages.next)


def _target_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"
