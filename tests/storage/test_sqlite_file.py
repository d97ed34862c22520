"""Opening SQLite's file: schema, migrations, settings, and what is refused."""

import asyncio
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from hopsight.errors import ConfigError, StoreUnavailableError
from hopsight.model.dimensions import NETWORK_PROBES, Dimensions
from hopsight.model.kinds import KINDS
from hopsight.model.query import Filter, Query
from hopsight.model.topology import TargetKind, network_probe_id
from hopsight.storage import open_store
from hopsight.storage.sqlite import SqliteStore
from hopsight.storage.sqlite_file import Migration, migrate, migrations, open_reader, open_writer
from hopsight.testing import FakeClock

NETWORK_ID = "0123456789ab"
TARGET_KINDS: tuple[TargetKind, ...] = ("gateway", "proxy", "vpn")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


def columns(connection: apsw.Connection, table: str) -> list[str]:
    return [str(row[0]) for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]


def test_the_dimension_columns_are_the_fields_of_dimensions(path: Path) -> None:
    """After all migrations each kind's dimension table has a column for every field, and no more."""
    connection = open_writer(path)
    for kind in KINDS.values():
        found = columns(connection, f"{kind.table}_dim")
        assert sorted(found) == sorted(["dim", "aid", "digest", *Dimensions.__struct_fields__])
    connection.close()


def test_migrations_are_numbered_without_gaps() -> None:
    """Schema files are 0001, 0002 and so on."""
    assert [step.number for step in migrations()] == list(range(1, len(migrations()) + 1))


def test_the_file_is_set_up_as_measured(path: Path) -> None:
    """Commits reach the disk (FULL), readers do not wait (WAL), pages have 16 KiB."""
    connection = open_writer(path)
    settings = {name: connection.pragma(name) for name in ("journal_mode", "synchronous", "page_size")}
    connection.close()
    assert settings == {"journal_mode": "wal", "synchronous": 2, "page_size": 16384}


def test_an_older_file_gets_the_steps_it_lacks(path: Path) -> None:
    """A step that is new is applied once to a file that exists, and its rows stay."""
    old = migrations()
    connection = open_writer(path)
    connection.execute("INSERT INTO network_sessions (aid, round_id, id) VALUES (1, 60, 'x')")
    new = [*old, Migration(len(old) + 1, "ALTER TABLE {table} ADD COLUMN later TEXT;")]
    migrate(connection, new)
    migrate(connection, new)
    assert "later" in columns(connection, "network_sessions")
    assert connection.pragma("user_version") == len(new)
    assert connection.execute("SELECT count(*) FROM network_sessions").get == 1
    connection.close()


def test_a_kind_that_is_new_to_the_file_gets_every_step(path: Path) -> None:
    """When a kind's tables are missing from a file of the newest version, opening makes them."""
    connection = open_writer(path)
    connection.execute("DROP TABLE network_sessions; DROP TABLE network_sessions_dim")
    connection.close()
    connection = open_writer(path)
    assert connection.table_exists("main", "network_sessions")
    connection.close()


def test_only_kinds_with_a_detail_have_a_table_for_it(path: Path) -> None:
    """In a new file, and in one that was written before there were details, whose rows stay."""
    before = [step for step in migrations() if step.number < 3]
    connection = apsw.Connection(str(path))
    migrate(connection, before)
    connection.execute("INSERT INTO user_sessions (aid, round_id, id) VALUES (1, 60, 'x')")
    connection.close()
    for opened in (open_writer(path), open_writer(path.with_name("new.db"))):
        for kind in KINDS.values():
            assert opened.table_exists("main", f"{kind.table}_detail") == (kind.detail is not None)
        opened.close()
    reader = open_reader(path)
    assert reader.execute("SELECT count(*) FROM user_sessions").get == 1
    reader.close()


def test_a_kind_that_has_a_detail_from_now_on_gets_its_table(path: Path) -> None:
    """When the table is missing from a file of the newest version, opening makes it."""
    connection = open_writer(path)
    connection.execute("DROP TABLE user_sessions_detail")
    connection.close()
    connection = open_writer(path)
    assert columns(connection, "user_sessions_detail") == ["aid", "round_id", "id", "detail"]
    connection.close()


def write_old_probes(path: Path) -> None:
    """A file of before probes could be told apart: one of each kind, of two agents; their IDs for bodies."""
    connection = apsw.Connection(str(path))
    migrate(connection, [step for step in migrations() if step.number < 4])
    for dim, agent_id in enumerate(("236e6f18", "3fde6422"), 1):
        connection.execute(
            "INSERT INTO network_probes_dim (dim, aid, digest, agent_id, gateway) VALUES (?, 1, ?, ?, 'g')",
            (dim, bytes([dim]) * 32, agent_id),
        )
        for kind in TARGET_KINDS:
            record_id = network_probe_id(1, NETWORK_ID, 300, agent_id, kind)
            connection.execute(
                "INSERT INTO network_probes (aid, round_id, id, dim, body) VALUES (1, 300, ?, ?, ?)",
                (record_id, dim, record_id.encode()),
            )
    connection.execute("INSERT INTO user_sessions_dim (aid, digest, agent_id) VALUES (1, x'01', 'a')")
    connection.close()


@pytest.mark.parametrize("agent_id", ["236e6f18", "3fde6422"])
def test_probes_of_before_are_told_apart_by_their_ids(path: Path, agent_id: str) -> None:
    """Once the file is up to date each is found by its kind, and by all that it was found by before."""
    write_old_probes(path)
    open_writer(path).close()

    async def found(*filters: Filter) -> list[bytes]:
        store = SqliteStore(path)
        query = Query(kind=NETWORK_PROBES, aid=1, first_round=0, last_round=600, filters=filters)
        page = await store.page(query)
        await store.close()
        return page.bodies

    for kind in TARGET_KINDS:
        expected = network_probe_id(1, NETWORK_ID, 300, agent_id, kind).encode()
        for more in (Filter("agent_id", (agent_id,)), Filter("gateway", ("g",))):
            bodies = asyncio.run(found(Filter("target_kind", (kind,)), more))
            assert expected in bodies
            assert len(bodies) == (1 if more.column == "agent_id" else 2)
    reader = open_reader(path)
    assert reader.execute("SELECT target_kind FROM user_sessions_dim").get is None
    reader.close()


def test_a_failing_step_leaves_the_file_as_it_was(path: Path) -> None:
    """Migrations are all or nothing."""
    connection = open_writer(path)
    before = connection.pragma("user_version")
    steps = [*migrations(), Migration(98, "CREATE TABLE half (x);"), Migration(99, "CREATE NONSENSE;")]
    with pytest.raises(apsw.SQLError):
        migrate(connection, steps)
    assert connection.pragma("user_version") == before
    assert not connection.table_exists("main", "half")
    connection.close()


def test_a_newer_file_is_refused(path: Path) -> None:
    """A file written by a newer version is left alone, with an error that says what to do."""
    connection = open_writer(path)
    connection.pragma("user_version", 999)
    connection.close()
    with pytest.raises(ConfigError, match=r"not 999; update Hopsight"):
        open_writer(path)


def test_a_file_of_something_else_is_refused(path: Path) -> None:
    """What is no SQLite file is refused as a wrong setting."""
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(ConfigError, match="an SQLite file of Hopsight's"):
        SqliteStore(path)


def test_a_place_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    """A missing directory is an error of the store, not of SQLite's driver."""
    with pytest.raises(StoreUnavailableError):
        SqliteStore(tmp_path / "missing" / "sessions.db")


def test_a_reader_cannot_write(path: Path) -> None:
    """Connections for reading refuse to change anything."""
    open_writer(path).close()
    reader = open_reader(path)
    with pytest.raises(apsw.ReadOnlyError):
        reader.execute("DELETE FROM network_sessions")
    reader.close()


@pytest.mark.parametrize("url", ["duckdb:x", "", "memory:x", "Sqlite"])
def test_an_unknown_store_is_refused(tmp_path: Path, url: str) -> None:
    """A URL that names no backend is a wrong setting, and the error says what is accepted."""
    with pytest.raises(ConfigError, match="memory:"):
        open_store(url, tmp_path, FakeClock())


@pytest.mark.parametrize(("url", "file"), [("sqlite", "sessions.db"), ("sqlite:{0}/other.db", "other.db")])
def test_the_url_says_where_the_file_is(tmp_path: Path, url: str, file: str) -> None:
    """``sqlite`` alone is in the data directory, with a path it is there."""
    store = open_store(url.format(tmp_path), tmp_path, FakeClock())
    asyncio.run(store.close())
    assert (tmp_path / file).is_file()


OPENER = """
import sys
from pathlib import Path
from hopsight.storage.sqlite_file import open_writer
print("ready", flush=True)
sys.stdin.readline()
open_writer(Path(sys.argv[1])).close()
"""


def test_a_new_file_is_opened_by_many_at_once(tmp_path: Path) -> None:
    """Servers that start at the same moment over one file that is not there yet all come up."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, tmp_path / "sessions.db"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=30)
    assert [process.returncode for process in processes] == [0] * 6
