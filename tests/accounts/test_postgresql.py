"""Accounts on PostgreSQL: several servers, a server that goes and comes, and what has to be as on SQLite."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.engine import make_url
from tests.accounts.test_agents import an_enrolment
from tests.accounts.test_database import WRITER
from tests.postgresql import PASSWORD, PostgresServer, free_port

from hopsight.accounts import engines
from hopsight.accounts.accounts import Accounts
from hopsight.accounts.database import REVISION_AGE_S
from hopsight.accounts.failures import PAUSE_S
from hopsight.errors import ConfigError, ConflictError, InvalidValueError, StoreUnavailableError
from hopsight.model.accounts import Role
from hopsight.testing import FakeClock

EMAIL = "jane@example.org"


@pytest.fixture
def opened(postgresql_url: str, data: Path, clock: FakeClock) -> Iterator[Accounts]:
    """Accounts on PostgreSQL."""
    accounts = Accounts.open(postgresql_url, data, clock)
    yield accounts
    accounts.close()


@pytest.fixture
def stop(postgresql: PostgresServer) -> Iterator[Callable[[], None]]:
    """Stops the server as a crash does; it is started again for the tests that follow."""
    yield postgresql.crash
    postgresql.start()


def a_user(accounts: Accounts) -> tuple[int, str]:
    """An account group and the token of its user."""
    aid = accounts.create_account_group("Main", accounts.create_organization("One"))
    accounts.create_user(EMAIL, Role.ORG_ADMIN, [aid])
    return aid, accounts.create_token(EMAIL)


def test_processes_create_and_write_at_the_same_time(
    postgresql: PostgresServer, data: Path, clock: FakeClock
) -> None:
    """Four servers that meet on an empty database make its tables once, lose nothing and lock nobody out."""
    url = postgresql.url(postgresql.new_database())
    arguments = [[sys.executable, "-c", WRITER, str(data), name, url] for name in "abcd"]
    writers = [subprocess.Popen(each, stderr=subprocess.PIPE) for each in arguments]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors.decode()
    accounts = Accounts.open(url, data, clock)
    try:
        assert len(accounts.organizations()) == 40
        assert [each.org_id for each in accounts.organizations()] == list(range(1, 41))
    finally:
        accounts.close()


def test_numbers_and_texts_are_as_wide_as_on_sqlite(opened: Accounts) -> None:
    """All numbers have 64 bits; all texts are of any length, and in the order of their bytes."""
    with opened._database.read() as connection:
        kinds = connection.execute(
            text(
                "SELECT DISTINCT data_type, collation_name FROM information_schema.columns"
                " WHERE table_schema = 'public' AND table_name <> 'alembic_version' ORDER BY 1"
            )
        ).all()
    assert [tuple(kind) for kind in kinds] == [
        ("bigint", None),
        ("boolean", None),
        ("bytea", None),
        ("double precision", None),
        ("text", "C"),
    ]


def test_lists_are_in_the_order_of_bytes(accounts: Accounts) -> None:
    """On both databases, whatever order a language would have."""
    aid, _ = a_user(accounts)
    agent_id = accounts.enrol(accounts.create_group_key(aid), an_enrolment(), None).agent_id
    labels = ["b", "B", "a", "_", "Ä", "ä", "10", "9", "a b", "A-b"]
    for label in labels:
        accounts.labels.add(agent_id, label)
    assert accounts.labels.by_agent(aid)[agent_id] == sorted(labels, key=str.encode)


def test_times_and_ids_may_have_more_than_32_bits(accounts: Accounts, clock: FakeClock) -> None:
    """The year 2106 is kept, and an ID that cannot be is unknown, not an error."""
    clock.advance(2**33)
    aid, _ = a_user(accounts)
    assert accounts.users_of([aid])[0].created_s == int(clock.now()) > 2**32
    assert accounts.account_group(2**40) is None
    assert accounts.listed_targets(2**62) == []


@pytest.mark.parametrize("value", ["a\0b", "\0"])
def test_a_nul_character_is_refused(accounts: Accounts, value: str) -> None:
    """PostgreSQL cannot keep it, and SQLite should not: both say so, and repeat nothing."""
    aid, _ = a_user(accounts)
    with pytest.raises(InvalidValueError, match="NUL"):
        accounts.count_agents(aid, agent_name=value)
    assert accounts.count_agents(aid) == 0


def test_a_number_of_more_than_64_bits_is_refused(accounts: Accounts, clock: FakeClock) -> None:
    """It is not kept, on both databases in the same words."""
    clock.advance(2.0**64)
    with pytest.raises(InvalidValueError, match="64 bits"):
        accounts.create_organization("Late")
    assert accounts.organizations() == []


def test_limits_hold_when_many_come_at_once(
    accounts: Accounts, accounts_url: str | None, data: Path, clock: FakeClock
) -> None:
    """Of eight agents that enrol at the same time with several servers, those three that have room are in."""
    aid, _ = a_user(accounts)
    key = accounts.create_group_key(aid)
    doors = [Accounts.open(accounts_url, data, clock, max_agents=3) for _ in range(8)]

    def enrol(door: Accounts) -> bool:
        try:
            door.enrol(key, an_enrolment(), None)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(len(doors)) as threads:
        let_in = list(threads.map(enrol, doors))
    for door in doors:
        door.close()
    assert let_in.count(True) == 3 == accounts.count_agents(aid)


def test_what_we_change_we_see_at_once(opened: Accounts) -> None:
    """A token that this server deletes is refused by its next request, without time passing."""
    _, token = a_user(opened)
    assert opened.authenticate_token(token) is not None
    opened.delete_token(opened.tokens()[0].token_id)
    assert opened.authenticate_token(token) is None


def test_another_servers_change_is_seen_in_time(
    opened: Accounts, postgresql_url: str, tmp_path: Path, clock: FakeClock
) -> None:
    """A token that another server deletes is refused after ``REVISION_AGE_S`` at the latest."""
    _, token = a_user(opened)
    assert opened.authenticate_token(token) is not None
    clock.advance(REVISION_AGE_S / 2)
    other = Accounts.open(postgresql_url, tmp_path / "other", clock)
    other.delete_token(other.tokens()[0].token_id)
    other.close()
    clock.advance(REVISION_AGE_S / 2)
    assert opened.authenticate_token(token) is None


def test_a_server_that_goes_and_comes(
    opened: Accounts, postgresql: PostgresServer, stop: Callable[[], None], clock: FakeClock
) -> None:
    """Meanwhile all is refused, also what is known by heart; then it goes on, and what was said is there."""
    _, token = a_user(opened)
    assert opened.authenticate_token(token) is not None
    stop()
    for ask in (opened.organizations, lambda: opened.create_organization("Lost")):
        clock.advance(PAUSE_S)
        with pytest.raises(StoreUnavailableError) as caught:
            ask()
        assert str(caught.value) == "The accounts database is not available"
    clock.advance(REVISION_AGE_S)
    with pytest.raises(StoreUnavailableError):
        opened.authenticate_token(token)
    postgresql.start()
    with pytest.raises(StoreUnavailableError):
        opened.organizations()
    clock.advance(PAUSE_S)
    assert [each.name for each in opened.organizations()] == ["One"]
    assert opened.authenticate_token(token) is not None


def test_connections_that_died_unseen_are_made_anew(
    opened: Accounts, postgresql: PostgresServer, stop: Callable[[], None]
) -> None:
    """A restart while nobody asks is not noticed."""
    a_user(opened)
    stop()
    postgresql.start()
    opened.create_organization("Two")
    assert [each.name for each in opened.organizations()] == ["One", "Two"]


def test_who_waits_too_long_is_told(
    postgresql_url: str, data: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a writer that does not end one is sent away, and those who only read are not kept."""
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_MS", 100)
    one, other = (Accounts.open(postgresql_url, data, clock) for _ in range(2))
    with one._database.write():
        assert other.organizations() == []
        with pytest.raises(StoreUnavailableError):
            other.create_organization("Late")
    other.create_organization("In time")
    one.close()
    other.close()


def test_a_transaction_that_nobody_ends_is_ended(
    postgresql_url: str, data: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that hangs while it writes does not keep the others from it."""
    monkeypatch.setattr(engines, "IDLE_TIMEOUT_MS", 200)
    one, other = (Accounts.open(postgresql_url, data, clock) for _ in range(2))
    with pytest.raises(StoreUnavailableError), one._database.write():
        other.create_organization("Not kept from it")
    clock.advance(PAUSE_S)
    assert len(one.organizations()) == 1
    one.close()
    other.close()


WRONG = {
    "postgresql://u:secret@h:abc/d": "postgresql://USER",
    "postgresql://u:secret@h": "without a database",
    "postgresql://u:secret@h/d?nonsense=secret": "libpq",
    "postgresql+asyncpg://u:secret@h/d": "postgresql+asyncpg://...",
    "mysql://u:secret@h/d": "mysql://...",
    "postgresql:secret": "postgresql://USER",
}


@pytest.mark.parametrize("url", WRONG)
def test_a_wrong_url_is_refused_without_its_password(data: Path, clock: FakeClock, url: str) -> None:
    """The message says what is accepted, but repeats no secret."""
    with pytest.raises(ConfigError) as caught:
        Accounts.open(url, data, clock)
    assert WRONG[url] in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("kind", ["postgres", "postgresql+psycopg"])
def test_it_has_several_names(postgresql_url: str, data: Path, clock: FakeClock, kind: str) -> None:
    """URLs as other programs spell them lead to the same database."""
    accounts = Accounts.open(postgresql_url.replace("postgresql", kind, 1), data, clock)
    assert accounts.organizations() == []
    accounts.close()


def test_a_database_that_cannot_be_used_says_why(postgresql_url: str, data: Path, clock: FakeClock) -> None:
    """Who starts a server reads PostgreSQL's own reason, and no password."""
    url = make_url(postgresql_url)
    for wrong, reason in (
        (url.set(password="secret"), "password authentication failed"),
        (url.set(database="nowhere"), "does not exist"),
        (url.set(port=free_port()), "refused"),
    ):
        with pytest.raises(StoreUnavailableError, match=reason) as caught:
            Accounts.open(wrong.render_as_string(hide_password=False), data, clock)
        assert "secret" not in str(caught.value)
        assert PASSWORD not in str(caught.value)


def test_another_encoding_is_refused(postgresql: PostgresServer, data: Path, clock: FakeClock) -> None:
    """Names are in all languages."""
    postgresql.administer(
        sql.SQL(
            "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'"
        ).format()
    )
    with pytest.raises(ConfigError, match="UTF8"):
        Accounts.open(postgresql.url("latin"), data, clock)


def test_without_its_driver_it_says_what_to_install(
    postgresql_url: str, data: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server alone is installed without it."""
    without: dict[str, Any] = dict.fromkeys([name for name in sys.modules if name.startswith("psycopg")])
    for name in {"psycopg", *without}:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match="postgresql"):
        Accounts.open(postgresql_url, data, clock)


def test_a_server_that_stands_still_is_waited_for_only_so_long(
    postgresql: PostgresServer,
    postgresql_url: str,
    data: Path,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stopped in the middle of its work it acknowledges what is sent, and keeps no timeout of its own."""
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_MS", 300)
    monkeypatch.setattr(engines, "PATIENCE_S", 0.2)
    accounts = Accounts.open(postgresql_url, data, clock)
    a_user(accounts)
    stopped = postgresql.pids()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        for ask in (accounts.organizations, lambda: accounts.create_organization("Late")):
            clock.advance(PAUSE_S)
            with pytest.raises(StoreUnavailableError, match=r"^The accounts database is not available$"):
                ask()
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    clock.advance(PAUSE_S)
    assert [each.name for each in accounts.organizations()] == ["One"]
    accounts.close()


def test_a_statement_that_takes_too_long_is_not_taken_for_silence(opened: Accounts) -> None:
    """PostgreSQL ends it by itself, says so, and the connection stays."""
    pids, refused = [], []
    for sleep_s in (0.0, 5.0, 0.0):
        try:
            with opened._database.read() as connection:
                pids.append(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
                connection.execute(text("SET LOCAL statement_timeout = 100"))
                connection.execute(text("SELECT pg_sleep(:s)"), {"s": sleep_s})
        except StoreUnavailableError:
            refused.append(sleep_s)
    assert refused == [5.0]
    assert len(set(pids)) == 1
