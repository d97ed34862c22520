"""``hopsight admin accounts copy``: what it prints, and what it says to a source that is not there."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hopsight.accounts.accounts import Accounts
from hopsight.cli.admin import app
from hopsight.errors import ConfigError, ConflictError
from hopsight.testing import FakeClock


def run(*arguments: str | Path, data: Path, environment: dict[str, str] | None = None) -> Result:
    """Run ``hopsight admin accounts copy``."""
    command = ["accounts", "copy", *map(str, arguments), "--data", str(data)]
    return CliRunner().invoke(app, command, env=environment)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with accounts in it."""
    accounts = Accounts.open(None, tmp_path, FakeClock())
    accounts.create_account_group("Main", accounts.create_organization("Example"))
    accounts.close()
    return tmp_path


def test_a_script_reads_what_was_copied(data: Path) -> None:
    """Each table is told with its rows, in the documented shape."""
    result = run("sqlite", f"sqlite:///{data / 'target.db'}", "--json", data=data)

    assert result.exit_code == 0, result.output
    rows = {each["table"]: each["rows"] for each in json.loads(result.stdout)["tables"]}
    assert rows["organizations"] == rows["account_groups"] == 1
    assert rows["agents"] == 0


def test_the_target_may_stand_in_the_environment(data: Path, postgresql_url: str) -> None:
    """A URL with a password need not be among the arguments; the command does not repeat it."""
    result = run("sqlite", data=data, environment={"HOPSIGHT_ACCOUNTS": postgresql_url})

    assert result.exit_code == 0, result.output
    assert "organizations" in result.output
    assert postgresql_url not in result.output
    accounts = Accounts.open(postgresql_url, data, FakeClock())
    assert [each.name for each in accounts.organizations()] == ["Example"]
    accounts.close()


def test_a_source_that_is_not_there_is_named_and_not_made(data: Path) -> None:
    """A path with a mistake in it is said, and no empty database is left where it points."""
    missing = data / "acounts.db"

    result = run(f"sqlite:///{missing}", f"sqlite:///{data / 'target.db'}", data=data)

    assert isinstance(result.exception, ConfigError)
    assert "acounts.db" in str(result.exception)
    assert not missing.exists()
    assert not (data / "target.db").exists()


def test_a_database_is_not_copied_onto_itself(data: Path) -> None:
    """The same database named twice holds accounts already: it is refused and stays as it is."""
    result = run("sqlite", f"sqlite:///{data / 'accounts.db'}", data=data)

    assert isinstance(result.exception, ConflictError)
    accounts = Accounts.open(None, data, FakeClock())
    assert [each.name for each in accounts.organizations()] == ["Example"]
    accounts.close()
