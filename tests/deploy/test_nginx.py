"""Two servers over one database behind nginx: any of them answers, and one can go unnoticed."""

import asyncio
import contextlib
import http.client
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.deploy.proxied import Proxied, nginx
from tests.scale.fleet import Fleet, Readers

from hopsight.accounts.bootstrap_file import Bootstrap

pytestmark = pytest.mark.anyio

LAST_ROUND = int(time.time()) // 60 * 60 - 3_600
DRAIN_S = 2


class Site:
    """What runs, and its first account."""

    def __init__(self, proxied: Proxied, bootstrap: Bootstrap, store: Path) -> None:
        self.proxied = proxied
        self.bootstrap = bootstrap
        self.store = store

    def readers(self) -> Readers:
        """Who reads what was uploaded first."""
        token = self.bootstrap.token
        assert token is not None
        return Readers(self.proxied.url, token, LAST_ROUND - 4 * 86_400, LAST_ROUND - 2 * 86_400)

    def fleet(self, agents: int, *, days: int = 1, seed: int = 7) -> Fleet:
        """Who uploads."""
        return Fleet(self.proxied.url, self.bootstrap, agents, LAST_ROUND, days=days, seed=seed)


@pytest.fixture
def site(require: Callable[[bool, str], None], tmp_path: Path) -> Iterator[Site]:
    """Two servers, one store, one accounts database, one nginx."""
    require(nginx() is not None, "nginx is not installed (apt-get install nginx-light)")
    store = tmp_path / "sessions.db"
    words = ["--store", f"sqlite:{store}", "--accounts", f"sqlite:///{tmp_path}/accounts.db"]
    proxied = Proxied([*words, "--drain", str(DRAIN_S)])
    try:
        yield Site(proxied, proxied.start(), store)
    finally:
        proxied.remove()


def status_of(url: str) -> tuple[int, str | None]:
    """What a server answers, and whether it closes the connection."""
    split = urlsplit(url)
    with contextlib.closing(http.client.HTTPConnection(split.netloc, timeout=10)) as connection:
        connection.request("GET", split.path)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers["Connection"]


async def test_a_server_that_is_replaced_fails_no_request(site: Site) -> None:
    """Under uploads and pages, each server in turn ends on SIGTERM and comes again: nobody gets an error."""
    fleet, before, readers = site.fleet(12), site.fleet(4, days=3, seed=8), site.readers()
    stop = asyncio.Event()
    await before.enrol()
    await before.upload(stop, 0.0, most=40)
    await fleet.enrol()
    working = asyncio.gather(fleet.upload(stop, 0.3), readers.read(stop, clients=3))
    await asyncio.sleep(1.5)
    for server in site.proxied.servers:
        server.tell(signal.SIGTERM)
        assert await asyncio.to_thread(server.ended) == 0
        await asyncio.to_thread(server.start)
        await asyncio.sleep(6.0)  # nginx leaves who failed alone for five seconds
    stop.set()
    await working
    assert (fleet.uploads.reasons, readers.pages.reasons) == ({}, {})
    assert readers.walks > 0
    assert readers.changed == 0
    assert set(readers.servers) == {"s1", "s2"}
    with contextlib.closing(sqlite3.connect(site.store)) as connection:
        stored = {row[0] for row in connection.execute("SELECT id FROM network_sessions")}
    assert fleet.acknowledged
    assert fleet.acknowledged <= stored
    await before.close()
    await fleet.close()


async def test_a_draining_server_says_so_and_goes_on(site: Site) -> None:
    """After SIGTERM /readyz is 503 and connections are closed, but requests are answered until the end."""
    server = site.proxied.servers[0]
    assert status_of(f"{server.url}/readyz") == (200, None)
    server.tell(signal.SIGTERM)
    await asyncio.sleep(0.3)
    assert status_of(f"{server.url}/readyz") == (503, "close")
    assert status_of(f"{server.url}/livez") == (200, "close")
    assert status_of(f"{server.url}/healthz") == (200, "close")
    began_s = time.monotonic()
    assert await asyncio.to_thread(server.ended) == 0
    assert time.monotonic() - began_s > DRAIN_S / 2
    # nginx asks the other one.
    assert status_of(f"{site.proxied.url}/readyz")[0] == 200


async def test_a_second_signal_ends_the_draining(site: Site) -> None:
    """Whoever cannot wait tells it again; Ctrl-C drains nothing."""
    first, second = site.proxied.servers
    began_s = time.monotonic()
    first.tell(signal.SIGTERM)
    await asyncio.sleep(0.2)
    first.tell(signal.SIGTERM)
    second.tell(signal.SIGINT)
    assert [await asyncio.to_thread(each.ended) for each in (first, second)] == [0, 0]
    assert time.monotonic() - began_s < DRAIN_S


async def test_a_killed_server_fails_no_reader(site: Site) -> None:
    """Who only reads is answered by the other server; what was acknowledged before is found after."""
    fleet, before, readers = site.fleet(6), site.fleet(4, days=3, seed=8), site.readers()
    stop = asyncio.Event()
    await before.enrol()
    await before.upload(stop, 0.0, most=40)
    await fleet.enrol()
    working = asyncio.gather(fleet.upload(stop, 0.3), readers.read(stop, clients=3))
    await asyncio.sleep(1.0)
    site.proxied.servers[0].kill()
    await asyncio.sleep(2.0)
    stop.set()
    await working
    assert readers.pages.reasons == {}
    assert readers.changed == 0
    with contextlib.closing(sqlite3.connect(site.store)) as connection:
        stored = {row[0] for row in connection.execute("SELECT id FROM network_sessions")}
    assert fleet.acknowledged <= stored
    await before.close()
    await fleet.close()
