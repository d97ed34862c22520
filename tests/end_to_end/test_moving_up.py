"""From one server to several: three settings change, and nobody who asks or uploads notices."""

import asyncio
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from tests.clickhouse import ClickHouseServer, free_ports
from tests.deploy.proxied import ServerProcess
from tests.redis_server import RedisServer
from tests.scale.fleet import Fleet

from hopsight.accounts.bootstrap_file import Bootstrap, read_bootstrap
from hopsight.model.times import format_utc

pytestmark = pytest.mark.anyio

SESSIONS: Final = "/v6/endpoint-data/user-sessions/network"
LAST_ROUND: Final = int(time.time()) // 60 * 60 - 7_200
AGENTS: Final = 3
UPLOADS: Final = 40


@contextmanager
def serving(server: ServerProcess) -> Iterator[ServerProcess]:
    """A server, until it is asked to end; it has to end well."""
    server.start()
    try:
        yield server
        server.tell(signal.SIGTERM)
        assert server.ended() == 0
    finally:
        server.kill()


def admin(*words: str | Path) -> Any:
    """What an operator types; the document that it prints."""
    command = [sys.executable, "-m", "hopsight", "admin", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def pages(server: ServerProcess, token: str, days: int = 1) -> list[bytes]:
    """The bodies of all pages of a range that is over."""
    first_round = LAST_ROUND - days * 86_400
    first, last = (format_utc(moment).replace(" ", "T") for moment in (first_round, LAST_ROUND))
    target: str | None = f"{server.url}{SESSIONS}?from={first}&to={last}"
    bodies = []
    while target is not None:
        request = urllib.request.Request(target, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            bodies.append(answer.read())
        target = json.loads(bodies[-1]).get("pages", {}).get("next")
    return bodies


def ids_in(bodies: list[bytes]) -> list[str]:
    """Of all sessions on these pages."""
    return [item["userSessionId"] for body in bodies for item in json.loads(body)["networkSessions"]]


async def upload(fleet: Fleet) -> None:
    """Have each agent upload so many batches: all of them are taken."""
    await fleet.upload(asyncio.Event(), 0.0, most=UPLOADS)
    assert not fleet.uploads.reasons


async def test_three_settings_move_an_installation(
    tmp_path: Path, clickhouse: ClickHouseServer, redis_server: RedisServer, postgresql_url: str
) -> None:
    """After both copies the same token reads the same bytes, and agents go on with the secrets they have."""
    port, other_port = free_ports(2)
    public = ("--public-url", f"http://127.0.0.1:{port}")
    before = ServerProcess(tmp_path, port, "before", public)
    with serving(before):
        bootstrap = read_bootstrap(before.data)
        assert isinstance(bootstrap, Bootstrap)
        assert bootstrap.token is not None
        fleet = Fleet(before.url, bootstrap, AGENTS, LAST_ROUND, days=1)
        await fleet.enrol()
        await upload(fleet)
        expected = pages(before, bootstrap.token)
    assert len(expected) > 1
    assert set(ids_in(expected)) == fleet.acknowledged

    store = clickhouse.new_url()
    tables = admin("accounts", "copy", "sqlite", postgresql_url, "--data", before.data)["tables"]
    assert next(each["rows"] for each in tables if each["table"] == "agents") == AGENTS
    admin("store", "init", "--store", store)
    kinds = admin("store", "copy", "sqlite", store, "--data", before.data)["kinds"]
    assert next(each["copied"] for each in kinds if each["kind"] == "network-sessions") == len(
        fleet.acknowledged
    )

    settings = ("--store", store, "--accounts", postgresql_url, "--shared", redis_server.url, *public)
    one, two = (
        ServerProcess(tmp_path, at, name, settings) for at, name in ((port, "one"), (other_port, "two"))
    )
    with serving(one), serving(two):
        assert pages(one, bootstrap.token) == expected
        assert pages(two, bootstrap.token) == expected
        assert read_bootstrap(one.data) is None
        more = Fleet(two.url, bootstrap, AGENTS, LAST_ROUND - 86_400, days=1)
        more.take_over(fleet)
        await upload(more)
        found = ids_in(pages(one, bootstrap.token, days=2))
        assert set(found) == fleet.acknowledged | more.acknowledged
        assert len(found) == len(set(found))
    await fleet.close()
    await more.close()
