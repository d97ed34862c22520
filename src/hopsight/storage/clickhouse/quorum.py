"""Seeing that a record is on enough replicas before it is acknowledged.

ClickHouse itself waits for that (``insert_quorum``), but before version 20.10 for one insert into a table at
a time: with several servers, inserts that touch several shards refuse one another for ever. There we insert
without, and ask each replica until enough of them have the rows.
"""

# ruff: noqa: S608 - names are those that address.py has checked, values become literals in queries.py

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from hopsight.clock import Clock
from hopsight.errors import ConfigError, StoreUnavailableError
from hopsight.storage.clickhouse.address import Address
from hopsight.storage.clickhouse.client import Client
from hopsight.storage.clickhouse.queries import number
from hopsight.storage.clickhouse.schema import Names, Status

PARALLEL_SERVER: Final = (20, 10)
"""From here on ClickHouse waits for many inserts at the same time."""
ASK_TIMEOUT_S: Final = 2.0
CONFIRM_WITHIN_S: Final = 20.0
WAITS_S: Final = (0.01, 0.03, 0.06, 0.1, 0.2)
"""Between asking and asking again; the last one again and again."""


class Quorum:
    """How inserts of one store are made safe.

    Args:
        client: speaks to ClickHouse.
        address: its hosts, all replicas among them for old servers.
        clock: the time.
        status: of the cluster.

    Raises:
        ConfigError: more replicas are asked for than there are, or known.
    """

    def __init__(self, client: Client, address: Address, clock: Clock, status: Status) -> None:
        self._client = client
        self._address = address
        self._clock = clock
        self._names = Names(address)
        self._shards: dict[str, str] = {}
        self.replicas = _wanted(address, status)
        is_old = status.server_version < PARALLEL_SERVER
        self._asks = is_old and self.replicas > 1
        self.settings: dict[str, str] = {}
        if status.replicas is not None:
            self.settings["insert_distributed_sync"] = "1"
            if self.replicas > 1 and not is_old:
                self.settings |= {"insert_quorum": str(self.replicas), "insert_quorum_parallel": "1"}
        if self._asks and len(address.hosts) < (status.shards or 1) * self.replicas:
            accepted = f"all hosts of the cluster: ClickHouse {status.server} cannot wait for replicas itself"
            raise ConfigError("store", f"{len(address.hosts)} host(s)", accepted)

    async def confirm(self, table: str, version: int, rows: int, rounds: Iterable[int]) -> None:
        """Return when all rows that were inserted with a version are on enough replicas.

        Args:
            table: of a kind.
            version: that no other rows have.
            rows: how many they are.
            rounds: of theirs.

        Raises:
            StoreUnavailableError: that takes too long.
        """
        if not self._asks:
            return
        among = ", ".join(number(each) for each in sorted(set(rounds)))
        source = self._names.rows(table)
        sql = f"SELECT count() FROM {source} WHERE round_id IN ({among}) AND version = {version}"
        began_s = self._clock.monotonic()
        waits = iter(WAITS_S)
        while await self._confirmed(sql) < rows:
            if self._clock.monotonic() - began_s > CONFIRM_WITHIN_S:
                raise StoreUnavailableError("Too few replicas of ClickHouse have the records")
            await self._clock.sleep(next(waits, WAITS_S[-1]))

    async def _confirmed(self, sql: str) -> int:
        """How many rows are on enough replicas."""
        counts: defaultdict[str, list[int]] = defaultdict(list)
        found = await asyncio.gather(*(self._count(host, sql) for host in self._address.hosts))
        for shard, count in found:
            counts[shard].append(count)
        counts.pop("", None)
        enough = [each for each in counts.values() if len(each) >= self.replicas]
        return sum(sorted(each, reverse=True)[self.replicas - 1] for each in enough)

    async def _count(self, host: str, sql: str) -> tuple[str, int]:
        """The shard that a host is of, and how many of the rows it has; no shard: it does not answer."""
        try:
            if host not in self._shards:
                answer = await self._client.ask(
                    host, "SELECT substitution FROM system.macros WHERE macro = 'shard'", ASK_TIMEOUT_S
                )
                self._shards[host] = answer.decode().strip()
            return self._shards[host], int(await self._client.ask(host, sql, ASK_TIMEOUT_S))
        except StoreUnavailableError:
            return "", 0


def _wanted(address: Address, status: Status) -> int:
    """On how many replicas a record is to be."""
    if status.replicas is None:
        return 1
    wanted = address.quorum or status.replicas // 2 + 1
    if wanted > status.replicas:
        raise ConfigError("store", f"?quorum={wanted}", f"at most {status.replicas}: the replicas of a shard")
    return wanted
