"""A Redis server for tests: Debian's own, on a free port of the loopback, with a password, without a file."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from tests.clickhouse import free_ports

START_S: Final = 30.0
# What a URL has to escape.
PASSWORD: Final = "p@ss/w%rd:1"


def program() -> Path | None:
    """Where the server is."""
    found = shutil.which("redis-server", path=f"{os.environ.get('PATH', '')}:/usr/bin")
    return Path(found) if found else None


class RedisServer:
    """One server; what it holds is gone when it ends."""

    def __init__(self, bin_: Path, *more: str) -> None:
        self._bin = bin_
        self._more = more
        (self.port,) = free_ports(1)
        self.home = Path(tempfile.mkdtemp(prefix="hopsight-redis-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.tls_port = 0

    @property
    def tls_url(self) -> str:
        """The same over TLS, if it was told to speak it on ``tls_port``."""
        return f"rediss://:{quote(PASSWORD, safe='')}@localhost:{self.tls_port}/3"

    @property
    def url(self) -> str:
        """What a server is told to share."""
        return f"redis://:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/3"

    def client(self) -> "Redis":
        """A client of its own."""
        return Redis(port=self.port, password=PASSWORD, db=3, decode_responses=True, protocol=2)

    def start(self) -> None:
        """Start if it does not run, and wait until it answers."""
        if self._process is not None:
            return
        settings = ["--bind", "127.0.0.1", "--port", str(self.port), "--requirepass", PASSWORD]
        settings += ["--save", "", "--appendonly", "no", "--dir", str(self.home)]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen([self._bin, *settings, *self._more], stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while True:
            try:
                with self.client() as client:
                    client.ping()
            except RedisConnectionError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise RuntimeError((self.home / "log").read_text(errors="replace")) from None
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """End it without a word."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=20)
            self._process = None

    def freeze(self) -> None:
        """Have it stand still: connections stay, answers do not come."""
        self._tell(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        self._tell(signal.SIGCONT)

    def _tell(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def remove(self) -> None:
        """End it, and leave nothing behind."""
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)
