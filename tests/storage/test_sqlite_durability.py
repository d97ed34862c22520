"""What SQLite's file survives: kills, a full disk, and two programs at once."""

import asyncio
import random
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import msgspec
import pytest

from hopsight.errors import StoreUnavailableError
from hopsight.model.dimensions import NETWORK_SESSIONS, Dimensions
from hopsight.model.query import Filter, Query, Record
from hopsight.storage.sqlite import SqliteStore
from hopsight.storage.store import Added
from hopsight.testing import ROUND_ID, sample_record

pytestmark = pytest.mark.anyio

AID = 7625
CHILD = Path(__file__).with_name("killed_writer.py")
EVERYTHING = Query(kind=NETWORK_SESSIONS, aid=AID, first_round=0, last_round=ROUND_ID * 2, limit=1_000_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(path)
    yield opened
    await opened.close()


@pytest.fixture
def rng() -> random.Random:
    return random.Random(11)


def some(rng: random.Random, count: int, agent_id: str = "a") -> list[Record]:
    return [sample_record(rng, dimensions=Dimensions(agent_id=agent_id)) for _ in range(count)]


def run_and_kill(path: Path, seed: int, lines: int) -> set[str]:
    """Kill the child once it has acknowledged ``lines`` batches; return all that it acknowledged."""
    with subprocess.Popen(
        [sys.executable, CHILD, path, str(seed)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        heard = [child.stdout.readline() for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
        heard += child.stdout.readlines()
    assert child.returncode == -signal.SIGKILL
    complete = [line for line in heard if line.endswith("\n")]
    return {place for line in complete for place in line.split()}


async def test_every_acknowledged_record_survives_a_kill(path: Path, rng: random.Random) -> None:
    """Killed with SIGKILL at random moments, again and again: what was acknowledged is there, none twice."""
    acknowledged: set[str] = set()
    for seed in range(6):
        acknowledged |= run_and_kill(path, seed, rng.randrange(1, 60))
        store = SqliteStore(path)
        kept = [msgspec.json.decode(body) for body in (await store.page(EVERYTHING)).bodies]
        await store.close()
        places = [f"{document['roundId']}/{document['userSessionId']}" for document in kept]
        assert len(places) == len(set(places))
        assert acknowledged <= set(places)
    assert integrity(path) == "ok"
    assert orphans(path) == 0


def integrity(path: Path) -> str:
    return str(ask(path, "PRAGMA integrity_check"))


def orphans(path: Path) -> int:
    """How many records have lost their dimensions."""
    known = "SELECT 1 FROM network_sessions_dim d WHERE d.dim = r.dim AND d.aid = r.aid"
    return int(str(ask(path, f"SELECT count(*) FROM network_sessions r WHERE NOT EXISTS ({known})")))


def ask(path: Path, sql: str) -> object:
    connection = apsw.Connection(str(path))
    try:
        return connection.execute(sql).get
    finally:
        connection.close()


def limit_pages(store: SqliteStore, pages: int) -> None:
    """Make the disk full, as SQLite sees it, at ``pages`` pages."""
    store._rows._connection.pragma("max_page_count", pages)


async def test_a_full_disk_refuses_and_recovers(path: Path, store: SqliteStore, rng: random.Random) -> None:
    """Disk full: every batch of the group is refused and none kept; with space back the store goes on."""
    before = some(rng, 10)
    await store.add(NETWORK_SESSIONS, before)
    limit_pages(store, 1)  # SQLite raises it to what the file has
    groups = [some(rng, 500, agent_id=f"new {place}") for place in range(4)]
    answers = await asyncio.gather(
        *(store.add(NETWORK_SESSIONS, batch) for batch in groups), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [StoreUnavailableError] * 4
    assert len((await store.page(EVERYTHING)).bodies) == 10
    limit_pages(store, 1 << 30)
    for batch in groups:
        assert await store.add(NETWORK_SESSIONS, batch) == Added(stored=500, duplicates=0)
    by_agent = msgspec.structs.replace(EVERYTHING, filters=(Filter("agent_id", ("new 2",)),))
    assert len((await store.page(by_agent)).bodies) == 500
    assert orphans(path) == 0


async def test_a_failing_write_refuses_and_recovers(
    path: Path, store: SqliteStore, rng: random.Random
) -> None:
    """When the system refuses to write to the log, the batch is refused whole, and later ones are stored."""
    await store.add(NETWORK_SESSIONS, some(rng, 10))
    batch = some(rng, 500, agent_id="new")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (path.with_name("sessions.db-wal").stat().st_size + 50_000, hard)
    )
    try:
        with pytest.raises(StoreUnavailableError):
            await store.add(NETWORK_SESSIONS, batch)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len((await store.page(EVERYTHING)).bodies) == 10
    assert await store.add(NETWORK_SESSIONS, batch) == Added(stored=500, duplicates=0)
    assert (integrity(path), orphans(path)) == ("ok", 0)


async def test_a_batch_with_a_wrong_value_fails_alone(
    path: Path, store: SqliteStore, rng: random.Random
) -> None:
    """What SQLite cannot take fails its own batch; the others of the group are stored, dimensions and all."""
    good, also_good = some(rng, 5, "good"), some(rng, 5, "shared")
    bad = [*some(rng, 5, "shared"), msgspec.structs.replace(some(rng, 1)[0], round_id=1 << 70)]
    answers = await asyncio.gather(
        *(store.add(NETWORK_SESSIONS, batch) for batch in (good, bad, also_good)), return_exceptions=True
    )
    assert answers[0] == answers[2] == Added(stored=5, duplicates=0)
    assert isinstance(answers[1], OverflowError)
    assert len((await store.page(EVERYTHING)).bodies) == 10
    assert orphans(path) == 0


async def test_another_program_may_write_too(path: Path, store: SqliteStore, rng: random.Random) -> None:
    """Dimensions that another program removed are made again, not remembered."""
    await store.add(NETWORK_SESSIONS, some(rng, 3, "a"))
    other = SqliteStore(path)
    await other.prune(NETWORK_SESSIONS, ROUND_ID + 60)
    await other.add(NETWORK_SESSIONS, some(rng, 3, "b"))
    await other.close()
    again = some(rng, 3, "a")
    await store.add(NETWORK_SESSIONS, again)
    assert orphans(path) == 0
    by_agent = msgspec.structs.replace(EVERYTHING, filters=(Filter("agent_id", ("a",)),))
    assert sorted((await store.page(by_agent)).bodies) == sorted(record.body for record in again)


async def test_a_file_locked_for_long_is_unavailable(
    path: Path, store: SqliteStore, rng: random.Random
) -> None:
    """While another program holds the write lock past the timeout, adding is refused; afterwards it works."""
    store._rows._connection.set_busy_timeout(1)
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    batch = some(rng, 3)
    with pytest.raises(StoreUnavailableError, match="could not write"):
        await store.add(NETWORK_SESSIONS, batch)
    other.execute("ROLLBACK")
    other.close()
    assert await store.add(NETWORK_SESSIONS, batch) == Added(stored=3, duplicates=0)
