"""Several server processes over the same databases, behind nginx with the configuration that we hand out."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.clickhouse import free_ports

from hopsight.accounts.bootstrap_file import Bootstrap, read_bootstrap

CONFIGURATION: Final = Path(__file__).parents[2] / "deploy" / "nginx.conf"
START_S: Final = 60.0


def nginx() -> str | None:
    """Where nginx is."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class ServerProcess:
    """`hopsight server` on a port of its own."""

    def __init__(self, home: Path, port: int, name: str, words: Sequence[str]) -> None:
        self.port = port
        self.name = name
        self.data = home / name
        self.log = home / f"{name}.log"
        self._words = words
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of this server alone."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, wait: bool = True) -> None:
        """Start if it does not run."""
        if self._process is None:
            where = ["--data", str(self.data), "--listen", f"127.0.0.1:{self.port}"]
            about = ["--server-name", self.name, "--trusted-proxies", "127.0.0.1", "--rate-limit", "1000000"]
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "hopsight", "server", *where, *about, *self._words],
                    stdout=log,
                    stderr=log,
                    env={key: value for key, value in os.environ.items() if not key.startswith("HOPSIGHT")},
                )
        if wait:
            self.wait()

    def wait(self) -> None:
        """Wait until it serves."""
        deadline = time.monotonic() + START_S
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/livez", timeout=2).close()
            except OSError:
                if time.monotonic() > deadline or self._process is None or self._process.poll() is not None:
                    raise RuntimeError(self.log.read_text(errors="replace")) from None
                time.sleep(0.05)
            else:
                return

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def ended(self, timeout_s: float = 30.0) -> int:
        """Wait for its end; its status."""
        assert self._process is not None
        status = self._process.wait(timeout_s)
        self._process = None
        return status

    def kill(self) -> None:
        """End it without a word."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None


class Proxied:
    """Servers ``s1``, ``s2`` ... that share ``words``' databases, and nginx in front of them.

    Args:
        words: further options of each server.
        servers: how many.
    """

    def __init__(self, words: Sequence[str], servers: int = 2) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="hopsight-proxied-"))
        self.port, *ports = free_ports(servers + 1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.servers = [
            ServerProcess(self.home, port, f"s{number}", words) for number, port in enumerate(ports, 1)
        ]
        (self.home / "nginx.conf").write_text(self._configuration())
        self._nginx: subprocess.Popen[bytes] | None = None

    def start(self) -> Bootstrap:
        """Start all of it; the first account."""
        for server in self.servers:
            server.start()
        program = nginx()
        assert program is not None
        # Its workers' own user could not write into our directory.
        settings = "daemon off; user root;" if os.geteuid() == 0 else "daemon off;"
        with (self.home / "nginx.out").open("ab") as log:
            self._nginx = subprocess.Popen(
                [program, "-c", self.home / "nginx.conf", "-p", self.home, "-g", settings],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_S
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/livez", timeout=2).close()
            except OSError:
                if time.monotonic() > deadline or self._nginx.poll() is not None:
                    raise RuntimeError((self.home / "nginx.out").read_text(errors="replace")) from None
                time.sleep(0.05)
            else:
                break
        found = [read_bootstrap(server.data) for server in self.servers]
        (bootstrap,) = [each for each in found if each is not None]
        return bootstrap

    def remove(self) -> None:
        """End all of it, and leave nothing behind."""
        if self._nginx is not None:
            self._nginx.terminate()
            self._nginx.wait()
        for server in self.servers:
            server.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def _configuration(self) -> str:
        """The one that we hand out, with our ports and paths in place of its."""
        text = CONFIGURATION.read_text()
        upstreams = [f"server 127.0.0.1:{each.port} max_fails=1 fail_timeout=5s;" for each in self.servers]
        text, first = re.subn(
            r"server 127\.0\.0\.1:8481 .*\n +server 127\.0\.0\.1:8482 .*", "\n".join(upstreams), text
        )
        text, second = re.subn(r"listen 8480;", f"listen 127.0.0.1:{self.port};", text)
        text, third = re.subn(r"/run/nginx\.pid", f"{self.home}/nginx.pid", text)
        text, errors = re.subn(r"/var/log/nginx/error\.log", f"{self.home}/nginx.errors", text)
        # Their defaults are directories of the system's.
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "\n".join(f"    {kind}_temp_path {self.home}/{kind};" for kind in kinds)
        text, fourth = re.subn(r"http \{\n", f"http {{\n{paths}\n", text)
        assert {first, second, third, errors, fourth} == {1}, "deploy/nginx.conf has changed: look here, too"
        return text
