"""Two whole servers over one PostgreSQL and one Redis: what one learns, the other knows."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from tests.redis_server import PASSWORD, RedisServer

from hopsight.accounts.database import REVISION_AGE_S
from hopsight.server.limits import REFUSALS

LIMIT: Final = 40
AT_ONCE_S: Final = 1.0
LEFT: Final = "X-Organization-Rate-Limit-Remaining"


class Answer(NamedTuple):
    """What a server said."""

    status: int
    left: int | None
    body: bytes = b""


@contextmanager
def serving(data: Path, accounts: str, shared: str) -> Iterator[str]:
    """`hopsight server` on a free port; its URL."""
    data.mkdir(exist_ok=True)
    words = ["--listen", "127.0.0.1:0", "--store", "memory:", "--rate-limit", str(LIMIT)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOPSIGHT")}
    with (data / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "hopsight", "server", "--data", str(data), *words],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=kept | {"HOPSIGHT_ACCOUNTS": accounts, "HOPSIGHT_SHARED": shared},
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"https?://\S+", line)
        assert found is not None, (data / "log").read_text()
        yield found[0]
    finally:
        process.terminate()
        process.communicate(timeout=20)
        assert PASSWORD not in (data / "log").read_text()


class Pair(NamedTuple):
    """Both of them, and who may ask."""

    one: str
    two: str
    token: str


@pytest.fixture
def pair(postgresql_url: str, redis_server: RedisServer, tmp_path: Path) -> Iterator[Pair]:
    """Two servers of one organization."""
    with ExitStack() as stack:
        one, two = (
            stack.enter_context(serving(tmp_path / name, postgresql_url, redis_server.url))
            for name in ("one", "two")
        )
        bootstrap = json.loads((tmp_path / "one" / "bootstrap.json").read_text())
        yield Pair(one, two, bootstrap["token"])


def ask(url: str, token: str, path: str = "/v6/account-groups.json", method: str = "GET") -> Answer:
    """Ask one of them something."""
    request = urllib.request.Request(
        url + path, headers={"Authorization": f"Bearer {token}"}, method=method, data=None
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return Answer(answer.status, int(answer.headers[LEFT]), answer.read())
    except urllib.error.HTTPError as error:
        with error:
            left = error.headers.get(LEFT)
            return Answer(error.code, None if left is None else int(left))


def test_the_limit_counts_over_both(pair: Pair) -> None:
    """An organization has its requests once, whichever server it asks."""
    left = [ask((pair.one, pair.two)[number % 2], pair.token).left for number in range(4)]
    assert left == [LIMIT - 1, LIMIT - 2, LIMIT - 3, LIMIT - 4]
    seen = [ask((pair.one, pair.two)[number % 2], pair.token) for number in range(LIMIT)]
    assert [each.status for each in seen] == [200] * (LIMIT - 4) + [429] * 4


def test_a_token_deleted_through_one_is_refused_by_the_other(pair: Pair) -> None:
    """Within a second, also by a server that has looked at the database just before."""
    uid = json.loads(ask(pair.one, pair.token, "/v6/users.json").body)["users"][0]["uid"]
    tokens = f"/v6/users/{uid}/tokens"
    made = json.loads(ask(pair.one, pair.token, f"{tokens}/new", "POST").body)["tokens"][0]
    time.sleep(REVISION_AGE_S)
    assert ask(pair.two, made["token"]).status == 200
    assert ask(pair.one, pair.token, f"{tokens}/{made['tokenId']}/delete", "POST").status == 200
    deadline = time.monotonic() + AT_ONCE_S
    while (status := ask(pair.two, made["token"]).status) != 401:
        assert (status, time.monotonic() < deadline) == (200, True)
        time.sleep(0.05)


def test_a_lockout_earned_at_one_holds_at_the_other(pair: Pair) -> None:
    """Who guesses at one server is sent away by the other, even with a right token."""
    assert ask(pair.two, pair.token).status == 200
    assert {ask(pair.one, f"wrong-{number}").status for number in range(REFUSALS)} == {401}
    deadline = time.monotonic() + AT_ONCE_S
    while ask(pair.two, pair.token).status != 429:
        assert time.monotonic() < deadline
    assert ask(pair.one, pair.token).status == 429


def test_servers_go_on_when_redis_dies(pair: Pair, redis_server: RedisServer) -> None:
    """Killed under both, Redis costs nobody an answer; each counts for itself."""
    assert ask(pair.one, pair.token).status == 200
    redis_server.kill()
    began_s = time.monotonic()
    assert [ask(url, pair.token).status for url in (pair.one, pair.two)] == [200, 200]
    assert time.monotonic() - began_s < AT_ONCE_S


def test_a_password_that_redis_refuses_stops_the_start(redis_server: RedisServer, tmp_path: Path) -> None:
    """Status 2 and one line, which names the setting and not the password."""
    words = ["--data", str(tmp_path), "--listen", "127.0.0.1:0", "--store", "memory:"]
    ended = subprocess.run(
        [sys.executable, "-m", "hopsight", "server", *words],
        env=os.environ | {"HOPSIGHT_SHARED": f"redis://:other-secret@127.0.0.1:{redis_server.port}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert "--shared" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert "other-secret" not in ended.stderr + ended.stdout
