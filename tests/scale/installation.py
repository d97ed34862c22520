"""Everything that an installation consists of, each in processes of its own on free ports of the loopback."""

import importlib.util
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from tests.clickhouse import free_ports, program
from tests.clickhouse_cluster import Cluster, is_installed
from tests.deploy.proxied import Proxied, nginx
from tests.postgresql import PostgresServer, programs
from tests.redis_server import RedisServer
from tests.redis_server import program as redis_program

from hopsight.accounts.bootstrap_file import Bootstrap
from hopsight.clock import SystemClock
from hopsight.storage.clickhouse.address import parse
from hopsight.storage.clickhouse.management import prepare_tables


class Installation:
    """Servers behind nginx, a ClickHouse cluster with its ZooKeeper, PostgreSQL, Redis.

    Args:
        servers: how many of ours.
        more: further options of theirs.
    """

    def __init__(self, servers: int, more: Sequence[str] = ()) -> None:
        found, postgresql, redis = program(), programs(), redis_program()
        assert found is not None
        assert postgresql is not None
        assert redis is not None
        self.cluster = Cluster(found)
        self.postgresql = PostgresServer(postgresql, free_ports(1)[0])
        self.redis = RedisServer(redis)
        self.store_url = self.cluster.new_url("merge_ms=1000")
        self._servers = servers
        self._more = more
        self._proxied: Proxied | None = None

    @staticmethod
    def missing() -> list[str]:
        """What is not installed here."""
        needed = {
            "clickhouse-server, zookeeper, default-jre-headless": is_installed(),
            "postgresql": programs() is not None,
            "redis-server": redis_program() is not None,
            "nginx-light": nginx() is not None,
            "the Python packages psycopg and redis": all(
                importlib.util.find_spec(name) is not None for name in ("psycopg", "redis")
            ),
        }
        return [name for name, is_there in needed.items() if not is_there]

    @property
    def proxied(self) -> Proxied:
        """The servers, and nginx."""
        assert self._proxied is not None
        return self._proxied

    async def start(self) -> Bootstrap:
        """Start all of it; the first account."""
        self.cluster.start()
        self.postgresql.create()
        self.redis.start()
        await prepare_tables(parse(self.store_url.partition(":")[2]), SystemClock())
        accounts = self.postgresql.url(self.postgresql.new_database())
        shared = ["--shared", self.redis.url]
        self._proxied = Proxied(
            ["--store", self.store_url, "--accounts", accounts, *shared, "--drain", "8", *self._more],
            self._servers,
        )
        return self._proxied.start()

    def copy_logs(self, to: Path) -> None:
        """Keep what the servers and ClickHouse have logged."""
        to.mkdir(parents=True, exist_ok=True)
        for server in self.proxied.servers:
            shutil.copy(server.log, to)
        for number, node in enumerate(self.cluster.nodes, 1):
            if (node.home / "errors").exists():
                shutil.copy(node.home / "errors", to / f"clickhouse{number}.log")

    def remove(self) -> None:
        """End all of it, and leave nothing behind."""
        if self._proxied is not None:
            self._proxied.remove()
        self.cluster.remove()
        self.postgresql.remove()
        self.redis.remove()

    def tell_postgresql(self, number: signal.Signals) -> None:
        """Every process of it: the others would go on without their parent."""
        for pid in self.postgresql.pids():
            os.kill(pid, number)
