"""The server as a process: how it starts, what it refuses to start with, and how it ends."""

import base64
import hashlib
import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization

from hopsight.clock import SystemClock
from hopsight.model.agents import AgentInfo
from hopsight.model.upload import Enrolment, UploadBatch
from hopsight.server.tls import self_signed

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


def first_line(process: subprocess.Popen[str]) -> tuple[str, str | None]:
    """The URL that it printed, and the fingerprint if there is one."""
    assert process.stdout is not None
    found = re.fullmatch(
        r"Serving (\S+)(?: \(certificate SHA-256 ([0-9a-f]{64})\))?\n", process.stdout.readline()
    )
    assert found is not None
    return found[1], found[2]


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


def begun_enrolment(data: Path, port: int) -> socket.socket:
    """A connection on which an enrolment has begun to arrive: its head, and one byte of two."""
    key = json.loads((data / "bootstrap.json").read_text())["groupKey"]
    begun = socket.create_connection(("127.0.0.1", port), timeout=10)
    head = f"POST /agent/v1/enrol HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
    begun.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{".encode())
    return begun


def takes_connections(port: int) -> bool:
    """Whether anybody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    except ConnectionError:
        return False
    return True


def test_a_request_under_way_is_finished_after_the_drain(tmp_path: Path) -> None:
    """A body that is still arriving when nobody else is let in any more has its answer."""
    with server(tmp_path, "--drain", "1") as process:
        port = port_of(url_of(process))
        slow = begun_enrolment(tmp_path, port)
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 10
        while takes_connections(port):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        slow.sendall(b"}")
        assert slow.makefile("rb").read().startswith(b"HTTP/1.1 400 ")
        assert process.wait(10) == 0
        slow.close()


def test_who_insists_waits_for_nobody(tmp_path: Path) -> None:
    """A further signal ends the drain, and one more what is under way, whatever time both would have."""
    with server(tmp_path, "--drain", "60") as process:
        port = port_of(url_of(process))
        hanging = begun_enrolment(tmp_path, port)
        began = time.monotonic()
        for _ in range(3):
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
        assert process.wait(10) == 0
        assert time.monotonic() - began < STOP_S - 1
        hanging.close()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--listen", "203.0.113.1:0"], "listen address"),
        (["--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.key"], "TLS certificate"),
        (["--tls-cert", "/nowhere.pem"], "--tls-key"),
        (["--store", "postgres:x"], "store"),
        (["--keep", "for ever"], "--keep"),
        (["--shared", "redis://:secret@"], "--shared"),
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


def test_its_own_certificate_can_be_verified_and_stays(tmp_path: Path) -> None:
    """The printed fingerprint is that of the certificate, at the next start too; its key is ours alone."""
    printed = []
    for _ in range(2):
        with server(tmp_path, "--tls-self-signed") as process:
            url, fingerprint = first_line(process)
            printed.append(fingerprint)
            trust = ssl.create_default_context(cafile=str(tmp_path / "tls-cert.pem"))
            with urllib.request.urlopen(f"{url}/v6/status", context=trust, timeout=10) as answer:
                assert "max-age" in answer.headers["strict-transport-security"]
            served = ssl.get_server_certificate(("127.0.0.1", port_of(url)), ca_certs=None, timeout=10)
    assert printed == [hashlib.sha256(ssl.PEM_cert_to_DER_cert(served)).hexdigest()] * 2
    assert stat.S_IMODE((tmp_path / "tls-key.pem").stat().st_mode) == 0o600


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate with its key, another's key, its key encrypted, and what is neither."""
    made = tmp_path_factory.mktemp("pem")
    for name in ("one", "two"):
        (made / name).mkdir()
        certificate, key = self_signed(made / name, SystemClock())
        certificate.rename(made / f"{name}.pem")
        key.rename(made / f"{name}.key")
    read = serialization.load_pem_private_key((made / "one.key").read_bytes(), None)
    (made / "encrypted.key").write_bytes(
        read.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"unknown"),
        )
    )
    (made / "text.key").write_text("no key")
    return made


@pytest.mark.parametrize("key", ["two.key", "encrypted.key", "text.key", "one.pem"])
def test_a_key_that_does_not_fit_stops_the_start(tmp_path: Path, pem: Path, key: str) -> None:
    """Status 2 and one line; nobody is asked for a password on the terminal."""
    words = ("--tls-cert", str(pem / "one.pem"), "--tls-key", str(pem / key))
    with server(tmp_path, *words) as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert errors.startswith("hopsight: Invalid TLS certificate or key")
    assert errors.count("\n") == 1


def test_given_certificates_are_served(tmp_path: Path, pem: Path) -> None:
    """With --tls-cert and --tls-key nothing is made, and no fingerprint printed: it need not be pinned."""
    with server(tmp_path, "--tls-cert", str(pem / "one.pem"), "--tls-key", str(pem / "one.key")) as process:
        url, fingerprint = first_line(process)
        trust = ssl.create_default_context(cafile=str(pem / "one.pem"))
        with urllib.request.urlopen(f"{url}/healthz", context=trust, timeout=10) as answer:
            assert answer.status == 200
    assert fingerprint is None
    assert not (tmp_path / "tls-key.pem").exists()


def test_it_listens_on_ipv6(tmp_path: Path) -> None:
    """The printed URL has the address in brackets; in the clear nobody is told to stay with TLS."""
    with server(tmp_path, "--listen", "[::1]:0") as process:
        url = url_of(process)
        assert url.startswith("http://[::1]:")
        with urllib.request.urlopen(f"{url}/healthz", timeout=10) as answer:
            assert "strict-transport-security" not in answer.headers


def test_a_taken_port_is_said_and_nothing_is_made(tmp_path: Path) -> None:
    """Status 2 and the port; the data directory of the server that has it is not touched."""
    data = tmp_path / "data"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        shown = f"127.0.0.1:{taken.getsockname()[1]}"
        with server(data, "--listen", shown) as process:
            _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert shown in errors
    assert not data.exists()


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


def request(url: str, credentials: str, content: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Status and body of an answer, whatever it is."""
    asked = urllib.request.Request(url, content, {"Authorization": credentials, **headers})
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def enrolment(secret: str) -> bytes:
    """What an agent sends to be known."""
    info = AgentInfo(computer_name="c", platform="Linux", os_version="12", kernel_version="6", version="0")
    return msgspec.json.encode(Enrolment(enrolment_id=str(uuid.uuid4()), secret=secret, agent=info))


def basic(name: str, secret: str) -> str:
    """HTTP Basic."""
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def test_no_secret_is_in_what_it_writes(tmp_path: Path) -> None:
    """A whole session, right and wrong, with an upload under way at its end: no credentials in any output."""
    secret, guess = "agent-secret-" + "s" * 30, "wrong-guess-" + "g" * 30
    with server(tmp_path) as process:
        url = url_of(process)
        first = json.loads((tmp_path / "bootstrap.json").read_text())
        token, key, json_type = first["token"], first["groupKey"], {"Content-Type": "application/json"}
        enrol, upload = f"{url}/agent/v1/enrol", f"{url}/agent/v1/upload"

        status, body = request(enrol, f"Bearer {key}", enrolment(secret), **json_type)
        assert status == 200
        agent_id = json.loads(body)["agentId"]
        good, bad = basic(agent_id, secret), basic(agent_id, guess)
        batch = msgspec.json.encode(UploadBatch(upload_id=str(uuid.uuid4())))
        statuses = [
            request(f"{url}/v6/account-groups", f"Bearer {token}")[0],
            request(f"{url}/v6/account-groups?aid=x", basic(first["email"], token))[0],
            request(f"{url}/v6/account-groups", f"Bearer {guess}")[0],
            request(enrol, f"Bearer {guess}", enrolment(secret), **json_type)[0],
            request(enrol, f"Bearer {key}", enrolment(secret)[:-1], **json_type)[0],
            request(f"{url}/agent/v1/configuration", good)[0],
            request(upload, bad, batch, **json_type)[0],
            request(upload, good, batch, **json_type)[0],
            request(upload, good, batch[:-1], **json_type)[0],
            request(upload, good, batch, **json_type, **{"Content-Encoding": "zstd"})[0],
        ]
        assert statuses == [200, 400, 401, 401, 400, 200, 401, 200, 400, 400]
        lines = ("POST /agent/v1/upload HTTP/1.1", "Host: h", f"Authorization: {good}", "Content-Length: 99")
        with socket.create_connection(("127.0.0.1", port_of(url))) as hanging:
            hanging.sendall("\r\n".join((*lines, "", "")).encode() + batch[:9])
            broken = socket.create_connection(("127.0.0.1", port_of(url)))
            broken.sendall(f"BROKEN {token} {secret}\r\n\r\n".encode())
            broken.recv(100)
            broken.close()
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    encoded = [base64.b64encode(f"{agent_id}:{word}".encode()).decode() for word in (secret, guess)]
    for word in (token, key, secret, guess, *encoded):
        assert word not in output + errors
    assert "Traceback" not in errors
