"""One store of each backend, for what must hold over all of them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Protocol

import pytest
from tests.clickhouse import ChdbServer, has_chdb, program
from tests.clickhouse_cluster import Cluster, is_installed

from hopsight.storage import open_store
from hopsight.storage.clickhouse.address import parse
from hopsight.storage.clickhouse.client import Client
from hopsight.storage.clickhouse.schema import migrate
from hopsight.storage.store import Store
from hopsight.testing import FakeClock

BACKENDS = ("memory", "sqlite", "clickhouse", "chdb", "cluster")

SERVED = frozenset({"clickhouse", "chdb", "cluster"})

Require = Callable[[bool, str], None]


class Server(Protocol):
    """ClickHouse of either kind."""

    def new_url(self, options: str = ...) -> str:
        """The URL of a database that no one has used."""
        ...


@pytest.fixture(scope="session")
def chdb(require: Require) -> Iterator[ChdbServer]:
    """Today's engine, likewise."""
    require(has_chdb(), "chdb-core is not installed (pip install chdb-core)")
    server = ChdbServer()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def cluster(require: Require) -> Iterator[Cluster]:
    """Two shards of two replicas, likewise."""
    require(is_installed(), "no cluster: apt-get install clickhouse-server zookeeper default-jre-headless")
    found = program()
    assert found is not None
    made = Cluster(found)
    try:
        made.start()
        yield made
    finally:
        made.remove()


async def initialized(url: str) -> str:
    """A database with our tables: its URL."""
    address = parse(url.partition(":")[2])
    client = Client(address, FakeClock())
    try:
        await migrate(client, address, FakeClock())
    finally:
        await client.close()
    return url


@pytest.fixture
def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Awaitable[Store]]:
    """Opens a store of a backend, empty."""

    async def open_empty(backend: str) -> Store:
        url = f"{backend}:"
        if backend in SERVED:
            server: Server = request.getfixturevalue(backend)
            url = await initialized(server.new_url())
        return open_store(url, tmp_path_factory.mktemp("store"), FakeClock())

    return open_empty


@pytest.fixture(params=BACKENDS)
async def store(
    request: pytest.FixtureRequest, opened: Callable[[str], Awaitable[Store]]
) -> AsyncIterator[Store]:
    """One store of each backend, empty."""
    made = await opened(request.param)
    yield made
    await made.close()
