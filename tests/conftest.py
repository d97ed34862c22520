"""Fixtures and rules for every test: only loopback sockets, one async backend, skips that fail in CI."""

import importlib.util
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, settings
from pytest_socket import socket_allow_hosts

if TYPE_CHECKING:
    from tests.clickhouse import ClickHouseServer
    from tests.postgresql import PostgresServer
    from tests.redis_server import RedisServer

LOOPBACK = ["127.0.0.1", "::1", "localhost"]

# At home every run tries other examples, and makes those that fail small. CI tries the same ones each time.
settings.register_profile("ci", derandomize=True, phases=(Phase.explicit, Phase.generate))
if os.environ.get("CI") == "true":
    settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--write-golden`` writes the golden files that it would compare with."""
    parser.addoption("--write-golden", action="store_true", default=False, help="write golden files anew")


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the programs do."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _loopback_only() -> None:
    """A connection to anywhere but loopback fails the test."""
    socket_allow_hosts(LOOPBACK, allow_unix_socket=True)


@pytest.fixture(scope="session")
def require() -> Callable[[bool, str], None]:
    """Skip with a reason where a test cannot run, but fail in CI, where everything must be there."""

    def check(condition: bool, reason: str) -> None:
        if condition:
            return
        if os.environ.get("CI") == "true":
            pytest.fail(f"cannot run in CI: {reason}")
        pytest.skip(reason)

    return check


@pytest.fixture(scope="session")
def postgresql(require: Callable[[bool, str], None]) -> "Iterator[PostgresServer]":
    """A PostgreSQL server, the same for all tests of a session that ask for one."""
    has_driver = importlib.util.find_spec("psycopg") is not None
    require(has_driver, "psycopg is not installed (pip install 'hopsight[test]')")
    # Late: the tests of agents need none of it.
    from tests.postgresql import PostgresServer, free_port, programs  # noqa: PLC0415

    found = programs()
    require(found is not None, "PostgreSQL is not installed (apt-get install postgresql-15)")
    assert found is not None
    server = PostgresServer(found, free_port())
    try:
        server.create()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgresql_template(postgresql: "PostgresServer", tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database with the tables of accounts, for copies: they take a tenth of the time."""
    from hopsight.accounts.accounts import Accounts  # noqa: PLC0415 - late, as above
    from hopsight.testing import FakeClock  # noqa: PLC0415

    name = postgresql.new_database()
    Accounts.open(postgresql.url(name), tmp_path_factory.mktemp("template"), FakeClock()).close()
    return name


@pytest.fixture
def postgresql_url(postgresql: "PostgresServer", postgresql_template: str) -> Iterator[str]:
    """The URL of an accounts database on PostgreSQL that no one has used."""
    name = postgresql.new_database(postgresql_template)
    yield postgresql.url(name)
    postgresql.drop_database(name)


@pytest.fixture(scope="session")
def clickhouse(require: Callable[[bool, str], None]) -> "Iterator[ClickHouseServer]":
    """Debian's ClickHouse, the same for all tests of a session that ask for one."""
    from tests.clickhouse import ClickHouseServer, program  # noqa: PLC0415 - late, as above

    found = program()
    require(found is not None, "ClickHouse is not installed (apt-get install clickhouse-server)")
    assert found is not None
    server = ClickHouseServer(found)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def redis_session(require: Callable[[bool, str], None]) -> "Iterator[RedisServer]":
    """A Redis server, the same for all tests of a session that ask for one."""
    has_client = importlib.util.find_spec("redis") is not None
    require(has_client, "redis is not installed (pip install 'hopsight[test]')")
    from tests.redis_server import RedisServer, program  # noqa: PLC0415 - late, as above

    found = program()
    require(found is not None, "Redis is not installed (apt-get install redis-server)")
    assert found is not None
    server = RedisServer(found)
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
def redis_server(redis_session: "RedisServer") -> "RedisServer":
    """A Redis that runs, and holds nothing."""
    redis_session.start()
    with redis_session.client() as client:
        client.flushall()
    return redis_session
