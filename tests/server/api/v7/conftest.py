"""A server of its own process with a simulated fleet, and the official SDK pointed at it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from thousandeyes_sdk.core import ApiClient, Configuration

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("HOPSIGHT")}


class Fleet(Struct, kw_only=True):
    """A server with simulated agents in account group 1.

    Args:
        url: of the server.
        data: its directory.
        token: of an organization admin.
        reader: token of a regular user.
        other_aid: a second account group, with nothing in it.
    """

    url: str
    data: Path
    token: str
    reader: str
    other_aid: str

    def sdk(self, token: str | None = None) -> ApiClient:
        """The official client, with nothing changed but its host."""
        shown = self.token if token is None else token
        return ApiClient(Configuration(host=f"{self.url}/v7", access_token=shown))


def hopsight(*words: str) -> Any:
    """Run a command of ours to its end; what it prints, as JSON."""
    run = subprocess.run(
        [sys.executable, "-m", "hopsight", *words, "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=ENVIRONMENT,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@contextmanager
def serving(data: Path, *words: str) -> Iterator[str]:
    """A server on a free port; its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hopsight", "server", "--data", str(data), "--listen", "127.0.0.1:0", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=ENVIRONMENT,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"https?://\S+", process.stdout.readline())
        assert found is not None
        yield found[0]
    finally:
        process.kill()
        process.communicate()


def user(data: Path, email: str, role: str, *aids: str) -> str:
    """Add a user; a token."""
    here = ("--data", str(data))
    groups = [word for aid in aids for word in ("--account-group", aid)]
    hopsight("admin", "user", "create", email, "--role", role, *groups, *here)
    return str(hopsight("admin", "token", "create", email, *here)["token"])


def working_day() -> str:
    """The last Wednesday, 15:00 UTC: how much a fleet does depends on the time, and so would the tests."""
    now = datetime.now(UTC) - timedelta(hours=1)
    end = now.replace(hour=15, minute=0, second=0)
    end -= timedelta(days=(end.weekday() - 2) % 7)
    return (end if end <= now else end - timedelta(days=7)).strftime("%Y-%m-%dT%H:%M:%S")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Twenty agents and three and a half hours: more than one page of everything."""
    data = tmp_path_factory.mktemp("server")
    with serving(data, "--rate-limit", "10000") as url:
        here = ("--data", str(data))
        key = hopsight("admin", "connection-string", "create", "--account-group", "1", "--url", url, *here)
        string = key["connectionString"]
        plan = ("--agents", "20", "--hours", "3.5", "--end", working_day())
        hopsight("simulate", "--connection-string", string, *plan)
        other = str(hopsight("admin", "account-group", "create", "Other", "--org", "1", *here)["aid"])
        yield Fleet(
            url=url,
            data=data,
            token=user(data, "ann@example.com", "org-admin", "1", other),
            reader=user(data, "bob@example.com", "user", "1"),
            other_aid=other,
        )
