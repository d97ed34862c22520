"""``hopsight agent`` as people run it."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from hopsight.model.connection import ConnectionString, format_connection_string

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]
NOBODY = format_connection_string(ConnectionString(url="http://127.0.0.1:9", key="k" * 32))


def test_help_says_all_of_it(hopsight: Run) -> None:
    """Every option with its variable, but not what only `up` uses."""
    said = hopsight("agent", "--help").stdout
    for option in (
        "--connection-string",
        "--data",
        "--target",
        "--once",
        "--location",
        "--name",
        "--spool-bytes",
    ):
        assert option in said
    assert "HOPSIGHT_CONNECTION_STRING" in said
    assert "--stop-with-stdin" not in said


def test_without_a_connection_string_it_says_how_to_get_one(hopsight: Run, tmp_path: Path) -> None:
    """One line, status 2."""
    done = hopsight("agent", "--data", str(tmp_path / "a"))
    assert done.returncode == 2
    assert "hopsight admin connection-string create" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_once_without_a_server_fails(hopsight: Run, tmp_path: Path) -> None:
    """Status 1, and the key is not repeated."""
    done = hopsight("agent", "--data", str(tmp_path / "a"), "--connection-string", NOBODY, "--once")
    assert done.returncode == 1
    assert "127.0.0.1:9" in done.stderr
    assert NOBODY not in done.stderr
    assert "k" * 32 not in done.stderr


def test_the_process_that_stays_is_the_agent_alone(hopsight: Run, tmp_path: Path) -> None:
    """Half of an endpoint's memory would go to the command line library: it is gone before the agent runs."""
    os.environ["PYTHONPROFILEIMPORTTIME"] = "1"
    try:
        done = hopsight("agent", "--data", str(tmp_path / "a"), "--connection-string", NOBODY, "--once")
    finally:
        del os.environ["PYTHONPROFILEIMPORTTIME"]
    programs = done.stderr.split("import time: self [us] | cumulative | imported package")[1:]
    loaded = [{line.rpartition("|")[2].strip() for line in said.splitlines()} for said in programs]
    assert len(loaded) == 2
    assert "typer" in loaded[0]
    assert {"structlog", "aiohttp", "hopsight.agent.main"} <= loaded[1]
    assert not loaded[1] & {"typer", "pydantic_core", "rich.console", "pygments", "litestar", "sqlalchemy"}


def _started(start: Start, data: Path, *more: str) -> "subprocess.Popen[str]":
    process = start(
        "agent", "--data", str(data), "--connection-string", NOBODY, "--target", "127.0.0.1", *more
    )
    assert process.stderr is not None
    assert "cannot enrol yet" in process.stderr.readline()
    return process


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_signals_end_it_cleanly(start: Start, tmp_path: Path, number: signal.Signals, status: int) -> None:
    """Within three seconds, also while the server is away."""
    process = _started(start, tmp_path / "a")
    process.send_signal(number)
    assert process.wait(3) == status
    assert process.stderr is not None
    assert json.loads(process.stderr.read().splitlines()[-1])["event"] == "agent stopped"


def test_it_ends_with_its_standard_input_when_asked_to(start: Start, tmp_path: Path) -> None:
    """No agent outlives the `hopsight up` that started it."""
    process = _started(start, tmp_path / "a", "--stop-with-stdin")
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(3) == 0


def test_kill_9_lets_go_of_the_directory(start: Start, hopsight: Run, tmp_path: Path) -> None:
    """While one runs a second is refused; after a kill it starts."""
    data = tmp_path / "a"
    process = _started(start, data)
    refused = hopsight("agent", "--data", str(data), "--once")
    assert refused.returncode == 1
    assert "already running" in refused.stderr
    process.kill()
    process.wait()
    again = _started(start, data)
    again.terminate()
    assert again.wait(3) == 0


def test_a_round_reaches_the_api(served: Any, hopsight: Run, tmp_path: Path) -> None:
    """From the measurement to a v6 client."""
    done = hopsight(
        "agent",
        "--data",
        str(tmp_path / "a"),
        "--connection-string",
        served.connection_string,
        "--target",
        "127.0.0.1",
        "--name",
        "lab",
        "--once",
    )
    assert done.returncode == 0, done.stderr
    bootstrap = json.loads((served.data / "bootstrap.json").read_text())
    answer = httpx.get(
        f"{served.url}/v6/endpoint-data/user-sessions/network.json",
        auth=(bootstrap["email"], bootstrap["token"]),
    )
    (session,) = answer.json()["networkSessions"]
    assert session["destination"]["target"] == "127.0.0.1"
    assert session["systemMetrics"]["cpuUtilization"]["count"] == 10
