"""Embedded store and ClickHouse side by side: the same records, the same questions, one process that asks.

Pages, ingest, an overview page's eight questions and bytes on disk; and what our way to ClickHouse costs
beside its own client. ``--clickhouse URL`` takes a store that was filled before; else Debian's server is
started for it.
"""

import argparse
import asyncio
import random
import re
import subprocess
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks import bench_dashboard as dashboard
from benchmarks.options import parser, run_all
from benchmarks.peers.clickhouse import clickhouse_server
from benchmarks.report import Result, Series, progress
from msgspec import structs

from hopsight.clock import SystemClock
from hopsight.model.dimensions import NETWORK_SESSIONS, USER_SESSIONS
from hopsight.model.query import PAGE_ITEMS, Query, Record
from hopsight.storage import open_store
from hopsight.storage.clickhouse.address import parse
from hopsight.storage.clickhouse.management import look_at_tables, prepare_tables
from hopsight.storage.copying import copy_store
from hopsight.storage.sqlite import SqliteStore
from hopsight.storage.store import Store
from hopsight.testing import sample_record

DAY_S: Final = 86_400
CLIENTS: Final = 8
UPLOADERS: Final = 32
BATCH: Final = 500
SIZED_RECORDS: Final = 200_000
A_ROUND: Final = 20_000
PAGES_A_ROUND: Final = 40
CLIENT_CALLS: Final = 15


class Side(NamedTuple):
    """One of the two."""

    name: str
    store: Store


def bench(arguments: argparse.Namespace) -> Result:
    """Run it."""
    return asyncio.run(_bench(arguments))


async def _bench(arguments: argparse.Namespace) -> Result:
    path = arguments.store or arguments.workspace / "dashboard.db"
    if not path.exists():
        await dashboard.fill(path, arguments.sessions, arguments.seed)
    result = Result(bench=f"embedded and ClickHouse, {arguments.sessions:,} user sessions in 7 days")
    with clickhouse_server(arguments) as (url, client):
        embedded = SqliteStore(path)
        clickhouse = await _clickhouse(url, embedded, is_filled=bool(arguments.clickhouse))
        try:
            sides = (Side("embedded", embedded), Side("ClickHouse", clickhouse))
            last_round = await embedded.last_round(USER_SESSIONS, dashboard.AID)
            assert last_round is not None
            await _pages(sides, last_round, arguments, result)
            await _charts(sides, last_round, arguments, result)
            if client is not None:
                await _abstraction(clickhouse, client, url, (last_round, arguments.sessions), result)
        finally:
            await clickhouse.close()
            await embedded.close()
        await _sizes_and_ingest(url, arguments, result)
    return result


async def _clickhouse(url: str, source: Store, *, is_filled: bool) -> Store:
    if not is_filled:
        await prepare_tables(parse(url.partition(":")[2]), SystemClock())
    store = open_store(url, Path(), SystemClock())
    if not is_filled:
        progress("copying to ClickHouse ...")
        await copy_store(source, store, lambda *_: None, trust_counts=True)
    return store


async def _pages(
    sides: tuple[Side, ...], last_round: int, arguments: argparse.Namespace, result: Result
) -> None:
    """A page from the middle of a day, one after the other, and eight at a time."""
    query = Query(
        kind=USER_SESSIONS, aid=dashboard.AID, first_round=last_round - DAY_S // 2, last_round=last_round
    )
    for name, store in sides:
        ask = partial(store.page, query)
        alone = [await _timed(ask) for _ in range(PAGES_A_ROUND)][5:]
        rates = [await _rate(ask, arguments.seconds) for _ in range(arguments.rounds)]
        result.series.append(Series(name=f"{name}: page of 1,000", unit="ms", values=alone))
        result.series.append(Series(name=f"{name}: pages, {CLIENTS} at a time", unit="/s", values=rates))


async def _charts(
    sides: tuple[Side, ...], last_round: int, arguments: argparse.Namespace, result: Result
) -> None:
    """The eight questions of an overview page, while a record is stored before each page."""
    for name, seconds, bucket_s in (("24 h", DAY_S, 300), ("7 d", 7 * DAY_S, 3_600)):
        first = last_round - seconds + 60
        query = Query(kind=USER_SESSIONS, aid=dashboard.AID, first_round=first, last_round=last_round)
        asked = dashboard.questions(query, bucket_s)
        for side in sides:
            # What the server's job does as records come.
            await side.store.prepare(USER_SESSIONS, dashboard.AID, first, last_round)
            times = []
            for number in range(arguments.rounds + 1):
                await side.store.add(USER_SESSIONS, dashboard.added(last_round, number)[:1])
                times.append(sum([await _timed(partial(ask, side.store)) for ask in asked]))
            shown = f"{side.name}: overview, {name}, beside ingest"
            result.series.append(Series(name=shown, unit="ms", values=times[1:]))
            progress(f"{shown}: {times[-1]:,.0f} ms")


async def _abstraction(
    store: Store, client: list[str], url: str, filled: tuple[int, int], result: Result
) -> None:
    """One page through the store, and the same statement by ClickHouse's own client.

    ``filled``: the newest round, and how many sessions there are. The client is asked for as short a time as
    holds the page, as the store does once it has learned how long that is.
    """
    last_round, sessions = filled
    page_s = round(1.2 * PAGE_ITEMS * dashboard.DAYS * DAY_S / sessions)
    first = last_round - DAY_S // 2
    database = parse(url.partition(":")[2]).database
    sql = (
        f"SELECT round_id, id, body FROM {database}.user_sessions FINAL"
        f" WHERE aid = {dashboard.AID} AND round_id BETWEEN {first} AND {first + page_s}"
        f" ORDER BY round_id, id LIMIT {PAGE_ITEMS + 1} FORMAT RowBinary"
    )
    query = Query(kind=USER_SESSIONS, aid=dashboard.AID, first_round=first, last_round=last_round)
    ratios, ours, theirs = [], [], []
    for _ in range(CLIENT_CALLS):
        ours.append(await _timed(partial(store.page, query)))
        theirs.append(_client_ms(client, sql))
        ratios.append(ours[-1] / theirs[-1])
    result.series += [
        Series(name="page through the store", unit="ms", values=ours),
        Series(name="the same by clickhouse-client, by its own clock", unit="ms", values=theirs),
        Series(name="through the store / by the client", unit="x", values=ratios),
    ]


def _client_ms(client: list[str], sql: str) -> float:
    """What the client says that the statement took: without its own start."""
    done = subprocess.run([*client, "--time", "--query", sql], capture_output=True, check=True)
    found = re.findall(rb"\d+\.\d+", done.stderr)
    return float(found[-1]) * 1000


async def _sizes_and_ingest(url: str, arguments: argparse.Namespace, result: Result) -> None:
    """Network sessions as agents make them, stored by many at once: sessions a second, and bytes of each."""
    rng = random.Random(arguments.seed)
    pool = [sample_record(rng, aid=2) for _ in range(SIZED_RECORDS)]
    pool = [
        structs.replace(each, round_id=dashboard.FIRST_ROUND + 60 * (number // A_ROUND))
        for number, each in enumerate(pool)
    ]
    batches = [pool[begin : begin + BATCH] for begin in range(0, len(pool), BATCH)]
    path = arguments.workspace / "sized.db"
    sides = (Side("embedded", SqliteStore(path)), Side("ClickHouse", open_store(url, Path(), SystemClock())))
    for name, store in sides:
        rate = SIZED_RECORDS / await _filled(store, batches)
        await store.close()
        size = path.stat().st_size if name == "embedded" else await _bytes_of(url)
        result.series += [
            Series(name=f"{name}: ingest, {UPLOADERS} uploads at a time", unit="/s", values=[rate]),
            Series(name=f"{name}: bytes a network session", unit="B", values=[size / len(pool)]),
        ]


async def _filled(store: Store, batches: list[list[Record]]) -> float:
    waiting = iter(batches)

    async def work() -> None:
        for batch in waiting:
            await store.add(NETWORK_SESSIONS, batch)

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(UPLOADERS)))
    return time.perf_counter() - started


async def _bytes_of(url: str) -> int:
    _, sizes = await look_at_tables(parse(url.partition(":")[2]), SystemClock())
    return next(each.bytes_on_disk for each in sizes if each.table == "network_sessions")


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return (time.perf_counter() - started) * 1000


async def _rate(work: Callable[[], Awaitable[object]], seconds: float) -> float:
    """How often it can be done in a second by several at a time."""
    done = 0
    started = time.perf_counter()

    async def go_on() -> None:
        nonlocal done
        while time.perf_counter() - started < seconds:
            await work()
            done += 1

    await asyncio.gather(*(go_on() for _ in range(CLIENTS)))
    return done / (time.perf_counter() - started)


def main() -> None:
    """Run it alone."""
    options = parser(__doc__ or "")
    options.add_argument("--native-port", type=int, help="its port for ClickHouse's own client")
    options.add_argument("--clickhouse", help="URL of a store that holds the records already")
    run_all([bench], options.parse_args())


if __name__ == "__main__":
    main()
