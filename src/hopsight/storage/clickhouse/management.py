"""What an operator does to our tables: make them, bring them up to date, look at them."""

# ruff: noqa: S608 - names are those that address.py has checked

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct

from hopsight.clock import Clock
from hopsight.model.kinds import KINDS
from hopsight.storage.clickhouse.address import Address
from hopsight.storage.clickhouse.client import Client
from hopsight.storage.clickhouse.row_binary import read_int64, read_rows, read_text
from hopsight.storage.clickhouse.schema import Status, migrate, read_status


class TableSize(Struct, frozen=True, kw_only=True):
    """What a table takes on the disk of the hosts that were asked: one replica of each shard.

    Args:
        table: its name.
        rows: repeats that are not merged yet count, too.
        bytes_on_disk: compressed.
        days: how many days it has records of.
    """

    table: str
    rows: int
    bytes_on_disk: int
    days: int


async def prepare_tables(address: Address, clock: Clock) -> list[str]:
    """Make the tables, or bring them up to date; the names of the steps that were done.

    Raises:
        ConfigError: ClickHouse is too old, has no such cluster, or tables of a newer version.
        StoreUnavailableError: it does not answer.
    """
    async with _connected(address, clock) as client:
        return await migrate(client, address, clock)


async def look_at_tables(address: Address, clock: Clock) -> tuple[Status, list[TableSize]]:
    """What there is.

    Raises:
        ConfigError: ClickHouse is too old, or has no such cluster.
        StoreUnavailableError: it does not answer.
    """
    async with _connected(address, clock) as client:
        status = await read_status(client, address)
        return status, await _sizes(client, address) if status.version else []


async def _sizes(client: Client, address: Address) -> list[TableSize]:
    parts = "system.parts" if address.cluster is None else f"cluster('{address.cluster}', system, parts)"
    rows = await client.execute(
        "SELECT table, toInt64(sum(rows)), toInt64(sum(bytes_on_disk)), toInt64(uniqExact(partition))"
        f" FROM {parts} WHERE active AND database = '{address.database}' GROUP BY table FORMAT RowBinary"
    )
    found = {
        table.removesuffix("_local"): TableSize(table=table, rows=count, bytes_on_disk=size, days=days)
        for table, count, size, days in read_rows(rows, (read_text, read_int64, read_int64, read_int64))
    }
    nothing = TableSize(table="", rows=0, bytes_on_disk=0, days=0)
    return [
        TableSize(table=kind.table, rows=each.rows, bytes_on_disk=each.bytes_on_disk, days=each.days)
        for kind in KINDS.values()
        for each in [found.get(kind.table, nothing)]
    ]


@asynccontextmanager
async def _connected(address: Address, clock: Clock) -> AsyncIterator[Client]:
    client = Client(address, clock)
    try:
        yield client
    finally:
        await client.close()
