"""ClickHouse for tests: Debian's server on free ports, and today's engine behind a small door."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

START_S: Final = 60.0
USER: Final = "hopsight"
# What a URL has to escape.
PASSWORD: Final = "p@ss/w%rd:1"
ESCAPED_PASSWORD: Final = "p%40ss%2Fw%25rd%3A1"
FRONT: Final = Path(__file__).with_name("chdb_front.py")

_USERS: Final = """<yandex>
<profiles><default/></profiles><quotas><default/></quotas>
<users><{user}><password>{password}</password><networks><ip>::/0</ip></networks>
<profile>default</profile><quota>default</quota></{user}>
<default><password></password><networks><ip>127.0.0.1</ip></networks>
<profile>default</profile><quota>default</quota></default></users>
</yandex>
"""
_CONFIG: Final = """<yandex>
<logger><level>warning</level><log>{home}/log</log><errorlog>{home}/errors</errorlog></logger>
<http_port>{http}</http_port><tcp_port>{tcp}</tcp_port><interserver_http_port>{inter}</interserver_http_port>
<interserver_http_host>127.0.0.1</interserver_http_host><listen_host>127.0.0.1</listen_host>
<path>{home}/data/</path><tmp_path>{home}/tmp/</tmp_path><users_config>{home}/users.xml</users_config>
<default_profile>default</default_profile><default_database>default</default_database>
<mark_cache_size>67108864</mark_cache_size><keep_alive_timeout>3</keep_alive_timeout>
<merge_tree><old_parts_lifetime>1</old_parts_lifetime></merge_tree>
{more}</yandex>
"""


def program() -> Path | None:
    """Where the server is."""
    found = shutil.which("clickhouse-server", path=f"{os.environ.get('PATH', '')}:/usr/bin")
    return Path(found) if found else None


def has_chdb() -> bool:
    """Whether today's engine is installed."""
    return importlib.util.find_spec("chdb") is not None


def free_ports(number: int) -> list[int]:
    """Ports on the loopback that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def ask(port: int, sql: str, *, password: str = PASSWORD) -> str:
    """What a server answers."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/",
        data=sql.encode(),
        headers={"X-ClickHouse-User": USER, "X-ClickHouse-Key": password},
    )
    with urllib.request.urlopen(request, timeout=START_S) as response:
        answer: bytes = response.read()
    return answer.decode()


class ClickHouseServer:
    """One server with its own data.

    Args:
        more: further settings, in XML.
        ports: of HTTP, of its own protocol, and for replicas.
    """

    def __init__(self, bin_: Path, *, more: str = "", ports: list[int] | None = None) -> None:
        self._bin = bin_
        self.port, self.tcp_port, self.inter_port = ports or free_ports(3)
        self.home = Path(tempfile.mkdtemp(prefix="hopsight-clickhouse-"))
        values = {"home": self.home, "http": self.port, "tcp": self.tcp_port, "inter": self.inter_port}
        (self.home / "config.xml").write_text(_CONFIG.format(**values, more=more))
        (self.home / "users.xml").write_text(_USERS.format(user=USER, password=PASSWORD))
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self._process is not None
        return self._process.pid

    def start(self, *, wait: bool = True) -> None:
        """Start if it does not run."""
        if self._process is None:
            with (self.home / "out").open("ab") as log:
                self._process = subprocess.Popen(
                    [self._bin, f"--config-file={self.home}/config.xml"],
                    stdout=log,
                    stderr=log,
                    cwd=self.home,
                )
        if wait:
            self.wait()

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + START_S
        while True:
            try:
                ask(self.port, "SELECT 1")
            except OSError:
                ended = self._process is None or self._process.poll() is not None
                if time.monotonic() > deadline or ended:
                    raise RuntimeError((self.home / "out").read_text(errors="replace")) from None
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """End it without a word."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def tell(self, number: signal.Signals) -> None:
        """Have it stand still, or go on."""
        os.kill(self.pid, number)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(how)
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def remove(self) -> None:
        """End it, and leave nothing behind."""
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def new_url(self, options: str = "merge_ms=0") -> str:
        """The URL of a database that no one has used."""
        self._made += 1
        return f"clickhouse://{USER}:{ESCAPED_PASSWORD}@127.0.0.1:{self.port}/test_{self._made}?{options}"


class ChdbServer:
    """Today's engine, in a process of its own that answers over HTTP as ClickHouse does."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="hopsight-chdb-"))
        (self.port,) = free_ports(1)
        self._made = 0
        with (self.home / "out").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, FRONT, str(self.home), str(self.port)], stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_S
        while True:
            try:
                ask(self.port, "SELECT 1")
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise RuntimeError((self.home / "out").read_text(errors="replace")) from None
                time.sleep(0.05)
            else:
                return

    def new_url(self, options: str = "merge_ms=0") -> str:
        """The URL of a database that no one has used."""
        self._made += 1
        return f"clickhouse://{USER}:{ESCAPED_PASSWORD}@127.0.0.1:{self.port}/test_{self._made}?{options}"

    def remove(self) -> None:
        """End it, and leave nothing behind."""
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.home, ignore_errors=True)
