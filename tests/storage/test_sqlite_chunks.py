"""Chunks of SQLite's file: whatever becomes of the records, no answer comes from a chunk out of date."""

import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hopsight.errors import ErasedError, StoreUnavailableError
from hopsight.model.dimensions import NETWORK_SESSIONS, USER_SESSIONS, Dimensions
from hopsight.model.query import Filter, Query, Record
from hopsight.storage import columns, memo, ordered, sqlite, sqlite_columns, sqlite_dims, trends
from hopsight.storage.memory import MemoryStore
from hopsight.storage.sqlite import SqliteStore
from hopsight.storage.sqlite_chunks import Chunk, claim, drop_chunks, fill, marks, read_filled
from hopsight.storage.sqlite_file import migrate, migrations, open_reader, open_writer

pytestmark = pytest.mark.anyio

AID = 7625
START = 1_600_000_200
WRITER = Path(__file__).with_name("killed_writer.py")
READER = Path(__file__).with_name("chunk_reader.py")
TABLE = "user_sessions"


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks are made of few records, too, and of those of just now."""
    monkeypatch.setattr(sqlite_columns, "FEW_ROWS", 0)
    monkeypatch.setattr(sqlite_columns, "SETTLED_S", 0)
    monkeypatch.setattr(sqlite_columns, "FILLS", 2)
    monkeypatch.setattr(sqlite_columns, "CLAIMS", 3)
    # Passes of a few records, and next to nothing remembered.
    monkeypatch.setattr(columns, "PASS_ROWS", 3)
    monkeypatch.setattr(trends, "PASS_ROWS", 3)
    monkeypatch.setattr(memo, "MEMO_BYTES", 200)
    monkeypatch.setattr(sqlite_dims, "KNOWN_BYTES", 1_000)
    # Blocks of two records, and a piece that stays beside one that does not.
    monkeypatch.setattr(ordered, "BLOCK_ROWS", 2)
    monkeypatch.setattr(sqlite, "LONG_RANGE_S", 0)
    monkeypatch.setattr(sqlite_columns, "LARGE_PIECE_S", ((1_200, 600), (0, 300)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is to be."""
    return tmp_path / "sessions.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    """A store in that file."""
    opened = SqliteStore(path)
    yield opened
    await opened.close()


def agent_id(number: int) -> str:
    """The ID of an agent."""
    return f"00000000-0000-4000-8000-{number:012d}"


def record(minute: int, name: int, agent: int = 0, latency_ms: float | None = 10.0) -> Record:
    """A record in the round so many minutes after the start; its other numbers come from its name."""
    round_id = START + 60 * minute
    return Record(
        aid=AID,
        round_id=round_id,
        record_id=f"07625:{round_id}:{name:08d}",
        dimensions=Dimensions(agent_id=agent_id(agent), ssid=f"net-{name % 3}" if name % 4 else None),
        loss_percent=[0.0, 0.0, 12.5, None][name % 4],
        latency_ms=latency_ms,
        jitter_ms=name / 7 if name % 5 else None,
        body=b"{}",
    )


def question(first: int = 0, last: int = 59, *filters: Filter) -> Query:
    """What happened in these minutes."""
    return Query(
        kind=USER_SESSIONS,
        aid=AID,
        first_round=START + 60 * first,
        last_round=START + 60 * last,
        filters=filters,
    )


def ask(path: Path, sql: str) -> Any:
    """The one value that a statement selects."""
    connection = open_reader(path)
    try:
        return connection.execute(sql).get
    finally:
        connection.close()


def filled(path: Path, table: str = TABLE) -> int:
    """How many chunks the file has."""
    return int(ask(path, f"SELECT count(packed) FROM {table}_chunk"))


async def count(store: SqliteStore, query: Query) -> int:
    """How many records an answer is made of."""
    return (await store.summarize(query, 300)).whole.records


MINUTE = st.integers(0, 59)
ADD = st.tuples(
    st.just("add"),
    st.lists(st.tuples(MINUTE, st.integers(0, 12), st.integers(0, 3), st.floats(0, 50)), max_size=12),
)
ASK = st.tuples(st.just("ask"), st.tuples(MINUTE, MINUTE, st.sampled_from([None, "net-1"])))
STEPS = st.lists(
    st.one_of(
        ADD,
        ADD,
        ASK,
        ASK,
        st.tuples(st.just("prune"), st.integers(0, 30)),
        st.tuples(st.just("erase"), st.integers(0, 3)),
    ),
    max_size=25,
)


async def do(store: Any, step: str, what: Any) -> Any:
    """One step, and what came of it."""
    if step == "add":
        made = [record(minute, name, agent, latency) for minute, name, agent, latency in what]
        try:
            return await store.add(USER_SESSIONS, made)
        except ErasedError:
            return None
    if step == "prune":
        return await store.prune(USER_SESSIONS, START + 60 * what)
    if step == "erase":
        return await store.erase(agent_id(what)) and None
    one, other, ssid = what
    asked = question(min(one, other), max(one, other), *([Filter("ssid", (ssid,))] if ssid else []))
    return (
        await store.summarize(asked, 300),
        await store.summarize(asked, 420),
        await store.rank(asked, "ssid", bucket_s=300, order="latency", limit=2),
        await store.rank(asked, "agent_id", bucket_s=600, order="loss", limit=9),
        await store.count_by(asked, "ssid"),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
async def test_answers_are_those_of_the_records(tmp_path_factory: Any, steps: list[Any]) -> None:
    """However adding, pruning, erasing and asking follow each other, in two programs that share a file."""
    path = tmp_path_factory.mktemp("store") / "sessions.db"
    expected = MemoryStore()
    stores = SqliteStore(path), SqliteStore(path)
    try:
        for place, (step, what) in enumerate([*steps, ("ask", (0, 59, None))]):
            one, other = stores if place % 2 else stores[::-1]
            should = await do(expected, step, what)
            assert await do(one, step, what) == should
            if step == "ask":
                assert await do(other, step, what) == should
    finally:
        for each in stores:
            await each.close()


async def test_chunks_are_made_by_asking_and_used_afterwards(path: Path, store: SqliteStore) -> None:
    """What was asked about is in chunks; the newest, of which more is to come, is not."""
    await store.add(USER_SESSIONS, [record(minute, minute) for minute in range(60)])
    assert filled(path) == 0
    assert await count(store, question()) == 60
    assert filled(path) == 11
    with apsw.Connection(str(path)) as connection:
        connection.execute("UPDATE user_sessions SET latency_ms = 1e6")  # as none of ours would do it
    connection.close()
    other = SqliteStore(path)
    assert (await other.summarize(question(0, 54), 300)).whole.latency_p95_ms == 10.0
    await other.close()


async def test_what_is_prepared_is_in_chunks_before_anybody_asks(path: Path, store: SqliteStore) -> None:
    """Preparing a range fills the chunks of what is settled in it."""
    await store.add(USER_SESSIONS, [record(minute, minute) for minute in range(60)])
    await store.prepare(USER_SESSIONS, AID, START, START + 60 * 29)
    assert filled(path) == 6
    await store.prepare(USER_SESSIONS, AID + 1, START, START + 60 * 59)
    assert filled(path) == 6


async def test_a_number_that_is_given_again_means_what_it_means_now(store: SqliteStore) -> None:
    """A combination of dimensions that got the number of an erased one is answered as itself."""
    by_agent: Any = {"column": "agent_id", "bucket_s": 300, "order": "records", "limit": 9}
    await store.add(USER_SESSIONS, [record(1, 1, agent=1)])
    assert [each.value for each in await store.rank(question(), **by_agent)] == [agent_id(1)]
    await store.erase(agent_id(1))
    await store.add(USER_SESSIONS, [record(2, 1, agent=2)])
    assert [each.value for each in await store.rank(question(), **by_agent)] == [agent_id(2)]


async def test_what_is_in_memory_is_counted_there(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a chart of a range, its values are counted without a look at the records."""
    await store.add(USER_SESSIONS, [record(minute, minute) for minute in range(60)])
    before = await store.count_by(question(), "ssid")
    await count(store, question())
    monkeypatch.setattr(sqlite, "read_counts", None)
    await store.add(USER_SESSIONS, [record(59, 100)])
    after = await store.count_by(question(), "ssid")
    assert sum(before.values()) == 60
    assert after == before | {None: before[None] + 1}


async def test_few_records_are_read_as_they_are(
    path: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small store writes no chunks."""
    monkeypatch.setattr(sqlite_columns, "FEW_ROWS", 55)
    await store.add(USER_SESSIONS, [record(minute, minute) for minute in range(60)])
    assert await count(store, question()) == 60
    assert filled(path) == 0
    await store.add(USER_SESSIONS, [record(1, 99)])
    assert await count(store, question()) == 61
    assert filled(path) == 11


@pytest.mark.parametrize("how", ["late record", "prune", "erase", "duplicate"])
async def test_who_changes_records_drops_their_chunk(path: Path, store: SqliteStore, how: str) -> None:
    """In the same transaction; what is no change drops nothing."""
    await store.add(USER_SESSIONS, [record(minute, minute, agent=minute // 30) for minute in range(60)])
    await count(store, question())
    match how:
        case "late record":
            await store.add(USER_SESSIONS, [record(7, 99)])
        case "prune":
            await store.prune(USER_SESSIONS, START + 60 * 7)
        case "erase":
            await store.erase(agent_id(0))
        case _:
            await store.add(USER_SESSIONS, [record(7, 7)])
    assert filled(path) == {"late record": 10, "prune": 9, "erase": 5, "duplicate": 11}[how]


async def test_what_was_read_before_a_change_is_not_kept_after_it(path: Path) -> None:
    """A chunk of an old snapshot finds its mark gone, also when the chunk was claimed again since."""
    writer = open_writer(path)
    claim(writer, TABLE, AID, [START])
    (old,) = marks(writer, TABLE, AID, START, START).values()
    drop_chunks(writer, TABLE, [(AID, START + 60)])
    claim(writer, TABLE, AID, [START])
    (new,) = marks(writer, TABLE, AID, START, START).values()
    assert new != old
    stale = Chunk.of(START, [(START, 1, None, 5.0, None)]).pack()
    fill(writer, TABLE, [(old, stale)])
    assert read_filled(writer, TABLE, START, new) is None
    fill(writer, TABLE, [(new, stale)])
    found = read_filled(writer, TABLE, START, new)
    assert found is not None
    assert found.latency_ms.tolist() == [5.0]
    writer.close()


async def test_no_mark_is_given_twice(path: Path) -> None:
    """Not even when all chunks were dropped and the file was opened anew."""
    seen: set[int] = set()
    for _ in range(4):
        writer = open_writer(path)
        claim(writer, TABLE, AID, [START])
        seen |= set(marks(writer, TABLE, AID, START, START).values())
        drop_chunks(writer, TABLE, [(AID, START)])
        writer.close()
    assert len(seen) == 4


async def test_a_chunk_of_another_version_is_read_from_the_table(path: Path, store: SqliteStore) -> None:
    """What cannot be unpacked is as if it were not there."""
    await store.add(USER_SESSIONS, [record(minute, minute) for minute in range(60)])
    await count(store, question())
    with apsw.Connection(str(path)) as connection:
        connection.execute("UPDATE user_sessions_chunk SET packed = x'ff00'")
    connection.close()
    other = SqliteStore(path)
    assert await count(other, question()) == 60
    await other.close()


async def test_ranges_that_are_looked_at_in_turn_are_made_once(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two people with two ranges do not drive each other's columns out of memory."""
    await store.add(USER_SESSIONS, [record(minute, minute) for minute in range(60)])
    ranges = question(0, 59), question(20, 59)
    before = [await store.summarize(each, 300) for each in ranges]
    monkeypatch.setattr(sqlite_columns, "read_filled", None)
    await store.add(USER_SESSIONS, [record(59, 100)])
    for asked, was in zip(ranges, before, strict=True):
        assert (await store.summarize(asked, 300)).whole.records == was.whole.records + 1


def test_pieces_are_forgotten_for_want_of_room() -> None:
    """Those that were used longest ago go first, before a new one is made and after it."""
    rows = [(START, 1, 0.0, 1.0, 1.0)]
    one = columns.columns_of(rows)
    known = columns.Pieces(2 * one.size)
    for key in "ab":
        known.keep(key, one)
    assert known.get("a") is one
    known.keep("c", one)
    assert [key in known for key in "abc"] == [True, False, True]
    known.make_room(2 * one.size // columns.RECORD_BYTES)
    assert [key in known for key in "abc"] == [False, False, False]


async def test_memory_is_bounded(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for neither chunks nor columns answers are the same."""
    monkeypatch.setattr(sqlite_columns, "CHUNKS_BYTES", 200)
    monkeypatch.setattr(store._aggregates._columns, "_view_bytes", 0)
    await store.add(USER_SESSIONS, [record(minute, minute) for minute in range(60)])
    for _ in range(2):
        assert await count(store, question(0, 57)) == 58
        assert store._aggregates._columns._size <= 200


async def test_a_busy_writer_keeps_nobody_from_asking(path: Path, store: SqliteStore) -> None:
    """Where no chunk can be written, questions are answered from the table."""
    await store.add(USER_SESSIONS, [record(minute, minute) for minute in range(60)])
    store._rows._connection.set_busy_timeout(1)
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    assert await count(store, question()) == 60
    other.execute("ROLLBACK")
    other.close()
    assert filled(path) == 0


async def test_a_store_that_closes_breaks_off_a_question(store: SqliteStore) -> None:
    """Who asked is told so; nothing waits for chunks that nobody will see."""
    await store.add(USER_SESSIONS, [record(minute, minute) for minute in range(60)])
    asked = asyncio.ensure_future(store.summarize(question(), 300))
    await asyncio.sleep(0)
    store._charts.closed = True
    with pytest.raises(StoreUnavailableError):
        await asked


async def test_killed_programs_leave_no_wrong_chunk(tmp_path: Path) -> None:
    """One adds, another asks, both are killed at random moments: every chunk is what its records are."""
    path = tmp_path / "sessions.db"
    open_writer(path).close()
    rng = random.Random(5)
    for seed in range(4):
        programs = [
            await asyncio.create_subprocess_exec(
                sys.executable, str(program), str(path), str(seed), stdout=asyncio.subprocess.PIPE
            )
            for program in (WRITER, READER)
        ]
        for program in programs:
            assert program.stdout is not None
            for _ in range(rng.randrange(3, 30)):
                assert await program.stdout.readline()
        for program in programs:
            program.send_signal(signal.SIGKILL)
            await program.communicate()
            assert program.returncode == -signal.SIGKILL
        compare_chunks(path)
    store = SqliteStore(path)
    everything = Query(kind=NETWORK_SESSIONS, aid=AID, first_round=0, last_round=START * 2)
    found = (await store.summarize(everything, 1 << 22)).whole.records
    await store.close()
    assert found == ask(path, "SELECT count(*) FROM network_sessions")
    assert filled(path, "network_sessions") > 1
    assert ask(path, "PRAGMA integrity_check") == "ok"


def compare_chunks(path: Path) -> None:
    """See that every chunk that is filled holds what the table holds."""
    connection = open_reader(path)
    sql = "SELECT mark, start_s FROM network_sessions_chunk WHERE packed IS NOT NULL"
    claimed: list[Any] = connection.execute(sql).fetchall()
    for mark, start_s in claimed:
        found = read_filled(connection, "network_sessions", start_s, mark)
        assert found is not None
        rows = connection.execute(
            "SELECT round_id - ?1, dim, latency_ms FROM network_sessions"
            " WHERE aid = 7625 AND round_id BETWEEN ?1 AND ?1 + 299 ORDER BY round_id, id",
            (start_s,),
        ).fetchall()
        packed = zip(found.since_s.tolist(), found.dim.tolist(), found.latency_ms.tolist(), strict=True)
        assert sorted(packed) == sorted(rows)
    connection.close()


async def test_a_file_of_the_version_before_gets_chunks(path: Path) -> None:
    """Its records are there, and can be asked about; an agent can be erased."""
    connection = apsw.Connection(str(path))
    migrate(connection, [step for step in migrations() if step.number < 7])
    assert not connection.table_exists("main", f"{TABLE}_chunk")
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute(
        "INSERT INTO user_sessions_dim (dim, aid, digest, agent_id) VALUES (9, 7625, 'x', 'a')"
    )
    connection.execute(
        "INSERT INTO user_sessions (aid, round_id, id, dim, latency_ms, body)"
        " VALUES (7625, ?1, 'x', 9, 3.0, '{}'), (7625, ?1 + 600, 'y', 9, 3.0, '{}')",
        (START,),
    )
    connection.close()
    store = SqliteStore(path)
    assert await count(store, question()) == 2
    assert filled(path) == 2
    await store.erase("a")
    assert await count(store, question()) == 0
    await store.close()
    assert ask(path, "SELECT count(*) FROM user_sessions_chunk WHERE length(packed) > 1") == 0
