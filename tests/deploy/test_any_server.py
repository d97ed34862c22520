"""Two server processes over one database, and a client that never asks the same one twice in a row."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.clickhouse import free_ports
from tests.deploy.proxied import ServerProcess
from tests.postgresql import PostgresServer
from tests.scale.fleet import Fleet
from tests.server.web.identity_provider import CLIENT_ID, CLIENT_SECRET, Provider
from tests.server.web.signing_in import csrf_of, tree

from hopsight.accounts.accounts import Accounts
from hopsight.accounts.bootstrap_file import Bootstrap, read_bootstrap
from hopsight.accounts.passwords import hash_password
from hopsight.clock import SystemClock
from hopsight.storage.sqlite_file import open_writer

pytestmark = pytest.mark.anyio

SESSIONS = "/v6/endpoint-data/user-sessions/network"
PASSWORD = "six words and a small fox"
PUBLIC_URL = "http://hopsight.test"
LAST_ROUND = int(time.time()) // 60 * 60 - 3_600


class Pair:
    """Two servers that were started at the same moment on accounts that nobody had made.

    Args:
        home: what is theirs is below it.
        accounts_url: their accounts.
        words: further options of both.
    """

    def __init__(self, home: Path, accounts_url: str, *words: str) -> None:
        self.home = home
        self.accounts_url = accounts_url
        where = ("--store", f"sqlite:{home}/sessions.db", "--accounts", accounts_url, *words)
        ports = free_ports(2)
        self.servers = [ServerProcess(home, port, f"s{number}", where) for number, port in enumerate(ports)]

    def start(self) -> None:
        """Start both at once, on a store file that is there: two cannot make one at the same moment."""
        open_writer(self.home / "sessions.db").close()
        for server in self.servers:
            server.start(wait=False)
        for server in self.servers:
            server.wait()

    def stop(self) -> None:
        """End both."""
        for server in self.servers:
            server.kill()

    def bootstraps(self) -> list[Bootstrap]:
        """The first accounts that they have made, or know of."""
        found = [read_bootstrap(server.data) for server in self.servers]
        return [each for each in found if each is not None]

    def accounts(self) -> Accounts:
        """Their accounts, opened by a third."""
        return Accounts.open(self.accounts_url, self.home / "third", SystemClock())

    def client(self, **options: Any) -> httpx.AsyncClient:
        """Somebody whose requests are answered by one and the other in turn, whatever address they name."""
        return httpx.AsyncClient(base_url=PUBLIC_URL, transport=_Alternating(self), timeout=20, **options)


class _Alternating(httpx.AsyncBaseTransport):
    """What a proxy does that spreads requests, at its plainest."""

    def __init__(self, pair: Pair) -> None:
        self._turns = itertools.cycle(pair.servers)
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        server = next(self._turns)
        # Another request: the address of this one says whose the cookies are.
        sent = httpx.Request(
            request.method,
            request.url.copy_with(scheme="http", host="127.0.0.1", port=server.port),
            headers=request.headers,
            stream=request.stream,
        )
        answer = await self._inner.handle_async_request(sent)
        assert answer.headers["X-Server-Name"] == server.name
        return answer

    async def aclose(self) -> None:
        await self._inner.aclose()


@pytest.fixture(params=["postgresql", "sqlite"])
def accounts_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An accounts database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/accounts.db"
        return
    server: PostgresServer = request.getfixturevalue("postgresql")
    name = server.new_database()
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
def paired(accounts_url: str, tmp_path: Path) -> Iterator[Callable[..., Pair]]:
    """Starts two servers with further options."""
    running = []

    def start(*words: str) -> Pair:
        pair = Pair(tmp_path, accounts_url, "--public-url", PUBLIC_URL, *words)
        running.append(pair)
        pair.start()
        return pair

    yield start
    for pair in running:
        pair.stop()


@pytest.fixture
def pair(paired: Callable[..., Pair]) -> Pair:
    """Two servers."""
    return paired()


def one_with_token(pair: Pair) -> Bootstrap:
    """The first account, as the server knows it that made it."""
    (made,) = [each for each in pair.bootstraps() if each.token is not None]
    return made


async def test_servers_that_start_together_make_one_first_account(pair: Pair) -> None:
    """One organization, group, admin and token, known to the one that made them, good at both."""
    made = one_with_token(pair)
    accounts = pair.accounts()
    assert len(accounts.organizations()) == 1
    assert [user.email for user in accounts.users()] == [made.email]
    assert len(accounts.tokens()) == 1
    accounts.close()
    async with pair.client(headers={"Authorization": f"Bearer {made.token}"}) as client:
        assert [(await client.get("/v6/account-groups")).status_code for _ in range(2)] == [200, 200]


async def test_a_form_of_one_server_is_taken_by_the_other(pair: Pair) -> None:
    """Signing in with a password, the session and signing out, each step at another server than the last."""
    email = one_with_token(pair).email
    accounts = pair.accounts()
    accounts.sign_ins.set_password(email, hash_password(PASSWORD))
    accounts.close()
    async with pair.client() as client:
        fields = {"csrf": csrf_of(await client.get("/sign-in")), "next": "/account"}
        answer = await client.post("/sign-in", data=fields | {"email": email, "password": PASSWORD})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/account"), answer.text
        page, again = [await client.get("/account") for _ in range(2)]
        assert csrf_of(page) == csrf_of(again)
        assert all(tree(each).xpath("string(//*[@class='who']/a)") == email for each in (page, again))
        assert (await client.post("/sign-out", data={"csrf": csrf_of(page)})).status_code == 303
        assert [(await client.get("/account")).status_code for _ in range(2)] == [303, 303]


async def test_a_sign_in_at_a_provider_ends_at_the_other_server(
    paired: Callable[..., Pair], tmp_path: Path
) -> None:
    """What one server began, the one that the provider leads back to ends."""
    secret = tmp_path / "secret"
    secret.write_text(CLIENT_SECRET)
    async with Provider(int(time.time())).running() as provider:
        named = ("--oidc-issuer", provider.issuer, "--oidc-client-id", CLIENT_ID)
        pair = paired(*named, "--oidc-client-secret-file", str(secret))
        provider.claims = {"email": one_with_token(pair).email}
        async with pair.client() as client, httpx.AsyncClient(trust_env=False) as browser:
            begun = await client.get("/sign-in/provider", params={"next": "/account"})
            led = httpx.URL((await browser.get(begun.headers["Location"])).headers["Location"])
            assert urlsplit(PUBLIC_URL).hostname == led.host
            answer = await client.get(led.raw_path.decode())
            assert (answer.status_code, answer.headers["Location"]) == (303, "/account"), answer.text
            assert [(await client.get("/account")).status_code for _ in range(2)] == [200, 200]


async def test_uploads_and_pages_are_of_whichever_server(pair: Pair) -> None:
    """Agents upload to both; a list whose `next` links are followed at the other has each record once."""
    made = one_with_token(pair)
    fleets = [
        Fleet(server.url, made, 2, LAST_ROUND, days=1, seed=number)
        for number, server in enumerate(pair.servers)
    ]
    sent: set[str] = set()
    stop = asyncio.Event()
    for fleet in fleets:
        await fleet.enrol()
        await fleet.upload(stop, 0.0, most=70)
        await fleet.close()
        assert not fleet.uploads.reasons
        sent |= fleet.acknowledged
    found: list[str] = []
    async with pair.client(headers={"Authorization": f"Bearer {made.token}"}) as client:
        target: str | None = f"{SESSIONS}?window=30h"
        pages = 0
        while target is not None:
            page = (await client.get(target)).raise_for_status().json()
            found += [item["userSessionId"] for item in page["networkSessions"]]
            target, pages = page.get("pages", {}).get("next"), pages + 1
    assert pages > 2
    assert len(found) == len(set(found))
    assert set(found) == sent


async def test_what_is_taken_away_at_one_server_is_gone_at_the_other(pair: Pair) -> None:
    """A token that is deleted opens nothing more anywhere two seconds later."""
    made = one_with_token(pair)
    accounts = pair.accounts()
    token = accounts.create_token(made.email)
    async with pair.client(headers={"Authorization": f"Bearer {token}"}) as client:
        assert [(await client.get("/v6/account-groups")).status_code for _ in range(2)] == [200, 200]
        accounts.delete_token(max(each.token_id for each in accounts.tokens()))
        accounts.close()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if [(await client.get("/v6/account-groups")).status_code for _ in range(2)] == [401, 401]:
                return
    pytest.fail("it still opens them")
