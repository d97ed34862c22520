"""The main job whole: `hopsight up` as a newcomer runs it, on real measurements of loopback."""

import base64
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

START_S = 40.0
NETWORK = "/v6/endpoint-data/user-sessions/network"


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running_up(data: Path, port: int, *words: str) -> Iterator[subprocess.Popen[str]]:
    """`hopsight up` measuring loopback alone; killed at the end if it is still there."""
    command = [sys.executable, "-m", "hopsight", "up", "--data", str(data), "--listen", f"127.0.0.1:{port}"]
    process = subprocess.Popen(
        [*command, "--target", f"127.0.0.1:{port}", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # The gateway of the machine that runs the tests is not theirs to probe.
        env={name: value for name, value in os.environ.items() if not name.startswith("HOPSIGHT")}
        | {"HOPSIGHT_TOPOLOGY": "0"},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def output_until(process: subprocess.Popen[str], wanted: str) -> str:
    """What it printed up to the line with ``wanted`` in it."""
    assert process.stdout is not None
    deadline = time.monotonic() + START_S
    lines = []
    for line in process.stdout:
        lines.append(line)
        if wanted in line:
            return "".join(lines)
        assert time.monotonic() < deadline, lines
    raise AssertionError("".join(lines))


def credentials(output: str) -> tuple[str, str]:
    """The e-mail and token that were printed."""
    email = re.search(r"e-mail +(\S+)", output)
    token = re.search(r"token +(\S+)", output)
    assert email is not None
    assert token is not None
    return email[1], token[1]


def sessions(port: int, email: str, token: str, query: str = "?window=1h") -> list[dict[str, Any]]:
    """The network sessions, as a v6 script reads them."""
    found = asked(port, email, token, f"{NETWORK}.json{query}")
    listed: list[dict[str, Any]] = found["networkSessions"]
    return listed


def asked(port: int, email: str, token: str, target: str) -> dict[str, Any]:
    """An answer of the API."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{target}")
    request.add_header("Authorization", "Basic " + base64.b64encode(f"{email}:{token}".encode()).decode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


@pytest.fixture
def port() -> int:
    """Where the test's server listens."""
    return free_port()


def test_a_v6_client_reads_real_sessions_and_the_next_start_goes_on(tmp_path: Path, port: int) -> None:
    """One command measures, stores and serves; Ctrl-C ends it in time; a second start has the same data."""
    data = tmp_path / "data"
    with running_up(data, port) as process:
        output = output_until(process, "First session stored")
        email, token = credentials(output)
        assert f"http://127.0.0.1:{port}{NETWORK}.json" in output
        found = sessions(port, email, token)
        assert found[0]["destination"]["target"] == "127.0.0.1"
        assert found[0]["destination"]["loss"] == 0
        assert 0 < found[0]["destination"]["avgRtt"] < 100
        assert found[0]["systemMetrics"]["cpuUtilization"]["count"] == 10
        assert stat.S_IMODE((data / "bootstrap.json").stat().st_mode) == 0o600

        stopping_s = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=10)
        assert time.monotonic() - stopping_s < 3
        assert process.returncode == 0

    with running_up(data, port) as process:
        again = output_until(process, "curl")
        assert credentials(again) == (email, token)
        kept = sessions(port, email, token)
        assert [item["userSessionId"] for item in kept][: len(found)] == [
            item["userSessionId"] for item in found
        ]
        assert {item["agentId"] for item in kept} == {found[0]["agentId"]}


def test_pages_are_fetched_where_it_is_asked_to(tmp_path: Path, port: int) -> None:
    """`up --fetch` has its agent ask a named site for its page; the session says that nobody answers."""
    with running_up(tmp_path / "data", port, "--target", "localhost", "--fetch") as process:
        email, token = credentials(output_until(process, "First session stored"))
        listed = asked(port, email, token, "/v6/endpoint-data/user-sessions?window=1h")["userSessions"]
        # One of each family that the name has here; the page belongs to the first.
        named = [one["userSessionId"] for one in listed if one["visitedSite"] == "localhost"]
        targets = [f"/v6/endpoint-data/user-sessions/{session_id}" for session_id in named]
        found = [json.dumps(asked(port, email, token, target)) for target in targets]
    assert [text for text in found if '"page: ' in text]


def test_a_killed_start_leaves_nothing_running(tmp_path: Path, port: int) -> None:
    """`kill -9` of the one process frees the port at once and takes the agent with it."""
    with running_up(tmp_path / "data", port) as process:
        output_until(process, '"enrolled"')
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.kill()
        process.wait()
        _, alive = psutil.wait_procs(children, timeout=5)
        assert not alive
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))


def test_a_taken_port_is_said_in_one_line(tmp_path: Path) -> None:
    """A port that another program has ends the start with what to do about it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with running_up(tmp_path / "data", port) as process:
            output, _ = process.communicate(timeout=START_S)
    assert process.returncode == 2
    assert f"'127.0.0.1:{port}'" in output
    assert "--listen" in output
    assert "Traceback" not in output


def test_encrypted_with_our_own_certificate(tmp_path: Path, port: int) -> None:
    """With --tls-self-signed the agent pins the certificate, and its sessions arrive."""
    with running_up(tmp_path / "data", port, "--tls-self-signed") as process:
        output = output_until(process, "First session stored")
    assert f"https://127.0.0.1:{port}" in output
    assert "--cacert" in output
