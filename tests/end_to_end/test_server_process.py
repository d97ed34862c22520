"""The server as a process: how it starts, what it refuses to start with, and how it ends."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

STOP_S = 3.0


@contextmanager
def server(data: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """`hopsight server` on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hopsight", "server", "--data", str(data), "--listen", "127.0.0.1:0", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("HOPSIGHT")},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def url_of(process: subprocess.Popen[str]) -> str:
    """The URL that it printed when it was ready."""
    assert process.stdout is not None
    found = re.search(r"https?://\S+", process.stdout.readline())
    assert found is not None
    return found[0]


def port_of(url: str) -> int:
    """The port of a printed URL."""
    return int(url.rsplit(":", 1)[1])


def send_for_ever(connection: socket.socket, line: bytes) -> None:
    """Send a line over and over: 10 MB of it, if nobody objects."""
    for _ in range(10_000):
        connection.sendall(line)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_time_and_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """An idle connection and a request that never ends do not hold it up."""
    with server(tmp_path) as process:
        port = port_of(url_of(process))
        idle = socket.create_connection(("127.0.0.1", port))
        hanging = socket.create_connection(("127.0.0.1", port))
        hanging.sendall(b"POST /agent/v1/enrol HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(10) == 0
        assert time.monotonic() - began < STOP_S
        idle.close()
        hanging.close()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--listen", "203.0.113.1:0"], "listen address"),
        (["--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.key"], "TLS certificate"),
        (["--tls-cert", "/nowhere.pem"], "--tls-key"),
        (["--store", "postgres:x"], "store"),
        (["--keep", "for ever"], "--keep"),
        (["--data", "/dev/null/hopsight"], "data directory"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line(tmp_path: Path, words: list[str], named: str) -> None:
    """Status 2, and a line that names the setting; no traceback."""
    with server(tmp_path, *words) as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert errors.startswith("hopsight: ")
    assert named in errors.splitlines()[0]
    assert "Traceback" not in errors


def test_its_own_certificate_can_be_verified(tmp_path: Path) -> None:
    """The printed fingerprint is that of the certificate; over TLS, browsers are told to stay with it."""
    with server(tmp_path, "--tls-self-signed") as process:
        url = url_of(process)
        trust = ssl.create_default_context(cafile=str(tmp_path / "tls-cert.pem"))
        with urllib.request.urlopen(f"{url}/v6/status", context=trust, timeout=10) as answer:
            assert "max-age" in answer.headers["strict-transport-security"]


def test_a_head_that_never_ends_is_not_waited_for(tmp_path: Path) -> None:
    """A head beyond its bound is cut off; others are served meanwhile."""
    with server(tmp_path) as process:
        url = url_of(process)
        greedy = socket.create_connection(("127.0.0.1", port_of(url)), timeout=10)
        greedy.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(OSError, match=r"reset|[Bb]roken"):
            send_for_ever(greedy, b"X-Filler: " + b"x" * 1_000 + b"\r\n")
        greedy.close()
        with urllib.request.urlopen(f"{url}/healthz", timeout=10) as answer:
            assert json.load(answer) == {"status": "ok"}


def test_no_secret_is_in_what_it_writes(tmp_path: Path) -> None:
    """Neither the token that was made nor one that was tried is in its output or logs."""
    with server(tmp_path) as process:
        url = url_of(process)
        token = json.loads((tmp_path / "bootstrap.json").read_text())["token"]
        for shown in (token, "wrong-" + "t" * 40):
            request = urllib.request.Request(f"{url}/v6/account-groups?aid=x")
            request.add_header("Authorization", f"Bearer {shown}")
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(request, timeout=10)
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=10)
    assert token not in output + errors
    assert "wrong-" not in output + errors
