"""Our tables in ClickHouse: made, brought up to date, and looked at."""

# ruff: noqa: S608 - what is formatted into statements are names that address.py has checked

import re
from importlib.resources import files
from string import Template
from typing import Final

from msgspec import Struct

from hopsight.clock import Clock
from hopsight.errors import ConfigError
from hopsight.model.kinds import KINDS
from hopsight.storage.clickhouse.address import Address
from hopsight.storage.clickhouse.client import LONG_TIMEOUT_S, Client
from hopsight.storage.clickhouse.row_binary import read_int64, read_rows, read_text, read_uint64

VERSIONS: Final = "schema_versions"
ERASED: Final = "erased_agents"
COMPATIBLE_FROM: Final = {1: 1}
"""Of each version of the tables, the oldest program that may use them, told by the version it knows."""
OLDEST_SERVER: Final = (18, 16)
DDL_TIMEOUT_S: Final = 60
LOW_CARDINALITY_SERVER: Final = (20, 1)

_FILE: Final = re.compile(r"(\d{4})_(\w+)\.sql", re.ASCII)
_EVERYWHERE: Final = {
    VERSIONS: "version Int64, compatible_from Int64, name String, applied_s Int64",
    ERASED: "digest String",
}
"""Tables of which every host of a cluster has all rows; ordered by their first column."""


class Migration(Struct, frozen=True):
    """A step of the tables to a version."""

    version: int
    name: str
    sql: str


class Status(Struct, frozen=True, kw_only=True):
    """What there is.

    Args:
        server: version of ClickHouse, as it is written.
        server_version: its first two numbers.
        version: of our tables; 0: there are none.
        compatible_from: the oldest program that may use them.
        known: the version that this program knows.
        shards: how many the cluster has; None: no cluster.
        replicas: the fewest that one of them has.
    """

    server: str
    server_version: tuple[int, ...]
    version: int
    compatible_from: int
    known: int
    shards: int | None = None
    replicas: int | None = None

    @property
    def is_usable(self) -> bool:
        """Whether this program may use the tables."""
        return self.version >= self.known >= self.compatible_from


class Names:
    """How our tables are named in statements.

    On a cluster, rows are in local tables, and asked for through ``Distributed`` ones.
    """

    def __init__(self, address: Address) -> None:
        self.plain_database = address.database
        self.cluster = address.cluster
        self.on_cluster = "" if address.cluster is None else f"ON CLUSTER '{address.cluster}'"

    def table(self, name: str) -> str:
        """What is read from and inserted into."""
        return f"`{self.plain_database}`.`{name}`"

    def rows(self, name: str) -> str:
        """What holds the rows."""
        return self.table(self.plain_rows(name))

    def plain_rows(self, name: str) -> str:
        """What ClickHouse's own tables call it."""
        return name if self.cluster is None else f"{name}_local"

    def replacing(self, name: str, *, everywhere: bool = False) -> str:
        """An engine that keeps of rows with one key the one with the highest version, or the last."""
        by = "" if everywhere else "version"
        if self.cluster is None:
            return f"ReplacingMergeTree({by})"
        shard, replica = ("all", "{shard}-{replica}") if everywhere else ("{shard}", "{replica}")
        path = f"/clickhouse/tables/{shard}/{self.plain_database}/{name}"
        more = f", {by}" if by else ""
        return f"ReplicatedReplacingMergeTree('{path}', '{replica}'{more})"

    def distributed(self, name: str) -> str:
        """The engine that spreads rows: by their key, so that repeats meet, whoever sent them."""
        key = "sipHash64(aid, round_id, id)"
        return f"Distributed('{self.cluster}', '{self.plain_database}', '{name}_local', {key})"

    @property
    def database(self) -> str:
        """In which they are."""
        return f"`{self.plain_database}`"


def migrations() -> list[Migration]:
    """All steps, the oldest first."""
    found = []
    for file in files("hopsight.storage").joinpath("schema/clickhouse").iterdir():
        named = _FILE.fullmatch(file.name)
        if named is not None:
            found.append(Migration(int(named[1]), named[2], file.read_text(encoding="utf-8")))
    return sorted(found, key=lambda each: each.version)


async def server_version(client: Client) -> tuple[str, tuple[int, ...]]:
    """As it is written, and in numbers.

    Raises:
        ConfigError: it is too old.
    """
    text = (await client.execute("SELECT version()")).decode().strip()
    numbers = tuple(int(part) for part in re.findall(r"\d+", text)[:2])
    if numbers < OLDEST_SERVER:
        raise ConfigError("store", f"ClickHouse {text}", "ClickHouse 18.16 or newer")
    return text, numbers


async def read_status(client: Client, address: Address) -> Status:
    """Look at what there is.

    Raises:
        ConfigError: ClickHouse is too old, or has no such cluster.
    """
    names = Names(address)
    text, numbers = await server_version(client)
    known = migrations()[-1].version
    shards, replicas = (None, None) if address.cluster is None else await _shape(client, address.cluster)
    exists = await client.execute(
        f"SELECT count() FROM system.tables WHERE database = '{address.database}' AND name = '{VERSIONS}'"
    )
    version = compatible_from = 0
    if int(exists):
        rows = await client.execute(
            f"SELECT version, compatible_from FROM {names.table(VERSIONS)} FINAL"
            " ORDER BY version DESC LIMIT 1 FORMAT RowBinary"
        )
        version, compatible_from = next(read_rows(rows, (read_int64, read_int64)), (0, 0))
    return Status(
        server=text,
        server_version=numbers,
        version=version,
        compatible_from=compatible_from,
        known=known,
        shards=shards,
        replicas=replicas,
    )


async def migrate(client: Client, address: Address, clock: Clock) -> list[str]:
    """Bring the tables to the version that this program knows; again, where it was broken off.

    Returns:
        the names of the steps that were done.

    Raises:
        ConfigError: they are of a newer version, which this program may not use.
    """
    names = Names(address)
    _, server = await server_version(client)
    await _run(client, f"CREATE DATABASE IF NOT EXISTS {names.database} {names.on_cluster}")
    for name, columns in _EVERYWHERE.items():
        await _run(
            client,
            f"CREATE TABLE IF NOT EXISTS {names.table(name)} {names.on_cluster} ({columns})"
            f" ENGINE = {names.replacing(name, everywhere=True)} ORDER BY {columns.split(' ', 1)[0]}",
        )
    before = await read_status(client, address)
    refuse_newer(before)
    done = []
    for step in migrations():
        if step.version <= before.version:
            continue
        for kind in KINDS.values():
            await _apply(client, names, step, kind.table, server)
        await client.execute(
            f"INSERT INTO {names.table(VERSIONS)} (version, compatible_from, name, applied_s)"
            f" VALUES ({step.version}, {COMPATIBLE_FROM[step.version]}, '{step.name}', {int(clock.now())})",
            timeout_s=LONG_TIMEOUT_S,
        )
        done.append(step.name)
    return done


def refuse_newer(status: Status) -> None:
    """See that this program is not too old for the tables.

    Raises:
        ConfigError: it is.
    """
    if status.compatible_from > status.known:
        accepted = f"tables of version {status.known}; run the Hopsight that made these, or a newer one"
        raise ConfigError("store", f"ClickHouse tables of version {status.version}", accepted)


async def _apply(client: Client, names: Names, step: Migration, table: str, server: tuple[int, ...]) -> None:
    nullable = "Nullable(String)"
    values = {
        "rows": names.rows(table),
        "on_cluster": names.on_cluster,
        "replacing": names.replacing(table),
        "text": f"LowCardinality({nullable})" if server >= LOW_CARDINALITY_SERVER else nullable,
    }
    lines = [line for line in step.sql.splitlines() if not line.startswith("--")]
    for statement in "\n".join(lines).split(";\n"):
        if statement.strip():
            await _run(client, Template(statement).substitute(values))
    if names.cluster is not None:
        await _run(
            client,
            f"CREATE TABLE IF NOT EXISTS {names.table(table)} {names.on_cluster} AS {names.rows(table)}"
            f" ENGINE = {names.distributed(table)}",
        )


async def _run(client: Client, statement: str) -> None:
    # Hosts of a cluster that are away do it when they are back; but nobody waits so long.
    settings = {"distributed_ddl_task_timeout": str(DDL_TIMEOUT_S)}
    await client.execute(statement.rstrip().removesuffix(";"), settings=settings, timeout_s=LONG_TIMEOUT_S)


async def _shape(client: Client, cluster: str) -> tuple[int, int]:
    """How many shards, and how many replicas the poorest has."""
    rows = await client.execute(
        "SELECT toString(shard_num), count() FROM system.clusters"
        f" WHERE cluster = '{cluster}' GROUP BY shard_num FORMAT RowBinary"
    )
    shards = list(read_rows(rows, (read_text, read_uint64)))
    if not shards:
        raise ConfigError("store", f"?cluster={cluster}", "a cluster that system.clusters names")
    return len(shards), min(replicas for _, replicas in shards)
