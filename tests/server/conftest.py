"""A whole server for tests: real accounts on SQLite, a memory store that counts, a clock that is told."""

import random
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest
from msgspec import Struct
from sqlalchemy import text

from hopsight.accounts.accounts import Accounts
from hopsight.config import ServerConfig
from hopsight.model.accounts import Role
from hopsight.model.dimensions import NETWORK_SESSIONS
from hopsight.model.query import PageOf, Query, Record
from hopsight.server.app import create_app
from hopsight.storage.memory import MemoryStore
from hopsight.storage.store import Added
from hopsight.testing import FakeClock

AID = 7625
"""The account group of the published samples."""


class CountingStore(MemoryStore):
    """A memory store that writes down which of its methods were called."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    async def page(self, query: Query) -> PageOf:
        """Answer a question."""
        self.calls.append("page")
        return await super().page(query)

    async def last_round(self, kind: str, aid: int) -> int | None:
        """The newest round."""
        self.calls.append("last_round")
        return await super().last_round(kind, aid)


class Server(Struct, kw_only=True):
    """A server with one organization, its account group 7625, and a user of each role there.

    Args:
        app: the ASGI application.
        accounts: what it knows of people and agents.
        store: what it keeps.
        clock: its time.
        tokens: a token of each role.
    """

    app: Any
    accounts: Accounts
    store: CountingStore
    clock: FakeClock
    config: ServerConfig
    aid: int
    tokens: dict[Role, str]

    @property
    def token(self) -> str:
        """A regular user's token."""
        return self.tokens[Role.USER]

    def client(self, token: str | None = None, **options: Any) -> httpx.AsyncClient:
        """An HTTP client that shows a token; empty: none."""
        shown = self.token if token is None else token
        headers = {"Authorization": f"Bearer {shown}"} if shown else {}
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False, **options)
        return httpx.AsyncClient(transport=transport, base_url="http://hopsight.test:8480", headers=headers)

    async def add(self, *records: Record) -> Added:
        """Store network sessions."""
        return await self.store.add(NETWORK_SESSIONS, records)


def build_server(
    data: Path, *, rate_limit: int = 1_000_000, public_url: str | None = None, **settings: Any
) -> Server:
    """Make one in a directory of its own; its account group gets the ID 7625, as in the samples."""
    clock = FakeClock()
    accounts_url: str | None = settings.get("accounts")
    accounts = Accounts.open(accounts_url, data, clock)
    org_id = accounts.create_organization("Example")
    if accounts_url is None:
        _give_next(data / "accounts.db", "account_groups", AID)
    else:
        with accounts._database.write() as connection:
            connection.execute(text(f"ALTER SEQUENCE account_groups_aid_seq RESTART WITH {AID}"))
    aid = accounts.create_account_group("Sandbox", org_id)
    tokens = {}
    for role in Role:
        accounts.create_user(f"{role}@example.com", role, [aid])
        tokens[role] = accounts.create_token(f"{role}@example.com")
    config = ServerConfig(data=data, rate_limit=rate_limit, public_url=public_url, **settings)
    store = CountingStore()
    app = create_app(config, store, accounts, clock, random.Random(1))
    return Server(app=app, accounts=accounts, store=store, clock=clock, config=config, aid=aid, tokens=tokens)


def _give_next(database: Path, table: str, number: int) -> None:
    """Make ``number`` the next ID of a table."""
    connection = apsw.Connection(str(database))
    connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, number - 1))
    connection.close()


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server that does not limit rates; its accounts are on SQLite unless a test says "postgresql"."""
    on_postgresql = getattr(request, "param", None) == "postgresql"
    built = build_server(
        tmp_path, accounts=request.getfixturevalue("postgresql_url") if on_postgresql else None
    )
    yield built
    built.accounts.close()


@pytest.fixture
def make_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Makes servers with settings of the test's own, each in a new directory."""
    made: list[Server] = []

    def make(**settings: Any) -> Server:
        made.append(build_server(tmp_path_factory.mktemp("server"), **settings))
        return made[-1]

    yield make
    for server in made:
        server.app.services.atlas.close()
        server.accounts.close()


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Server]:
    """A server that lets an organization ask five times a minute."""
    built = build_server(tmp_path, rate_limit=5)
    yield built
    built.accounts.close()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """A regular user's client."""
    async with server.client() as opened:
        yield opened
