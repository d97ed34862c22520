"""`hopsight admin store`, as an operator types it, against a real ClickHouse."""

import asyncio
import json
import random
from pathlib import Path

import pytest
from tests.clickhouse import ESCAPED_PASSWORD, PASSWORD, ClickHouseServer
from typer.testing import CliRunner

from hopsight.cli.main import app
from hopsight.model.dimensions import NETWORK_SESSIONS
from hopsight.storage.sqlite import SqliteStore
from hopsight.testing import sample_record


def run(*words: str) -> tuple[int, str]:
    """Its status, and all that it said."""
    result = CliRunner().invoke(app, ["admin", "store", *words])
    return result.exit_code, result.output + str(result.exception or "")


def test_tables_are_made_and_looked_at(clickhouse: ClickHouseServer) -> None:
    """Before there are any, status says what to do; init makes them once; JSON has the same facts."""
    url = clickhouse.new_url()
    status, said = run("status", "--store", url)
    assert (status, "hopsight admin store init" in said) == (0, True)
    assert run("init", "--store", url) == (0, "Done: records.\n")
    assert run("migrate", "--store", url) == (0, "The tables are up to date already.\n")
    status, said = run("status", "--store", url)
    assert (status, "network_sessions" in said, PASSWORD in said) == (0, True, False)
    status, said = run("status", "--store", url, "--json")
    document = json.loads(said)
    assert (document["version"], document["usable"], document["shards"]) == (1, True, None)
    assert {each["rows"] for each in document["tables"]} == {0}


def test_a_store_is_copied_there_and_back(clickhouse: ClickHouseServer, tmp_path: Path) -> None:
    """From a file to ClickHouse and to another file: the same records, told in a table or as JSON."""
    rng = random.Random(1)
    records = sorted((sample_record(rng) for _ in range(3)), key=lambda record: record.record_id)

    async def fill() -> None:
        store = SqliteStore(tmp_path / "old.db")
        await store.add(NETWORK_SESSIONS, records)
        await store.close()

    async def read() -> list[bytes]:
        store = SqliteStore(tmp_path / "new.db")
        found = store.records_between(NETWORK_SESSIONS, records[0].aid, 0, 2 * records[0].round_id)
        bodies = [record.body async for record in found]
        await store.close()
        return bodies

    asyncio.run(fill())
    url = clickhouse.new_url()
    assert run("init", "--store", url)[0] == 0
    status, said = run("copy", f"sqlite:{tmp_path}/old.db", url)
    assert status == 0
    assert "network-sessions" in said
    result = CliRunner().invoke(app, ["admin", "store", "copy", url, f"sqlite:{tmp_path}/new.db", "--json"])
    assert result.exit_code == 0
    kinds = {each["kind"]: each for each in json.loads(result.stdout)["kinds"]}
    assert kinds["network-sessions"] == {
        "kind": "network-sessions",
        "records": 3,
        "copied": 3,
        "compared": 3,
    }
    assert asyncio.run(read()) == [record.body for record in records]


@pytest.mark.parametrize(
    "words",
    [
        ("init", "--store", "sqlite:x.db"),
        ("status", "--store", f"clickhouse://u:{ESCAPED_PASSWORD}@host/a-b"),
        ("copy", "memory:", "sqlite:x.db"),
        ("copy", "sqlite:/nowhere/at/all.db", "sqlite:x.db"),
    ],
)
def test_what_cannot_be_is_told(words: tuple[str, ...]) -> None:
    """A store that the command is not for, and one that is not there, are named with what is accepted."""
    status, said = run(*words)
    assert status != 0
    assert "accepted" in said
    assert ESCAPED_PASSWORD not in said
