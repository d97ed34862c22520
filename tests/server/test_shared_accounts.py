"""Tests of what servers tell each other of accounts: two on one PostgreSQL and one Redis."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from tests.redis_server import RedisServer
from tests.server.sharing import End, running, until

from hopsight.accounts.accounts import Accounts
from hopsight.accounts.database import REVISION_AGE_S
from hopsight.clock import SystemClock
from hopsight.model.accounts import Role
from hopsight.server.limits import MemoryLimits
from hopsight.server.shared.opening import CHANGED, share
from hopsight.server.shared_metrics import SharedMetrics
from hopsight.testing import FakeClock

pytestmark = pytest.mark.anyio

EMAIL = "ann@example.com"


@pytest.fixture
def clock() -> FakeClock:
    """The time of the accounts: it stands still, so that nobody looks at the database for its age."""
    return FakeClock()


@pytest.fixture
def pair(postgresql_url: str, tmp_path: Path, clock: FakeClock) -> Iterator[list[Accounts]]:
    """Two servers' accounts."""
    opened = [Accounts.open(postgresql_url, tmp_path / name, clock) for name in ("one", "two")]
    yield opened
    for accounts in opened:
        accounts.close()


@asynccontextmanager
async def sharing(server: RedisServer, pair: list[Accounts]) -> AsyncIterator[None]:
    """Have them tell each other."""
    ends = []
    for accounts in pair:
        real, registry = SystemClock(), CollectorRegistry()
        memory = MemoryLimits(real, requests_per_minute=9)
        shared = share(server.url, memory, accounts, real, SharedMetrics(registry))
        ends.append(End(link=shared.link, limits=shared.limits, registry=registry))
    async with running(*ends):
        with server.client() as client:
            await until(lambda: client.pubsub_numsub(f"hopsight:3:{CHANGED}")[0][1] == len(ends))
        yield


async def test_a_deleted_token_is_refused_by_the_other_at_once(
    redis_server: RedisServer, pair: list[Accounts]
) -> None:
    """Without time passing, a token is refused by the server that did not delete it."""
    one, two = pair
    aid = one.create_account_group("Office", one.create_organization("Example"))
    one.create_user(EMAIL, Role.USER, [aid])
    token = one.create_token(EMAIL)
    async with sharing(redis_server, pair):
        assert two.authenticate_token(token) is not None
        one.delete_token(one.tokens()[0].token_id)
        await until(lambda: two.authenticate_token(token) is None, 1.0)


async def test_a_changed_user_has_the_new_rights_at_the_other_at_once(
    redis_server: RedisServer, pair: list[Accounts]
) -> None:
    """Without time passing, a user who was deleted is nobody at the server that did not delete them."""
    one, two = pair
    aid = one.create_account_group("Office", one.create_organization("Example"))
    one.create_user(EMAIL, Role.USER, [aid])
    token = one.create_token(EMAIL)
    async with sharing(redis_server, pair):
        assert two.authenticate_token(token) is not None
        one.delete_user(EMAIL)
        await until(lambda: two.authenticate_token(token) is None, 1.0)


async def test_without_redis_a_change_is_seen_as_late_as_ever(
    redis_server: RedisServer, pair: list[Accounts], clock: FakeClock
) -> None:
    """While Redis is away, a deleted token is refused after ``REVISION_AGE_S``, and not before."""
    one, two = pair
    aid = one.create_account_group("Office", one.create_organization("Example"))
    one.create_user(EMAIL, Role.USER, [aid])
    token = one.create_token(EMAIL)
    async with sharing(redis_server, pair):
        redis_server.kill()
        assert two.authenticate_token(token) is not None
        one.delete_token(one.tokens()[0].token_id)
        clock.advance(REVISION_AGE_S / 2)
        assert two.authenticate_token(token) is not None
        clock.advance(REVISION_AGE_S / 2)
        assert two.authenticate_token(token) is None


async def test_what_was_told_while_away_is_looked_for_afterwards(
    redis_server: RedisServer, pair: list[Accounts]
) -> None:
    """When Redis is back, a server looks at the database: it may have missed something."""
    one, two = pair
    aid = one.create_account_group("Office", one.create_organization("Example"))
    one.create_user(EMAIL, Role.USER, [aid])
    token = one.create_token(EMAIL)
    async with sharing(redis_server, pair):
        redis_server.kill()
        assert two.authenticate_token(token) is not None
        one.delete_token(one.tokens()[0].token_id)
        redis_server.start()
        await until(lambda: two.authenticate_token(token) is None)
