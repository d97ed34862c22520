"""How SQLite finds what is asked: query plans, the ways to filter, and reads beside writes."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import msgspec
import pytest

from hopsight.errors import StoreUnavailableError
from hopsight.model.dimensions import NETWORK_SESSIONS, Dimensions
from hopsight.model.query import Cursor, Filter, PageOf, Query, Record
from hopsight.storage import sqlite_query
from hopsight.storage.sqlite import MAX_WAITING_READS, SHORT_SKIP, SqliteStore
from hopsight.storage.sqlite_query import MERGED_DIMS, WALKED_SHARE
from hopsight.storage.sqlite_rows import PRUNED_ROWS
from hopsight.testing import ROUND_ID, sample_record

pytestmark = pytest.mark.anyio

AID = 7625
AGENTS = MERGED_DIMS * WALKED_SHARE * 2
QUERY = Query(
    kind=NETWORK_SESSIONS,
    aid=AID,
    first_round=ROUND_ID,
    last_round=ROUND_ID + 6000,
    after=Cursor(ROUND_ID, "5"),
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "sessions.db")
    yield opened
    await opened.close()


def fleet(count: int, rounds: int = 3) -> list[Record]:
    rng = random.Random(5)
    return [
        sample_record(rng, round_id=ROUND_ID + 60 * place, dimensions=Dimensions(agent_id=str(agent)))
        for place in range(rounds)
        for agent in range(count)
    ]


def of_agents(count: int) -> Query:
    return msgspec.structs.replace(QUERY, filters=(Filter("agent_id", tuple(map(str, range(count)))),))


def explain(store: SqliteStore, sql: str, bindings: object) -> str:
    rows = store._reader.execute(f"EXPLAIN QUERY PLAN {sql}", bindings)  # type: ignore[arg-type]
    return "\n".join(str(row[3]) for row in rows)


async def test_the_hot_page_is_one_seek(store: SqliteStore) -> None:
    """A page without filters seeks in the primary key by round and ID, and sorts nothing."""
    plan = explain(store, sqlite_query._walk_sql(QUERY), sqlite_query._range(QUERY))
    assert "SEARCH network_sessions USING PRIMARY KEY (aid=? AND (round_id,id)>(?,?)" in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize(
    ("agents", "uses_index", "sorts"),
    [
        (1, True, False),
        (MERGED_DIMS, True, False),
        (MERGED_DIMS + 1, True, True),
        (AGENTS // 2, False, False),
    ],
    ids=["one", "merge", "sort", "walk"],
)
async def test_filters_use_the_index_unless_many_match(
    store: SqliteStore, agents: int, uses_index: bool, sorts: bool
) -> None:
    """Few matching combinations are merged from the index, more are sorted, a good share is met on a walk."""
    await store.add(NETWORK_SESSIONS, fleet(AGENTS, rounds=1))
    found = sqlite_query.filter_plan(store._reader, of_agents(agents))
    assert found is not None
    plan = explain(store, *found)
    assert ("INDEX network_sessions_by_dim (aid=? AND dim=? AND (round_id,id)>(?,?)" in plan) is uses_index
    assert ("USE TEMP B-TREE FOR ORDER BY" in plan) is sorts
    assert "SCAN network_sessions" not in plan


@pytest.mark.parametrize("agents", [1, MERGED_DIMS, MERGED_DIMS + 1, AGENTS // 2, AGENTS])
async def test_every_way_to_filter_finds_the_same(store: SqliteStore, agents: int) -> None:
    """Whichever way is chosen, pages hold what matches, in order."""
    records = fleet(AGENTS)
    await store.add(NETWORK_SESSIONS, records)
    wanted = [record for record in records if int(record.dimensions.agent_id) < agents]
    wanted.sort(key=lambda record: (record.round_id, record.record_id))
    query = msgspec.structs.replace(of_agents(agents), after=None, limit=len(wanted) // 2)
    first = await store.page(query)
    assert first.next is not None
    second = await store.page(msgspec.structs.replace(query, after=first.next, limit=len(wanted)))
    assert first.bodies + second.bodies == [record.body for record in wanted]


async def test_a_long_skip_is_answered_as_a_short_one(store: SqliteStore) -> None:
    """Skipping beyond what the event loop does itself gives the records at that place."""
    records = fleet(AGENTS, rounds=SHORT_SKIP // AGENTS + 2)
    await store.add(NETWORK_SESSIONS, records)
    records.sort(key=lambda record: (record.round_id, record.record_id))
    query = msgspec.structs.replace(QUERY, after=None, limit=3)
    for skip in (SHORT_SKIP, SHORT_SKIP + 1):
        page = await store.page(msgspec.structs.replace(query, skip=skip))
        assert page.bodies == [record.body for record in records[skip : skip + 3]]


async def test_reads_go_on_during_prune_and_ingest(store: SqliteStore) -> None:
    """While old rounds go and new records come, pages of what stays are complete each time."""
    old = fleet(200, rounds=PRUNED_ROWS // 100)
    await store.add(NETWORK_SESSIONS, old)
    newest = max(record.round_id for record in old)
    kept = sorted(record.body for record in old if record.round_id == newest)
    query = msgspec.structs.replace(QUERY, first_round=newest, last_round=newest, after=None)
    by_agent = msgspec.structs.replace(query, filters=of_agents(200).filters)
    pruning = asyncio.create_task(store.prune(NETWORK_SESSIONS, newest))
    rng = random.Random(3)
    pages: list[PageOf] = []
    while not pruning.done():
        pages += [await store.page(query), await store.page(by_agent)]
        await store.add(NETWORK_SESSIONS, [sample_record(rng, round_id=newest + 60)])
    assert await pruning == len(old) - len(kept)
    assert len(pages) >= 2
    assert all(sorted(page.bodies) == kept for page in pages)


async def test_prune_drops_dimensions_that_nobody_has_any_more(store: SqliteStore) -> None:
    """Combinations that only old records had go with them, those still in use stay."""
    gone = fleet(5, rounds=1)
    stays = [msgspec.structs.replace(record, round_id=ROUND_ID + 60) for record in gone[:2]]
    await store.add(NETWORK_SESSIONS, gone + stays)
    await store.prune(NETWORK_SESSIONS, ROUND_ID + 60)
    left = store._reader.execute("SELECT agent_id FROM network_sessions_dim ORDER BY 1").fetchall()
    assert left == [("0",), ("1",)]


async def test_space_that_prune_frees_is_used_again(store: SqliteStore) -> None:
    """Records that replace pruned ones do not make the file grow."""
    await store.add(NETWORK_SESSIONS, fleet(500))
    pages = store._reader.pragma("page_count")
    await store.prune(NETWORK_SESSIONS, ROUND_ID * 2)
    later = [msgspec.structs.replace(record, round_id=record.round_id + 6000) for record in fleet(500)]
    await store.add(NETWORK_SESSIONS, later)
    assert store._reader.pragma("page_count") <= pages + 4


async def test_close_breaks_off_long_reads(store: SqliteStore) -> None:
    """A read that runs at close, and one that waits behind it, end as unavailable."""
    running = threading.Event()

    def tell() -> bool:
        running.set()
        return False

    def never_ends(connection: apsw.Connection) -> None:
        connection.set_progress_handler(tell, 100)
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
        )

    reads = [asyncio.create_task(store._long_reads.run(never_ends)) for _ in range(2)]
    assert await asyncio.to_thread(running.wait, 30)
    await store.close()
    for read in reads:
        with pytest.raises(StoreUnavailableError):
            await read


async def test_waiting_questions_are_bounded(store: SqliteStore) -> None:
    """When too many long reads wait, the next is refused at once, and the others are answered."""
    reads = [asyncio.create_task(store.page(of_agents(1))) for _ in range(MAX_WAITING_READS)]
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailableError, match="busy"):
        await store.page(of_agents(1))
    assert [page.bodies for page in await asyncio.gather(*reads)] == [[]] * MAX_WAITING_READS
