"""From old versions to today's, on both databases. ``versions`` holds what each of them wrote, as SQL."""

import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import apsw
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, select, text, update
from tests.accounts.test_database import WRITER
from tests.postgresql import PostgresServer

from hopsight.accounts import engines, migrations
from hopsight.accounts.accounts import Accounts
from hopsight.accounts.alert_tables import outbox
from hopsight.accounts.browser_sessions import Device
from hopsight.accounts.database import Database
from hopsight.accounts.migrations import LAST_NUMBERED, NEWEST, alembic_version, upgrading
from hopsight.accounts.schema import metadata, schema_version
from hopsight.errors import ConfigError
from hopsight.model.accounts import Role
from hopsight.model.agents import AgentInfo, Target
from hopsight.model.alerts import AlertRule
from hopsight.model.upload import Enrolment
from hopsight.testing import FakeClock

VERSIONS = sorted(Path(__file__).parent.joinpath("versions").glob("v*.sql"))
AGENT_ID = "6f1b1f5e-0d0a-4c63-9c0e-1a2b3c4d5e6f"


def differences(engine: Engine) -> list[Any]:
    """What the tables of a database lack, or have too much, to be those of the code."""

    def counts(_object: object, name: str | None, type_: str, *_rest: object) -> bool:
        return (type_, name) != ("table", alembic_version.name)

    with engine.begin() as connection:
        # On PostgreSQL types are wider on purpose; there, they are compared with those of a new database.
        options = {"compare_type": engine.dialect.name == "sqlite", "include_object": counts}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))


def columns(engine: Engine) -> dict[str, dict[str, str]]:
    """The columns of all tables, in the words of the database itself."""
    told = inspect(engine)
    return {
        table: {
            column["name"]: f"{column['type']!r} {column['nullable']} {column['default']}"
            for column in told.get_columns(table)
        }
        for table in sorted(told.get_table_names())
    }


def write_old(path: Path, data: Path) -> None:
    """Write the file of an old version."""
    data.mkdir()
    connection = apsw.Connection(str(data / "accounts.db"))
    connection.execute(path.read_text(encoding="utf-8"))
    connection.close()


def test_every_numbered_version_is_there() -> None:
    """No version of before is left out."""
    assert [path.stem for path in VERSIONS] == [f"v{number:02}" for number in range(1, LAST_NUMBERED + 1)]


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: path.stem)
def test_a_file_of_every_version_is_brought_up_to_date(path: Path, data: Path, clock: FakeClock) -> None:
    """Its user, token, key, agent and target are as they were, it takes all that is new, and no ID twice."""
    write_old(path, data)
    accounts = Accounts.open(None, data, clock)
    try:
        assert [user.email for user in accounts.users()] == ["jane@example.com"]
        principal = accounts.authenticate_token("t" * 43)
        assert principal is not None
        assert accounts.authenticate_agent(AGENT_ID, "a" * 43) is not None
        assert [item.target for item in accounts.listed_targets(1)] == [Target(host="a.example", port=443)]
        assert accounts.sign_ins.begin_by_token("t" * 43, Device()) is not None
        accounts.labels.add(AGENT_ID, "desk")
        accounts.alerts.rules.add(1, AlertRule(name="Slow", metric="latency", threshold=100))
        info = AgentInfo(computer_name="c", platform="Linux", os_version="1", kernel_version="1", version="0")
        asked = Enrolment(enrolment_id=str(uuid.UUID(int=1, version=4)), secret="s" * 43, agent=info)
        accounts.enrol("k" * 43, asked, None)
        accounts.delete_target(1)
        assert accounts.add_target(1, Target(host="b.example")) == 2
        assert differences(accounts._database._engine) == []
    finally:
        accounts.close()


def test_processes_bring_one_file_up_to_date_at_once(data: Path, clock: FakeClock) -> None:
    """Four that open the file of the first version at the same time all go on with it."""
    write_old(VERSIONS[0], data)
    arguments = [[sys.executable, "-c", WRITER, str(data), name] for name in "abcd"]
    writers = [subprocess.Popen(each, stderr=subprocess.PIPE) for each in arguments]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors.decode()
    accounts = Accounts.open(None, data, clock)
    assert len(accounts.organizations()) == 41
    accounts.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_versions_lead_to_the_tables_of_the_code(
    kind: str, tmp_path: Path, data: Path, clock: FakeClock, request: pytest.FixtureRequest
) -> None:
    """All steps from nothing, and a new database, have the same tables, columns, keys and defaults."""
    data.mkdir()
    stepped, new = f"sqlite:///{data}/stepped.db", f"sqlite:///{data}/new.db"
    if kind == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgresql")
        stepped, new = (server.url(server.new_database()) for _ in range(2))
    Accounts.open(new, tmp_path, clock).close()
    engine, made = engines.create(stepped, data), engines.create(new, data)
    try:
        with engine.execution_options(writes="tables").begin() as connection:
            command.upgrade(upgrading.configuration(connection), "head")
        assert differences(engine) == differences(made) == []
        assert columns(engine) == columns(made)
    finally:
        engine.dispose()
        made.dispose()


def test_the_newest_version_is_the_last_step(accounts: Accounts) -> None:
    """What the code says of the newest version is what Alembic finds, in one line of steps."""
    with accounts._database.read() as connection:
        script = ScriptDirectory.from_config(upgrading.configuration(connection))
        assert script.get_heads() == [NEWEST]
        assert connection.execute(select(alembic_version.c.version_num)).scalars().all() == [NEWEST]
    assert [step.revision for step in script.walk_revisions()] == [
        f"{number:04}" for number in range(int(NEWEST), 0, -1)
    ]


def test_a_file_of_the_last_numbered_version_is_stamped(data: Path, clock: FakeClock) -> None:
    """Its tables stay as they are, and programs that know only numbers see that it is too new."""
    write_old(VERSIONS[-1], data)
    file = apsw.Connection(str(data / "accounts.db"))
    outbox_as_it_was = file.execute(f"SELECT sql FROM sqlite_master WHERE name = '{outbox.name}'").fetchall()
    Accounts.open(None, data, clock).close()
    assert (
        outbox_as_it_was
        == file.execute(f"SELECT sql FROM sqlite_master WHERE name = '{outbox.name}'").fetchall()
    )
    assert file.execute("SELECT version_num FROM alembic_version").fetchall() == [(NEWEST,)]
    ((number,),) = file.execute("SELECT version FROM schema_version").fetchall()
    assert isinstance(number, int)
    assert number > LAST_NUMBERED
    file.close()


def test_a_newer_database_is_left_alone(
    accounts: Accounts, accounts_url: str | None, data: Path, clock: FakeClock
) -> None:
    """A database that a newer version has written is refused in words, whichever way it counts."""
    with accounts._database.write() as connection:
        connection.execute(update(alembic_version).values(version_num="9999"))
    with pytest.raises(ConfigError, match="version 9999"):
        Accounts.open(accounts_url, data, clock)
    with accounts._database.write() as connection:
        connection.execute(update(schema_version).values(version=99))
    with pytest.raises(ConfigError, match="version 99'"):
        Accounts.open(accounts_url, data, clock)


def test_a_server_goes_on_while_a_newer_one_adds_to_the_tables(
    accounts: Accounts, accounts_url: str | None, data: Path
) -> None:
    """New tables, and columns that may be empty or have a default, are in nobody's way who runs."""
    aid = accounts.create_account_group("Before", accounts.create_organization("One"))
    newer = engines.create(accounts_url, data)
    with newer.execution_options(writes="tables").begin() as connection:
        connection.execute(text("CREATE TABLE notes (id INTEGER PRIMARY KEY)"))
        for table in ("users", "account_groups", "tokens", "agents"):
            connection.execute(text(f"ALTER TABLE {table} ADD COLUMN may_be_empty TEXT"))
            connection.execute(text(f"ALTER TABLE {table} ADD COLUMN has_one INTEGER NOT NULL DEFAULT 0"))
        connection.execute(update(alembic_version).values(version_num="9999"))
    newer.dispose()
    accounts.create_user("jane@example.org", Role.ORG_ADMIN, [aid])
    assert accounts.authenticate_token(accounts.create_token("jane@example.org")) is not None
    info = AgentInfo(computer_name="c", platform="Linux", os_version="1", kernel_version="1", version="0")
    asked = Enrolment(enrolment_id=str(uuid.UUID(int=1, version=4)), secret="s" * 43, agent=info)
    agent_id = accounts.enrol(accounts.create_group_key(aid), asked, None).agent_id
    assert [agent.agent_id for agent in accounts.agents(aid)] == [agent_id]


def test_a_step_that_fails_leaves_the_database_as_it_was(
    data: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All steps are kept, or none."""
    write_old(VERSIONS[0], data)

    def upgrade(connection: Any, version: str) -> None:
        upgrading_upgrade(connection, version)
        raise InterruptedError

    upgrading_upgrade = upgrading.upgrade
    with monkeypatch.context() as patched:
        patched.setattr(upgrading, "upgrade", upgrade)
        with pytest.raises(InterruptedError):
            Accounts.open(None, data, clock)
    file = apsw.Connection(str(data / "accounts.db"))
    assert file.execute("SELECT version FROM schema_version").fetchall() == [(1,)]
    assert file.execute("SELECT * FROM sqlite_master WHERE name = 'alembic_version'").fetchall() == []
    file.close()
    Accounts.open(None, data, clock).close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_tables_of_another_program_are_left_alone(
    kind: str, data: Path, clock: FakeClock, request: pytest.FixtureRequest
) -> None:
    """A database in which somebody else keeps users is refused."""
    url = f"sqlite:///{data}/other.db"
    data.mkdir()
    if kind == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgresql")
        url = server.url(server.new_database())
    engine = engines.create(url, data)
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("CREATE TABLE users (id INTEGER)"))
    engine.dispose()
    with pytest.raises(ConfigError, match="users"):
        Database.open(url, data, clock)


def test_a_database_of_today_needs_no_alembic(
    accounts: Accounts,
    accounts_url: str | None,
    data: Path,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Opening it runs no step, and so takes no longer than before."""
    assert accounts.organizations() == []
    monkeypatch.setattr(migrations, "_create", None)
    monkeypatch.setattr(upgrading, "upgrade", None)
    again = Accounts.open(accounts_url, data, clock)
    assert again.organizations() == []
    again.close()


def test_without_alembic_it_says_what_to_install(
    data: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code that is newer than what was installed with it leaves an old file as it is."""
    write_old(VERSIONS[0], data)
    with monkeypatch.context() as patched:
        patched.delattr(migrations, "upgrading")
        for name in ("alembic", "hopsight.accounts.migrations.upgrading"):
            patched.setitem(sys.modules, name, None)
        with pytest.raises(ConfigError, match="hopsight\\[server\\]"):
            Accounts.open(None, data, clock)
    Accounts.open(None, data, clock).close()
