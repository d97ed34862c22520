"""A real server in a process of its own, and the command line run as people run it."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

Run = Callable[..., "subprocess.CompletedProcess[str]"]


class Served(Struct, frozen=True):
    """A server of this test's own."""

    url: str
    data: Path
    connection_string: str


def clean_environment(home: Path) -> dict[str, str]:
    """Nothing of ours in it, and a home directory of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HOPSIGHT_")}
    # The gateway of the machine that runs the tests is not theirs to probe.
    kept["HOPSIGHT_TOPOLOGY"] = "0"
    return kept | {"HOME": str(home), "XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home)}


@pytest.fixture
def hopsight(tmp_path: Path) -> Run:
    """Run a command to its end."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "hopsight", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=clean_environment(tmp_path),
            stdin=subprocess.DEVNULL,
        )

    return run


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start a command, and end it with the test."""
    started: list[subprocess.Popen[str]] = []

    def start_command(*arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "hopsight", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment(tmp_path),
        )
        started.append(process)
        return process

    yield start_command
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def served(tmp_path: Path, start: Callable[..., "subprocess.Popen[str]"], hopsight: Run) -> Served:
    """A server on a free port, and a connection string for its first account group."""
    data = tmp_path / "server"
    process = start("server", "--data", str(data), "--listen", "127.0.0.1:0")
    assert process.stdout is not None
    found = re.search(r"http://\S+", process.stdout.readline())
    assert found is not None
    url = found[0]
    made = hopsight(
        "admin",
        "connection-string",
        "create",
        "--account-group",
        "1",
        "--url",
        url,
        "--data",
        str(data),
        "--json",
    )
    return Served(url, data, msgspec.json.decode(made.stdout)["connectionString"])
