"""Erasing from SQLite's file: what is left in its bytes, and what another process sees of it."""

import asyncio
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import msgspec
import pytest

from hopsight.errors import ErasedError, StoreUnavailableError
from hopsight.model.dimensions import NETWORK_SESSIONS, USER_SESSIONS, Dimensions
from hopsight.model.kinds import KINDS
from hopsight.model.query import Record
from hopsight.storage import sqlite_agent
from hopsight.storage.sqlite import SqliteStore
from hopsight.storage.sqlite_file import migrate, migrations, open_reader, open_writer
from hopsight.testing import AGENT_ID, ROUND_ID, sample_record

pytestmark = pytest.mark.anyio

OTHER_AGENT = "1dc785bb-d391-47e1-8b33-1ba47bcd3315"
HOST = b"laptop-of-jane-doe"

ERASER = """
import asyncio, sys
from pathlib import Path
from hopsight.storage.sqlite import SqliteStore
async def main():
    store = SqliteStore(Path(sys.argv[1]))
    await store.erase(sys.argv[2])
    await store.sweep()
    await store.close()
asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is to be."""
    return tmp_path / "sessions.db"


def records(agent_id: str, count: int) -> list[Record]:
    """Records with the agent's ID in their body, and the host's name in it, too."""
    rng = random.Random(agent_id)
    made = [
        sample_record(
            rng,
            round_id=ROUND_ID + 60 * rng.randrange(50),
            dimensions=Dimensions(agent_id=agent_id, ssid=f"net-{rng.randrange(9)}"),
        )
        for _ in range(count)
    ]
    body = b'{"agentId":"%s","host":"%s"}' % (agent_id.encode(), HOST if agent_id == AGENT_ID else b"other")
    return [msgspec.structs.replace(record, body=body, detail=None) for record in made]


def bytes_of(path: Path) -> bytes:
    """All that is in the database and the files beside it."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*")))


async def fill(store: SqliteStore) -> None:
    """Records of two agents, some of them pruned since: their bytes are in free pages."""
    for agent_id in (AGENT_ID, OTHER_AGENT):
        for kind in KINDS:
            await store.add(kind, records(agent_id, 600))
    for kind in KINDS:
        await store.prune(kind, ROUND_ID + 60 * 20)


async def test_no_byte_of_an_erased_agent_is_left(path: Path) -> None:
    """Neither in tables and indexes, nor in free pages or the write-ahead log; others stay."""
    store = SqliteStore(path)
    await fill(store)
    assert AGENT_ID.encode() in bytes_of(path)
    assert HOST in bytes_of(path)
    kept = await store.count_of(OTHER_AGENT)
    await store.erase(AGENT_ID)
    await store.sweep()
    for when in ("while the store is open", "after it was closed"):
        left = bytes_of(path)
        assert AGENT_ID.encode() not in left, when
        assert HOST not in left, when
        assert OTHER_AGENT.encode() in left
        assert path.with_name("sessions.db-wal").exists() == (when == "while the store is open")
        if when == "while the store is open":
            assert await store.count_of(OTHER_AGENT) == kept
            await store.close()


async def test_a_sweep_alone_cleans_what_was_pruned(path: Path) -> None:
    """What was deleted before, by whatever, leaves the file with the same stroke."""
    store = SqliteStore(path)
    await fill(store)
    await store.prune(NETWORK_SESSIONS, ROUND_ID * 2)
    for kind in KINDS:
        await store.prune(kind, ROUND_ID * 2)
    assert AGENT_ID.encode() in bytes_of(path)
    await store.sweep()
    assert AGENT_ID.encode() not in bytes_of(path)
    await store.close()


async def test_another_process_erases_beside_a_store_that_is_open(path: Path) -> None:
    """The store that has known the agent well takes nothing more of it, reads nothing, and works on."""
    store = SqliteStore(path)
    ours, theirs = records(AGENT_ID, 50), records(OTHER_AGENT, 50)
    await store.add(USER_SESSIONS, ours[:40] + theirs[:40])
    eraser = await asyncio.create_subprocess_exec(sys.executable, "-c", ERASER, str(path), AGENT_ID)
    assert await eraser.wait() == 0
    with pytest.raises(ErasedError):
        await store.add(USER_SESSIONS, ours[40:])
    assert not any((await store.count_of(AGENT_ID)).values())
    assert AGENT_ID.encode() not in bytes_of(path)
    assert (await store.add(USER_SESSIONS, theirs)).stored == 10
    await store.close()


async def test_who_uploads_while_another_process_erases_loses_the_race(path: Path) -> None:
    """However erasing and a stream of uploads fall together, nothing is left at the end."""
    store = SqliteStore(path)
    ours = records(AGENT_ID, 3_000)
    await store.add(USER_SESSIONS, ours[:500])
    eraser = await asyncio.create_subprocess_exec(sys.executable, "-c", ERASER, str(path), AGENT_ID)
    refused = 0
    for place in range(500, 3_000):
        try:
            await store.add(USER_SESSIONS, ours[place : place + 1])
        except ErasedError:
            refused += 1
        await asyncio.sleep(0.001)
    assert await eraser.wait() == 0
    assert refused
    assert not any((await store.count_of(AGENT_ID)).values())
    await store.close()
    assert AGENT_ID.encode() not in bytes_of(path)


async def test_a_detail_without_its_record_counts_as_left(path: Path) -> None:
    """The count afterwards would find a detail that erasing had forgotten."""
    store = SqliteStore(path)
    await store.add(
        USER_SESSIONS, [msgspec.structs.replace(each, detail=b"{}") for each in records(AGENT_ID, 5)]
    )
    reader = open_reader(path)
    spans = sqlite_agent.spans_of(reader, AGENT_ID)
    await store.close()
    writer = open_writer(path)
    writer.execute("DELETE FROM user_sessions")
    assert sqlite_agent.count_orphans(reader, spans)["user_sessions_detail"] == 5
    writer.close()
    reader.close()


async def test_a_reader_that_stays_keeps_the_sweep_from_ending(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that cannot be emptied is said, not passed over."""
    monkeypatch.setattr(sqlite_agent, "SWEEP_WAIT_MS", 50)
    store = SqliteStore(path)
    await store.add(NETWORK_SESSIONS, records(AGENT_ID, 5))
    for holding in _holding(path):
        await store.erase(AGENT_ID)
        assert holding.in_transaction
        with pytest.raises(StoreUnavailableError):
            await store.sweep()
    await store.sweep()
    await store.close()
    assert AGENT_ID.encode() not in bytes_of(path)


def _holding(path: Path) -> Iterator[apsw.Connection]:
    reader = open_reader(path)
    reader.execute("BEGIN; SELECT count(*) FROM network_sessions").fetchall()
    yield reader
    reader.close()


async def test_a_file_of_the_version_before_can_erase(path: Path) -> None:
    """The table of erased agents comes with the next start, and the records stay until then."""
    connection = apsw.Connection(str(path))
    migrate(connection, [step for step in migrations() if step.number < 5])
    assert not connection.table_exists("main", "erased_agents")
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.close()
    store = SqliteStore(path)
    await store.add(NETWORK_SESSIONS, records(AGENT_ID, 5))
    assert sum(each.found for each in await store.erase(AGENT_ID)) > 5
    with pytest.raises(ErasedError):
        await store.add(NETWORK_SESSIONS, records(AGENT_ID, 1))
    await store.close()
