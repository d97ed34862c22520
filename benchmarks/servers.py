"""Starts and stops what a bench measures: on loopback, on one core, each ended by its process ID."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from benchmarks.peers import nginx
from msgspec import Struct

from hopsight.model.connection import ConnectionString, parse_connection_string

HOST = "127.0.0.1"
START_LIMIT_S = 60.0
STOP_LIMIT_S = 30.0
POLL_S = 0.005
NO_RATE_LIMIT = 1_000_000_000
TOKEN = "ordinary-" + "0" * 34
HOPSIGHT = str(Path(sys.executable).with_name("hopsight"))


def need(*programs: str) -> None:
    """End with advice when a program is missing."""
    packages = {"nginx": "nginx-light", "taskset": "util-linux"}
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        names = " ".join(packages.get(program, program) for program in missing)
        sys.exit(f"missing: {', '.join(missing)}. On Debian: apt-get install {names}")


def split_cores() -> tuple[int, int]:
    """Move this process, which loads, to the last core; answer the first one, which is for servers, and that.

    On a machine with one core the two share it, and figures are lower.
    """
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    return cores[0], cores[-1]


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port = listener.getsockname()[1]
    return int(port)


class Server:
    """A server process; used as a context, it runs within."""

    def __init__(self, command: Sequence[str], port: int, ready_path: str, *, core: int) -> None:
        self.port = port
        self.url = f"http://{HOST}:{port}"
        self._ready_path = ready_path
        self._command = ["taskset", "--cpu-list", str(core), *command]
        self._process: subprocess.Popen[bytes] | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self.start_s = 0.0

    def __enter__(self) -> Self:
        began = time.perf_counter()
        self._process = subprocess.Popen(self._command, stdout=self._log, stderr=self._log)
        while not self._answers():
            if self._process.poll() is not None or time.perf_counter() - began > START_LIMIT_S:
                self._stop()
                self._log.seek(0)
                raise SystemExit(f"{self._command} did not start:\n{self._log.read().decode()}")
            time.sleep(POLL_S)
        self.start_s = time.perf_counter() - began
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        self._log.close()

    @property
    def pid(self) -> int:
        """The server's process ID."""
        if self._process is None:
            raise RuntimeError("not started")
        return self._process.pid

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=START_LIMIT_S)
        try:
            connection.request("GET", self._ready_path)
            return connection.getresponse().status < http.client.INTERNAL_SERVER_ERROR
        except OSError:
            return False
        finally:
            connection.close()

    def _stop(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Memory(Struct, frozen=True):
    """Resident memory of a server and its children, in MB (10^6 bytes): now, and at its highest."""

    resident_mb: float
    peak_mb: float


def memory_of(server: Server) -> Memory:
    """Read it from /proc; the highest is each process's own highest, added up."""
    root = psutil.Process(server.pid)
    statuses = [_status(process.pid) for process in (root, *root.children(recursive=True))]
    return Memory(
        resident_mb=sum(status["VmRSS"] for status in statuses) / 1e6,
        peak_mb=sum(status["VmHWM"] for status in statuses) / 1e6,
    )


def _status(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    pairs = (line.split(":", 1) for line in lines)
    return {name: int(value.split()[0]) * 1024 for name, value in pairs if name in {"VmRSS", "VmHWM"}}


def admin(data: Path, *arguments: str) -> dict[str, Any]:
    """Run ``hopsight admin``, and answer what it printed."""
    command = [HOPSIGHT, "admin", *arguments, "--data", str(data), "--json"]
    finished = subprocess.run(command, check=False, capture_output=True, text=True)
    if finished.returncode:
        sys.exit(f"{' '.join(command)} failed: {finished.stderr}")
    answer: dict[str, Any] = json.loads(finished.stdout)
    return answer


class Account(Struct, frozen=True, kw_only=True):
    """An account group to load, and how to get in."""

    data: Path
    aid: int
    token: str
    connection: ConnectionString


def make_account(data: Path) -> Account:
    """Make an account group, a user and a connection string, as an operator does."""
    data.mkdir(parents=True, exist_ok=True)
    org_id = str(admin(data, "org", "create", "Benchmarks")["orgId"])
    aid = int(admin(data, "account-group", "create", "Benchmark", "--org", org_id)["aid"])
    email = "bench@example.com"
    admin(data, "user", "create", email, "--role", "org-admin", "--account-group", str(aid))
    token = str(admin(data, "token", "create", email)["token"])
    made = admin(
        data, "connection-string", "create", "--account-group", str(aid), "--url", "http://127.0.0.1"
    )
    connection = parse_connection_string(made["connectionString"])
    return Account(data=data, aid=aid, token=token, connection=connection)


def hopsight_server(data: Path, core: int, *words: str) -> Server:
    """Ours, with settings as they come, but for the rate limit and those of ``words``."""
    port = free_port()
    command = [HOPSIGHT, "server", "--data", str(data), "--listen", f"{HOST}:{port}"]
    return Server([*command, "--rate-limit", str(NO_RATE_LIMIT), *words], port, "/v6/status", core=core)


def ordinary_server(folder: Path, core: int) -> Server:
    """The ordinary one, with a new database."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    module = ["-m", "benchmarks.peers.ordinary", str(folder / "ordinary.db"), str(port), TOKEN]
    return Server([sys.executable, *module], port, "/openapi.json", core=core)


@contextmanager
def nginx_server(files: dict[str, bytes], core: int) -> Iterator[Server]:
    """Nginx over ``files``, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="hopsight-nginx-") as folder:
        port = free_port()
        command = nginx.command(Path(folder), port, files)
        with Server(command, port, f"/{next(iter(files))}", core=core) as server:
            yield server
