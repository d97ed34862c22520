"""Tests of several servers that count through one real Redis, which goes and comes."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.redis_server import PASSWORD, RedisServer
from tests.server.sharing import End, new_end, running, until, until_heard

from hopsight.errors import ConfigError
from hopsight.server.limits import ACCOUNT_REFUSALS, REFUSALS
from hopsight.server.shared.address import Address, parse
from hopsight.server.shared.link import BEAT_S, PATIENCE_S, RETRY_S

pytestmark = pytest.mark.anyio

ADDRESS = "192.0.2.7"
ACCOUNT = "account ann@example.com"
SLACK_S = 0.25
"""What a busy machine may add."""


@pytest.fixture
def broken_redis(redis_server: RedisServer) -> Iterator[RedisServer]:
    """One that a test may do anything to."""
    yield redis_server
    redis_server.kill()


async def timed(end: End) -> float:
    """How long a count takes, in seconds."""
    began_s = time.monotonic()
    await end.limits.count_request(1)
    return time.monotonic() - began_s


async def test_two_servers_count_requests_together(redis_server: RedisServer) -> None:
    """What is left counts over both, and both name the same end of the window."""
    one, two = (new_end(redis_server.url, requests_per_minute=3) for _ in range(2))
    async with running(one, two):
        seen = [await end.limits.count_request(1) for end in (one, two, one, two)]
    assert [(each.remaining, each.exceeded) for each in seen] == [
        (2, False),
        (1, False),
        (0, False),
        (0, True),
    ]
    assert len({each.reset_s for each in seen}) == 1


async def test_counting_at_once_loses_nothing(redis_server: RedisServer) -> None:
    """Of a hundred requests at one moment over two servers, those within the limit are let in, no more."""
    ends = [new_end(redis_server.url, requests_per_minute=50) for _ in range(2)]
    async with running(*ends):
        seen = await asyncio.gather(*(ends[number % 2].limits.count_request(1) for number in range(100)))
    assert sum(not each.exceeded for each in seen) == 50
    assert sorted(each.remaining for each in seen if not each.exceeded) == list(range(50))


async def test_a_count_is_one_question(redis_server: RedisServer) -> None:
    """A request, and a refusal, cost one round trip each; being let through a lockout costs none."""
    end = new_end(redis_server.url)
    await end.link.begin()
    with redis_server.client() as client:
        client.config_resetstat()
        await end.limits.count_request(1)
        await end.limits.count_refusal(ADDRESS)
        end.limits.locked_out_s(ADDRESS)
        processed = client.info("commandstats")
    assert processed["cmdstat_eval"]["calls"] == 2
    await end.link.close()


@pytest.mark.parametrize(("name", "most"), [(ADDRESS, REFUSALS), (ACCOUNT, ACCOUNT_REFUSALS)])
async def test_a_lockout_earned_at_one_holds_at_the_other(
    redis_server: RedisServer, name: str, most: int
) -> None:
    """Refusals count over both servers, and who is locked out at one is told so by the other."""
    one, two = new_end(redis_server.url), new_end(redis_server.url)
    async with running(one, two):
        await until_heard(redis_server, 2)
        counts = [await (one, two)[number % 2].limits.count_refusal(name) for number in range(most)]
        assert counts == list(range(1, most + 1))
        for end in (one, two):
            await until(lambda end=end: end.limits.locked_out_s(name, most) > 0, 1.0)  # type: ignore[misc]
            assert end.limits.locked_out_s("192.0.2.8") == 0


async def test_redis_learns_no_address_and_keeps_nothing(redis_server: RedisServer) -> None:
    """Neither keys nor messages have an address or a name in them, and every key goes within a minute."""
    end = new_end(redis_server.url)
    with redis_server.client() as client, client.pubsub() as heard:
        heard.psubscribe("*")
        heard.get_message(timeout=1)
        async with running(end):
            await end.limits.count_request(1)
            for name in (ADDRESS, ACCOUNT):
                for _ in range(ACCOUNT_REFUSALS):
                    await end.limits.count_refusal(name)
        keys = list(client.scan_iter())
        messages = []
        while message := heard.get_message(timeout=0.2):
            messages.append(str(message["data"]))
        assert len(keys) == 4
        assert all(0 < client.pttl(key) <= 60_000 for key in keys)
    assert any(message.split()[1:2] == [str(ACCOUNT_REFUSALS)] for message in messages)
    for text in [*keys, *messages]:
        assert ADDRESS not in text
        assert "ann" not in text


@pytest.mark.parametrize("way", ["kill", "freeze"])
async def test_requests_go_on_without_redis(broken_redis: RedisServer, way: str) -> None:
    """One waits a quarter of a second, nobody after it; counts go on; it is told once, and ends by itself."""
    end = new_end(broken_redis.url, requests_per_minute=1_000)
    with capture_logs() as logs:
        async with running(end):
            await until_heard(broken_redis, 1)
            for _ in range(10):
                await end.limits.count_request(1)
                await end.limits.count_refusal(ADDRESS)
            getattr(broken_redis, way)()
            assert await timed(end) <= PATIENCE_S + SLACK_S
            assert sum([await timed(end) for _ in range(200)]) <= SLACK_S
            assert (await end.limits.count_request(1)).remaining == 1_000 - 10 - 202
            assert await end.limits.count_refusal(ADDRESS) == 11
            assert end.limits.locked_out_s(ADDRESS, ACCOUNT_REFUSALS) > 0
            await until(lambda: bool(logs))
            await asyncio.sleep(RETRY_S + PATIENCE_S + SLACK_S)
            assert not end.is_up
            assert (end.metric("hopsight_shared_failures_total") or 0) >= 2
            broken_redis.thaw() if way == "freeze" else broken_redis.start()
            await until(lambda: end.is_up, RETRY_S + BEAT_S + SLACK_S + PATIENCE_S)
            await until_heard(broken_redis, 1)
            before = 10 if way == "freeze" else 0
            # Those that it was asked while it stood still it has counted since.
            seen = [await end.limits.count_request(1) for _ in range(3)]
            assert seen[0].remaining in {1_000 - before - 1, 1_000 - before - 2}
            assert seen[0].remaining - seen[2].remaining == 2
    assert [(entry["log_level"], "Redis" in entry["event"]) for entry in logs] == [
        ("warning", True),
        ("info", True),
    ]
    assert PASSWORD not in str(logs)


async def test_a_server_starts_before_its_redis(broken_redis: RedisServer) -> None:
    """It says so once, counts for itself, and with the others when there is one."""
    broken_redis.kill()
    one, two = (new_end(broken_redis.url, requests_per_minute=9) for _ in range(2))
    with capture_logs() as logs:
        async with running(one, two):
            assert [(await end.limits.count_request(1)).remaining for end in (one, two)] == [8, 8]
            await asyncio.sleep(RETRY_S + SLACK_S)
            broken_redis.start()
            await until(lambda: one.is_up and two.is_up)
            assert [(await end.limits.count_request(1)).remaining for end in (one, two)] == [8, 7]
    assert [entry["log_level"] for entry in logs] == ["warning", "warning", "info", "info"]


async def test_a_key_that_is_none_of_ours_is_no_fault_of_the_asker(redis_server: RedisServer) -> None:
    """Whatever Redis says instead of a count, the request is counted here."""
    with redis_server.client() as client:
        client.lpush("hopsight:requests:1", "no number")
    end = new_end(redis_server.url)
    async with running(end):
        assert (await end.limits.count_request(1)).remaining == 2


async def test_messages_that_are_none_are_ignored(redis_server: RedisServer) -> None:
    """Nonsense on our channels changes nothing, and listening goes on."""
    end = new_end(redis_server.url)
    async with running(end):
        await until_heard(redis_server, 1)
        with redis_server.client() as client:
            for message in ("", "x", "0" * 32 + " 1", "0" * 32 + " -5 x", "\udcff".encode(errors="replace")):
                client.publish(end.link.channel("refused"), message)
        other = new_end(redis_server.url)
        await other.link.begin()
        for _ in range(ACCOUNT_REFUSALS):
            await other.limits.count_refusal(ACCOUNT)
        await until(lambda: end.limits.locked_out_s(ACCOUNT, ACCOUNT_REFUSALS) > 0, 1.0)
        await other.link.close()


@pytest.mark.parametrize(
    "credentials", [":wrong-secret", "nobody:wrong-secret", "", "guest:guest-secret"], ids=str
)
async def test_a_redis_that_refuses_us_is_a_wrong_setting(
    redis_server: RedisServer, credentials: str
) -> None:
    """Wrong or missing password, unknown user, user without rights: the setting is named, no secret shown."""
    with redis_server.client() as client:
        client.acl_setuser(
            "guest", enabled=True, passwords=["+guest-secret"], keys=["other"], commands=["+@all"]
        )
    at = f"{credentials}@" if credentials else ""
    with pytest.raises(ConfigError, match="--shared") as raised:
        await new_end(f"redis://{at}127.0.0.1:{redis_server.port}/3").link.begin()
    assert "secret" not in str(raised.value)


async def test_a_database_that_redis_has_not_is_a_wrong_setting(redis_server: RedisServer) -> None:
    """A number beyond its last one is said at the start."""
    with pytest.raises(ConfigError, match=r"--shared.*database"):
        await new_end(redis_server.url.replace("/3", "/99")).link.begin()


@pytest.mark.parametrize(
    "url",
    [
        "secret",
        "http://u:secret@host",
        "redis://",
        "redis://:secret@",
        "redis://:secret@host:0",
        "redis://:secret@host:70000",
        "redis://:se/cret@host",
        "redis://:secret@host/x",
        "redis://:secret@host/99999",
        "redis://:secret@host?ca_file=/x",
        "rediss://:secret@host?ca=/x",
        "redis://:secret@host/0#x",
    ],
)
def test_a_wrong_url_is_refused_without_its_password(url: str) -> None:
    """The message names the setting and what is accepted, and repeats nothing."""
    with pytest.raises(ConfigError, match="--shared") as raised:
        parse(url)
    assert "secret" not in str(raised.value)
    assert "se/cret" not in str(raised.value)


def test_a_url_is_read() -> None:
    """Every part of it, escaped or left out."""
    assert parse("redis://host") == Address(host="host")
    full = parse("rediss://ann:p%40ss%2F@[::1]:7000/5?ca_file=/etc/ca.pem")
    assert (full.host, full.port, full.database, full.user, full.password) == ("::1", 7000, 5, "ann", "p@ss/")
    assert (full.tls, str(full.ca_file)) == (True, "/etc/ca.pem")


def test_without_its_client_it_says_what_to_install(
    make_server: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has the setting and not the extra is told which one it is."""
    for name in [name for name in sys.modules if name.startswith("hopsight.server.shared.")]:
        monkeypatch.delitem(sys.modules, name)
    for name in {"redis", *(name for name in sys.modules if name.startswith("redis."))}:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"--shared.*hopsight\[server,redis\]"):
        make_server(shared="redis://127.0.0.1")


def test_nobody_pays_for_what_they_do_not_use() -> None:
    """A server that shares nothing loads neither the client nor what uses it."""
    program = "import hopsight.server.run, sys; print([name for name in sys.modules if 'redis' in name])"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
