"""A cluster for tests: two shards of two replicas each, and the ZooKeeper between them."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.clickhouse import ESCAPED_PASSWORD, PASSWORD, USER, ClickHouseServer, free_ports, program

CLUSTER: Final = "main"
SHARDS: Final = 2
REPLICAS: Final = 2
JAR: Final = Path("/usr/share/java/zookeeper.jar")
START_S: Final = 60.0

_ZOOKEEPER: Final = """tickTime=500
initLimit=10
syncLimit=10
dataDir={home}/data
clientPort={port}
clientPortAddress=127.0.0.1
admin.enableServer=false
4lw.commands.whitelist=srvr
maxClientCnxns=0
"""
_NODE: Final = """<zookeeper><node><host>127.0.0.1</host><port>{zookeeper}</port></node>
<session_timeout_ms>10000</session_timeout_ms></zookeeper>
<macros><shard>{shard}</shard><replica>{replica}</replica></macros>
<distributed_ddl><path>/clickhouse/task_queue/ddl</path></distributed_ddl>
<remote_servers><{cluster}>{shards}</{cluster}></remote_servers>
"""


def is_installed() -> bool:
    """Whether all of it can be started here."""
    return program() is not None and JAR.exists() and shutil.which("java") is not None


class ZooKeeper:
    """One ZooKeeper with its own data."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="hopsight-zookeeper-"))
        (self.port,) = free_ports(1)
        (self.home / "zoo.cfg").write_text(_ZOOKEEPER.format(home=self.home, port=self.port))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start if it does not run, and wait until it answers."""
        if self._process is None:
            java = shutil.which("java")
            assert java is not None
            command = [java, "-Xmx192m", "-cp", str(JAR), "org.apache.zookeeper.server.quorum.QuorumPeerMain"]
            with (self.home / "out").open("ab") as log:
                self._process = subprocess.Popen(
                    [*command, str(self.home / "zoo.cfg")], stdout=log, stderr=log, cwd=self.home
                )
        deadline = time.monotonic() + START_S
        while not self._is_well():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError((self.home / "out").read_text(errors="replace"))
            time.sleep(0.1)

    def kill(self) -> None:
        """End it without a word."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def tell(self, number: signal.Signals) -> None:
        """Have it stand still, or go on."""
        assert self._process is not None
        self._process.send_signal(number)

    def remove(self) -> None:
        """End it, and leave nothing behind."""
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def _is_well(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(b"srvr")
                return connection.recv(1024).startswith(b"Zookeeper version")
        except OSError:
            return False


class Cluster:
    """Four servers and their ZooKeeper; ``nodes`` by shard, then replica."""

    def __init__(self, bin_: Path) -> None:
        self.zookeeper = ZooKeeper()
        ports = [free_ports(3) for _ in range(SHARDS * REPLICAS)]
        replica = (
            "<replica><host>127.0.0.1</host><port>{}</port><user>{}</user><password>{}</password></replica>"
        )
        shards = "".join(
            "<shard><internal_replication>true</internal_replication>"
            + "".join(replica.format(tcp, USER, PASSWORD) for _, tcp, _ in of_shard)
            + "</shard>"
            for of_shard in (ports[begin : begin + REPLICAS] for begin in range(0, len(ports), REPLICAS))
        )
        self.nodes = [
            ClickHouseServer(
                bin_,
                ports=each,
                more=_NODE.format(
                    zookeeper=self.zookeeper.port,
                    shard=f"s{number // REPLICAS + 1}",
                    replica=f"r{number % REPLICAS + 1}",
                    cluster=CLUSTER,
                    shards=shards,
                ),
            )
            for number, each in enumerate(ports)
        ]
        self._made = 0

    def start(self) -> None:
        """Start all of them, and wait until they answer."""
        self.zookeeper.start()
        for node in self.nodes:
            node.start(wait=False)
        for node in self.nodes:
            node.wait()

    def new_url(self, options: str = "merge_ms=0") -> str:
        """The URL of a database that no one has used."""
        self._made += 1
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        database = f"cluster_{self._made}"
        return f"clickhouse://{USER}:{ESCAPED_PASSWORD}@{hosts}/{database}?cluster={CLUSTER}&{options}"

    def remove(self) -> None:
        """End all of them, and leave nothing behind."""
        for node in self.nodes:
            node.remove()
        self.zookeeper.remove()
