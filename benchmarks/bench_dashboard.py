"""The eight questions of an overview page, 24 hours and 7 days, asked of the store; beside them, plain SQL.

A week of user sessions, evenly spread. Each page is asked for four times over:

- first: no chunk has been made yet, and the file is not in the page cache;
- cold: a new process, so to say: chunks are in the file, nothing is in memory, nor in the page cache;
- beside ingest: a record is added before every question;
- warm: nothing was written since the page was asked for last.

Plain SQL is one statement for one question: groups by a dimension, exact percentiles by window functions,
over the same file with the same indexes. What it finds has to be what ours finds.
"""

import argparse
import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import apsw
from benchmarks.options import run_alone
from benchmarks.report import Result, Series, Target, progress

from hopsight.model.aggregates import Group
from hopsight.model.dimensions import USER_SESSIONS, Dimensions
from hopsight.model.query import Query, Record
from hopsight.storage.sqlite import SqliteStore
from hopsight.storage.sqlite_file import READER_CACHE_KIB
from hopsight.storage.store import Store

AID = 1
AGENTS = 500
SITES = 16
OFFICES = 40
DAY_S = 86_400
DAYS = 7
ROUND_S = 60
FIRST_ROUND = 1_790_000_100
BATCH = 500
BODY_BYTES = 600
RANKED = ("agent_id", "location", "network_id", "visited_site", "verdict", "connection", "platform")
PEER_RANKED = "location"
PAGE_TARGETS_MS = {"24 h": {"first": 3_000.0, "cold": 3_000.0, "warm": 100.0}, "7 d": {"warm": 500.0}}

_PEER_SQL: Final = """
WITH asked AS (
    SELECT d.location AS value, r.loss_percent, r.latency_ms, r.jitter_ms
    FROM user_sessions r JOIN user_sessions_dim d ON d.dim = r.dim
    WHERE r.aid = ?1 AND r.round_id BETWEEN ?2 AND ?3
), placed AS (
    SELECT value, latency_ms,
        row_number() OVER (PARTITION BY value ORDER BY latency_ms) AS place,
        count(*) OVER (PARTITION BY value) AS measured
    FROM asked WHERE latency_ms IS NOT NULL
)
SELECT g.value, g.records, g.loss_percent, p.p50, p.p95
FROM (SELECT value, count(*) AS records, avg(loss_percent) AS loss_percent FROM asked GROUP BY value) g
JOIN (
    SELECT value, max(latency_ms) FILTER (WHERE place = (measured + 1) / 2) AS p50,
        max(latency_ms) FILTER (WHERE place = (measured * 95 + 99) / 100) AS p95
    FROM placed GROUP BY value
) p ON p.value = g.value
"""

Asked = Callable[[Store], Coroutine[Any, Any, Any]]


def bench(arguments: argparse.Namespace) -> Result:
    """Run it."""
    path = arguments.store or arguments.workspace / "dashboard.db"
    if not path.exists():
        asyncio.run(fill(path, arguments.sessions, arguments.seed))
    return asyncio.run(_bench(path, arguments))


async def _bench(path: Path, arguments: argparse.Namespace) -> Result:
    last_round = _ask(path, "SELECT max(round_id) FROM user_sessions")
    result = Result(bench=f"eight questions of an overview page, {arguments.sessions:,} sessions in 7 days")
    for name, seconds, bucket_s in (("24 h", DAY_S, 300), ("7 d", DAYS * DAY_S, 3_600)):
        query = Query(
            kind=USER_SESSIONS, aid=AID, first_round=last_round - seconds + ROUND_S, last_round=last_round
        )
        await _measure(path, query, bucket_s, name, arguments.rounds, result)
    return result


async def _measure(path: Path, query: Query, bucket_s: int, name: str, rounds: int, result: Result) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("DELETE FROM user_sessions_chunk")
    connection.close()
    asked = questions(query, bucket_s)
    times: dict[str, list[float]] = {each: [] for each in ("first", "cold", "beside ingest", "warm")}
    times["first"].append(await _cold(path, asked))
    for _ in range(rounds):
        times["cold"].append(await _cold(path, asked))
    async with _opened(path) as store:
        await _page(store, asked)
        for number in range(rounds):
            times["beside ingest"].append(await _page(store, asked, added(query.last_round, number)))
            await _page(store, asked)
            times["warm"].append(await _page(store, asked))
        ranks = await store.rank(query, PEER_RANKED, bucket_s=bucket_s, order="latency", limit=OFFICES)
    peer = [_peer(path, query, ranks) for _ in range(2)]
    progress(f"{name}: " + ", ".join(f"{each} {values[-1]:,.0f} ms" for each, values in times.items()))
    found = {
        each: Series(name=f"{name}, page, {each}", unit="ms", values=values) for each, values in times.items()
    }
    plain = Series(name=f"{name}, one question, plain SQL", unit="ms", values=peer)
    beside = Series(name="", unit="ms", values=[found["beside ingest"].median / len(asked)])
    result.series += [*found.values(), plain]
    result.series.append(
        Series(
            name=f"{name}, plain SQL / ours beside ingest, a question",
            unit="x",
            values=[plain.median / beside.median],
        )
    )
    result.targets += [
        Target(name=f"{name}, page, {each}", value=found[each].median, bound=bound, unit="ms")
        for each, bound in PAGE_TARGETS_MS[name].items()
    ]


def questions(query: Query, bucket_s: int) -> list[Asked]:
    """What an overview page asks."""

    def ranked(column: str) -> Asked:
        return lambda store: store.rank(query, column, bucket_s=bucket_s, order="latency", limit=10)

    return [lambda store: store.summarize(query, bucket_s), *map(ranked, RANKED)]


async def _page(store: SqliteStore, asked: list[Asked], added: list[Record] | None = None) -> float:
    spent_s = 0.0
    for number, question in enumerate(asked):
        if added:
            await store.add(USER_SESSIONS, [added[number]])
        started = time.perf_counter()
        await question(store)
        spent_s += time.perf_counter() - started
    return 1_000 * spent_s


async def _cold(path: Path, asked: list[Asked]) -> float:
    _drop_cache(path)
    async with _opened(path) as store:
        return await _page(store, asked)


@asynccontextmanager
async def _opened(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path)
    try:
        yield store
    finally:
        await store.close()


def _drop_cache(path: Path) -> None:
    """Have the kernel forget what it has read of a file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _peer(path: Path, query: Query, ranks: list[Group]) -> float:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    connection.execute(f"PRAGMA cache_size = -{16 * READER_CACHE_KIB}").fetchall()
    started = time.perf_counter()
    rows: list[Any] = connection.execute(
        _PEER_SQL, (query.aid, query.first_round, query.last_round)
    ).fetchall()
    spent_s = time.perf_counter() - started
    connection.close()
    theirs = {value: (records, p50, p95) for value, records, _, p50, p95 in rows}
    ours = {
        each.value: (each.measures.records, each.measures.latency_p50_ms, each.measures.latency_p95_ms)
        for each in ranks
    }
    if theirs != ours:
        raise SystemExit("plain SQL and the store do not agree")
    return 1_000 * spent_s


async def fill(path: Path, sessions: int, seed: int) -> None:
    """Make a store of a week."""
    progress(f"adding {sessions:,} sessions ...")
    async with _opened(path) as store:
        for batch in a_week(sessions, seed, BATCH):
            await store.add(USER_SESSIONS, batch)


def a_week(sessions: int, seed: int, batch: int) -> Iterator[list[Record]]:
    """Sessions of a week, evenly spread, oldest first; the same ones for the same seed."""
    rng = random.Random(seed)
    rounds = DAYS * DAY_S // ROUND_S
    combinations = [_dimensions(rng, agent, site) for agent in range(AGENTS) for site in range(SITES)]
    body = rng.randbytes(BODY_BYTES)
    for begin in range(0, sessions, batch):
        yield [
            _record(rng, FIRST_ROUND + number * rounds // sessions * ROUND_S, rng.choice(combinations), body)
            for number in range(begin, min(begin + batch, sessions))
        ]


def added(round_id: int, number: int) -> list[Record]:
    """A record of the newest round before each question, each time others."""
    rng = random.Random(f"{time.time_ns()}/{number}")
    body = rng.randbytes(BODY_BYTES)
    dimensions = _dimensions(rng, rng.randrange(AGENTS), rng.randrange(SITES))
    return [_record(rng, round_id, dimensions, body) for _ in range(len(RANKED) + 1)]


def _record(rng: random.Random, round_id: int, dimensions: Dimensions, body: bytes) -> Record:
    return Record(
        aid=AID,
        round_id=round_id,
        record_id=f"{AID:05d}:{round_id}:{rng.getrandbits(48):012x}",
        dimensions=dimensions,
        loss_percent=rng.randrange(1, 10) * 10.0 if rng.random() < 0.03 else 0.0,
        latency_ms=round(rng.lognormvariate(3, 1), 3) if rng.random() < 0.98 else None,
        jitter_ms=round(rng.expovariate(0.3), 3),
        body=body,
    )


def _dimensions(rng: random.Random, agent: int, site: int) -> Dimensions:
    office = agent % OFFICES
    wireless = agent % 4 > 0
    return Dimensions(
        agent_id=f"00000000-0000-4000-8000-{agent:012d}",
        visited_site=f"site-{site}.example.com",
        domain="example.com",
        platform=("Linux", "Mac", "Windows")[agent % 3],
        connection="Wireless" if wireless else "Ethernet",
        location=f"Office {office}",
        gateway=f"10.{office}.0.1",
        ssid="office" if wireless else None,
        network_id=f"network-{agent % 60}",
        verdict=rng.choices(("none", "gateway", "provider", "destination"), (37, 1, 1, 1))[0],
    )


def _ask(path: Path, sql: str) -> int:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    found = int(connection.execute(sql).get)
    connection.close()
    return found


if __name__ == "__main__":
    run_alone(bench, __doc__)
