"""A PostgreSQL server for tests: Debian's own, as an unprivileged user, on a free port of the loopback."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

import psutil
import psycopg
from psycopg import sql
from sqlalchemy.engine import URL

ROLE: Final = "hopsight"
# What a URL has to escape.
PASSWORD: Final = "p@ss/w%rd:1"
START_S: Final = 30.0
SETTINGS: Final = {
    # Nothing has to survive the machine; what is tested is whether it survives the server.
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "60",
    "shared_buffers": "16MB",
    "autovacuum": "off",
    "logging_collector": "off",
}


def programs() -> Path | None:
    """Where the newest server's programs are."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def free_port() -> int:
    """A port on the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class PostgresServer:
    """One server with its own data; databases in it are made by name, as copies of one another."""

    def __init__(self, bin_: Path, port: int) -> None:
        self._bin = bin_
        self.port = port
        # PostgreSQL refuses to run as root.
        self._user = "postgres" if _has_user("postgres") else "nobody"
        self._user_options = {"user": self._user} if os.geteuid() == 0 else {}
        self.home = Path(tempfile.mkdtemp(prefix="hopsight-postgresql-"))
        if os.geteuid() == 0:
            shutil.chown(self.home, self._user)
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0

    def create(self) -> None:
        """Make the data, start, and add the role that owns the databases."""
        password_file = self.home / "password"
        password_file.write_text(PASSWORD)
        if os.geteuid() == 0:
            shutil.chown(password_file, self._user)
        # A language's order by default: what relies on the order of bytes has to say so.
        rest = ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US", "--encoding=UTF8"]
        rest += ["--auth=scram-sha-256", f"--pwfile={password_file}", "--no-sync"]
        subprocess.run(
            [self._bin / "initdb", f"--pgdata={self.home}/data", "--username=postgres", *rest],
            check=True,
            capture_output=True,
            cwd=self.home,
            **self._user_options,  # type: ignore[call-overload]
        )
        self.start()
        self.administer(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(ROLE), sql.Literal(PASSWORD))
        )

    def start(self) -> None:
        """Start if it does not run, and wait until it answers."""
        if self._process is not None:
            return
        settings = SETTINGS | {"port": str(self.port), "unix_socket_directories": str(self.home)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log = (self.home / "log").open("ab")
        self._process = subprocess.Popen(
            [self._bin / "postgres", "-D", self.home / "data", *options],
            stdout=log,
            stderr=log,
            cwd=self.home,
            **self._user_options,  # type: ignore[call-overload]
        )
        log.close()
        deadline = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self._administration("postgres")).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stop in order, but wait for nobody."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """Stop without telling anybody, and without writing down where it was."""
        self._end(signal.SIGQUIT)

    def pids(self) -> list[int]:
        """Of all its processes."""
        assert self._process is not None
        parent = psutil.Process(self._process.pid)
        return [parent.pid, *(child.pid for child in parent.children(recursive=True))]

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=30)
            self._process = None

    def remove(self) -> None:
        """Stop, and leave nothing behind."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def administer(self, statement: sql.Composed) -> None:
        """Do as the superuser what no transaction may hold."""
        with psycopg.connect(self._administration("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def new_database(self, template: str = "template0") -> str:
        """Make a database that belongs to the role; its name."""
        self._made += 1
        name = f"test_{self._made}"
        self.administer(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY wal_log").format(
                sql.Identifier(name), sql.Identifier(ROLE), sql.Identifier(template)
            )
        )
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, also one that is in use."""
        self.administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def url(self, name: str) -> str:
        """What a server is told to use a database."""
        return URL.create("postgresql", ROLE, PASSWORD, "127.0.0.1", self.port, name).render_as_string(
            hide_password=False
        )

    def _administration(self, name: str) -> str:
        return psycopg.conninfo.make_conninfo(
            host="127.0.0.1", port=self.port, user="postgres", password=PASSWORD, dbname=name
        )


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
