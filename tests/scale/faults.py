"""What can be lost, how, and how it comes back."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from tests.scale.installation import Installation

FREEZE: Final = signal.SIGSTOP
THAW: Final = signal.SIGCONT

Act = Callable[[Installation], None]


class Fault(NamedTuple):
    """Something happens to a part, and after a while the part is as before.

    Args:
        what: for people.
        begin: it happens.
        end: it is over.
        is_freeze: it stands still, and does not know.
    """

    what: str
    begin: Act
    end: Act
    is_freeze: bool = False

    async def strike(self, installation: Installation, lasts_s: float) -> None:
        """Have it happen."""
        await asyncio.to_thread(self.begin, installation)
        await asyncio.sleep(lasts_s)
        await asyncio.to_thread(self.end, installation)


Strike = Callable[[Installation, float], Awaitable[None]]


def _drain(installation: Installation) -> None:
    server = installation.proxied.servers[0]
    server.tell(signal.SIGTERM)
    server.ended()


FAULTS: Final[dict[str, Fault]] = {
    "server-replaced": Fault(
        "a server is replaced (SIGTERM, drained, started again)",
        _drain,
        lambda all_: all_.proxied.servers[0].start(),
    ),
    "server-killed": Fault(
        "a server is killed",
        lambda all_: all_.proxied.servers[1].kill(),
        lambda all_: all_.proxied.servers[1].start(),
    ),
    "replica-killed": Fault(
        "a ClickHouse replica is killed",
        lambda all_: all_.cluster.nodes[0].kill(),
        lambda all_: all_.cluster.nodes[0].start(),
    ),
    "zookeeper-killed": Fault(
        "ZooKeeper is killed",
        lambda all_: all_.cluster.zookeeper.kill(),
        lambda all_: all_.cluster.zookeeper.start(),
    ),
    "redis-killed": Fault("Redis is killed", lambda all_: all_.redis.kill(), lambda all_: all_.redis.start()),
    "postgresql-killed": Fault(
        "PostgreSQL crashes", lambda all_: all_.postgresql.crash(), lambda all_: all_.postgresql.start()
    ),
    "server-frozen": Fault(
        "a server stands still",
        lambda all_: all_.proxied.servers[1].tell(FREEZE),
        lambda all_: all_.proxied.servers[1].tell(THAW),
        is_freeze=True,
    ),
    "replica-frozen": Fault(
        "a ClickHouse replica stands still",
        lambda all_: all_.cluster.nodes[1].tell(FREEZE),
        lambda all_: all_.cluster.nodes[1].tell(THAW),
        is_freeze=True,
    ),
    "zookeeper-frozen": Fault(
        "ZooKeeper stands still",
        lambda all_: all_.cluster.zookeeper.tell(FREEZE),
        lambda all_: all_.cluster.zookeeper.tell(THAW),
        is_freeze=True,
    ),
    "redis-frozen": Fault(
        "Redis stands still",
        lambda all_: all_.redis.freeze(),
        lambda all_: all_.redis.thaw(),
        is_freeze=True,
    ),
    "postgresql-frozen": Fault(
        "PostgreSQL stands still",
        lambda all_: all_.tell_postgresql(FREEZE),
        lambda all_: all_.tell_postgresql(THAW),
        is_freeze=True,
    ),
}
