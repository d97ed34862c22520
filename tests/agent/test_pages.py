"""Pages within an agent's rounds: real servers on loopback, real TLS, and a server that takes the records."""

import asyncio
import random
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.agent.pages.serving import certified, page, saying, served

from hopsight.agent.delivery.spool import Spool
from hopsight.agent.main import OPTIONS, Agent, create_agent
from hopsight.agent.network import Address
from hopsight.agent.pages.fetch import FETCH_TIMEOUT_S
from hopsight.agent.results import ProbeOptions
from hopsight.agent.system_network import SystemNetwork
from hopsight.clock import SystemClock
from hopsight.config import AgentConfig
from hopsight.model.ids import SESSION_ROUND_S
from hopsight.model.upload import AgentConfiguration

pytestmark = pytest.mark.anyio

QUICK = ProbeOptions(count=2, interval_s=0.05, timeout_s=0.2)
SITE = "site.test"


class Door(SystemNetwork):
    """A machine for which all of ``.test`` is loopback; pages' ports lead to those of the test."""

    def __init__(self, ports: dict[int, int]) -> None:
        super().__init__(SystemClock())
        self.ports = ports
        self.fetched: list[int] = []

    async def resolve(self, host: str, timeout_s: float) -> list[Address]:
        """Addresses of a host."""
        if host.endswith(".test"):
            return [Address("127.0.0.1")]
        return await super().resolve(host, timeout_s)

    async def open_tcp(self, address: Address, port: int, timeout_s: float) -> socket.socket:
        """A connection to the port that stands for this one."""
        self.fetched.append(port)
        return await super().open_tcp(address, self.ports.get(port, port), timeout_s)


def agent_for(server: Any, data: Path, door: Door, *targets: str, **settings: Any) -> Agent:
    """An agent that fetches pages."""
    given = {"connection_string": server.connection_string(), "targets": targets, "fetch": True} | settings
    config = AgentConfig(data=data, topology=False, **given)
    return create_agent(config, door, SystemClock(), random.Random(), QUICK)


def sessions(server: Any) -> dict[str, Any]:
    """User sessions by their site."""
    return {one.document.visited_site: one for one in server.by_kind.get("user-sessions", {}).values()}


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """TLS of the site; its authority is one of this machine's."""
    authority, context = certified(SITE)
    path = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return context


@asynccontextmanager
async def hanging() -> AsyncIterator[tuple[int, asyncio.Event]]:
    """A server that takes a request and never answers; says when it was asked."""
    asked, over = asyncio.Event(), asyncio.Event()

    async def hang(_: bytes, __: asyncio.StreamWriter) -> None:
        asked.set()
        await over.wait()

    async with served(hang) as port:
        yield port, asked
        over.set()


async def test_a_page_is_delivered_with_its_session(
    server: Any, tmp_path: Path, theirs: ssl.SSLContext
) -> None:
    """The page of a round is a record of its own, with the session's ID, and the session knows of it."""
    async with served(saying(page(b"<title>A page</title>")), theirs) as port:
        door = Door({443: port})
        assert await agent_for(server, tmp_path, door, SITE).run_once()
    ((session_id, record),) = server.by_kind["web-sessions"].items()
    session = server.by_kind["user-sessions"][session_id]
    assert door.fetched == [443]
    assert (record.document.page_title, record.document.response_code) == ("A page", 200)
    assert (record.visited_site, record.document.page_url) == (SITE, f"https://{SITE}/")
    assert (record.document.round_id, record.document.agent_id) == (
        session.document.round_id,
        session.document.agent_id,
    )
    assert session.document.number_of_pages == 1
    assert [one.title for one in session.detail.pages] == ["A page"]
    assert session.detail.network.errors == ()


async def test_a_page_that_nobody_answers_is_a_finding(server: Any, tmp_path: Path) -> None:
    """The session has no page, and an error that says why."""
    async with served(saying(b"")) as port:
        pass
    assert await agent_for(server, tmp_path, Door({443: port}), SITE).run_once()
    session = sessions(server)[SITE]
    assert "web-sessions" not in server.by_kind
    assert session.document.number_of_pages == 0
    assert "page: IPv4: connection refused" in session.detail.network.errors


async def test_a_page_elsewhere_is_the_redirect_and_a_finding(server: Any, tmp_path: Path) -> None:
    """A site that sends to another has its redirect as page, and the session says why."""
    moved = b"HTTP/1.1 301 Moved\r\nLocation: https://other.example/\r\nContent-Length: 0\r\n\r\n"
    async with served(saying(moved)) as port:
        assert await agent_for(server, tmp_path, Door({80: port}), f"{SITE}:80").run_once()
    (record,) = server.by_kind["web-sessions"].values()
    assert record.document.response_code == 301
    assert "page: redirected to another site: not followed" in sessions(server)[SITE].detail.network.errors


async def test_what_has_no_page_is_not_asked_for_one(server: Any, tmp_path: Path) -> None:
    """An address without a port, another service, and a name that does not resolve: nothing is opened."""
    door = Door({})
    targets = ("127.0.0.1", f"{SITE}:22", "nowhere.invalid")
    assert await agent_for(server, tmp_path, door, *targets).run_once()
    assert door.fetched == []
    assert len(sessions(server)) == 3
    assert await agent_for(server, tmp_path, door, SITE, fetch=False).run_once()
    assert door.fetched == []


async def test_the_machines_proxy_is_asked_for_the_page(server: Any, tmp_path: Path) -> None:
    """Where programs go through a proxy the page does, too; it is still the site's page."""
    asked: list[bytes] = []

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head)
        writer.write(page(b"x"))

    async with served(serve) as port:
        variables = {"http_proxy": f"http://127.0.0.1:{port}"}
        agent = agent_for(server, tmp_path, Door({}), f"{SITE}:80", proxy_variables=variables)
        assert await agent.run_once()
    (record,) = server.by_kind["web-sessions"].values()
    pages = [head for head in asked if head.startswith(b"GET ")]
    assert [head.split(b" ")[1] for head in pages] == [b"http://site.test/"]
    assert record.document.page_url == f"http://{SITE}/"
    assert record.detail.har.log.entries[0].server_ip_address is None


async def test_a_slow_page_holds_up_its_own_session_alone(server: Any, tmp_path: Path) -> None:
    """While one page hangs, the other targets of the round are kept and delivered."""
    server.configuration = AgentConfiguration()
    async with hanging() as (port, asked):
        agent = agent_for(server, tmp_path, Door({80: port}), f"{SITE}:80", "127.0.0.1")
        running = asyncio.create_task(agent.run())
        async with asyncio.timeout(FETCH_TIMEOUT_S / 2):
            await asked.wait()
            while not await asyncio.to_thread(kept, tmp_path):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
        agent.stop()
        await running
    assert set(sessions(server)) == {SITE, "127.0.0.1"}


def kept(data: Path) -> int:
    """Records in the spool of an agent that runs."""
    spool = Spool(data / "agent", SystemClock(), max_bytes=256 << 20, max_age_s=86_400)
    try:
        return spool.counts().waiting
    finally:
        spool.close()


async def test_stopping_waits_for_no_page_and_loses_no_session(server: Any, tmp_path: Path) -> None:
    """Stopped while a page hangs, the agent ends within seconds, and delivers the window that was over."""
    async with hanging() as (port, asked):
        agent = agent_for(server, tmp_path, Door({80: port}), f"{SITE}:80")
        running = asyncio.create_task(agent.run())
        async with asyncio.timeout(5):
            await asked.wait()
        agent.stop()
        async with asyncio.timeout(3):
            await running
    assert sessions(server)[SITE].document.number_of_pages == 0
    assert "web-sessions" not in server.by_kind


def test_a_round_has_room_for_its_pages() -> None:
    """Window and slowest page together are less than half of a round: no page makes the next one late."""
    assert OPTIONS.window_s + FETCH_TIMEOUT_S < SESSION_ROUND_S / 2
