"""Accounts moved from one database to another: what is there afterwards, and when nothing is copied."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Boolean, Float, Integer, LargeBinary, Table, func, insert, select

from hopsight.accounts.accounts import Accounts
from hopsight.accounts.copying import BATCH_ROWS, TABLES, CopiedTable, copy_accounts
from hopsight.accounts.database import Database
from hopsight.errors import ConflictError, StoreUnavailableError
from hopsight.model.accounts import Role
from hopsight.testing import FakeClock

ROWS = 3
EMAIL = "ann@example.com"


@pytest.fixture(
    params=[("sqlite", "postgresql"), ("postgresql", "sqlite"), ("sqlite", "sqlite")],
    ids=lambda pair: f"{pair[0]} to {pair[1]}",
)
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """From where, and to where."""

    def url(kind: str, name: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / name}"
        found: str = request.getfixturevalue("postgresql_url")
        return found

    return url(request.param[0], "source.db"), url(request.param[1], "target.db")


def opened(url: str, data: Path, clock: FakeClock) -> "closing[Database]":
    """A database, for as long as it is needed."""
    return closing(Database.open(url, data, clock))


def accounts_at(url: str, data: Path, clock: FakeClock) -> "closing[Accounts]":
    """Accounts, likewise."""
    return closing(Accounts.open(url, data, clock))


def copied(
    urls: tuple[str, str],
    data: Path,
    clock: FakeClock,
    progress: Callable[[str, int], None] = lambda *_: None,
) -> list[CopiedTable]:
    """Copy from the first to the second."""
    with opened(urls[0], data, clock) as source, opened(urls[1], data, clock) as target:
        return copy_accounts(source, target, progress)


def a_row(table: Table, number: int) -> dict[str, Any]:
    """A row in which every column has a value of its own; the last one has NULLs where it may."""
    return {
        column.name: None if column.nullable and number == ROWS else a_value(column, number)
        for column in table.columns
    }


def a_value(column: Any, number: int) -> Any:
    """A value that fits a column. What refers to another table refers to its row of the same number."""
    while column.foreign_keys:
        column = next(iter(column.foreign_keys)).column
    match column.type:
        case Integer():
            return number
        case Boolean():
            return number % 2 == 0
        case Float():
            return number / 3
        case LargeBinary():
            return bytes([0, 255, number]) * 8
        case _:
            return f"é\u2028'{column.name}'{number}"[: column.type.length]


def fill(database: Database) -> None:
    """Put rows into every table there is."""
    with database.write() as connection:
        for table in TABLES:
            connection.execute(insert(table), [a_row(table, number) for number in range(1, ROWS + 1)])


def everything(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables."""
    with database.read() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in TABLES
        }


def test_every_row_of_every_table_is_there_afterwards(
    urls: tuple[str, str], data: Path, clock: FakeClock
) -> None:
    """Whatever a table holds, of every type and NULL too, the target holds the same; no table is left out."""
    with opened(urls[0], data, clock) as source:
        fill(source)
        expected = everything(source)

    told = copied(urls, data, clock)

    assert {each.table: each.rows for each in told} == dict.fromkeys(expected, ROWS)
    with opened(urls[1], data, clock) as target:
        assert everything(target) == expected


def test_tables_longer_than_a_batch_are_copied_whole(
    urls: tuple[str, str], data: Path, clock: FakeClock
) -> None:
    """Of a table that takes three batches, and whose key has two columns, no row is lost or copied twice."""
    rows = 2 * BATCH_ROWS + 1
    agents, labels = (
        next(each for each in TABLES if each.name == name) for name in ("agents", "agent_labels")
    )
    with opened(urls[0], data, clock) as source:
        fill(source)
        with source.write() as connection:
            template = a_row(agents, 1)
            few = [
                template | {"agent_id": f"agent-{number}", "enrolment_id": str(number)} for number in range(2)
            ]
            connection.execute(insert(agents), few)
            names = [{"agent_id": f"agent-{number % 2}", "label": str(number)} for number in range(rows)]
            connection.execute(insert(labels), names)

    told = copied(urls, data, clock)

    assert next(each.rows for each in told if each.table == "agent_labels") == rows + ROWS
    with opened(urls[1], data, clock) as target, target.read() as connection:
        assert connection.execute(select(func.count()).select_from(labels)).scalar_one() == rows + ROWS


def test_people_go_on_as_before(urls: tuple[str, str], data: Path, clock: FakeClock) -> None:
    """After a move a token still opens, and an ID that was given and deleted is not given again."""
    with accounts_at(urls[0], data, clock) as accounts:
        aid = accounts.create_account_group("Main", accounts.create_organization("Example"))
        accounts.create_user(EMAIL, Role.USER, [aid])
        token = accounts.create_token(EMAIL)
        gone = accounts.create_user("gone@example.com", Role.USER, [aid])
        accounts.delete_user("gone@example.com")

    copied(urls, data, clock)

    with accounts_at(urls[1], data, clock) as accounts:
        principal = accounts.authenticate_token(token)
        assert principal is not None
        assert principal.email == EMAIL
        assert accounts.create_user("new@example.com", Role.USER, [aid]) == gone + 1


def test_a_target_in_use_is_left_as_it_is(urls: tuple[str, str], data: Path, clock: FakeClock) -> None:
    """Accounts are not mixed: a target that holds some is refused, and keeps what it has."""
    with opened(urls[0], data, clock) as source:
        fill(source)
    with accounts_at(urls[1], data, clock) as accounts:
        accounts.create_organization("Theirs")

    with pytest.raises(ConflictError, match=r"The target holds accounts already \(1 in "):
        copied(urls, data, clock)

    with accounts_at(urls[1], data, clock) as accounts:
        assert [each.name for each in accounts.organizations()] == ["Theirs"]


def test_an_empty_source_is_a_mistake(urls: tuple[str, str], data: Path, clock: FakeClock) -> None:
    """A source without any account is refused: it is more likely the wrong one."""
    with pytest.raises(ConflictError, match="The source holds no accounts"):
        copied(urls, data, clock)


def test_broken_off_there_is_nothing(urls: tuple[str, str], data: Path, clock: FakeClock) -> None:
    """A copy that ends in the middle leaves the target as empty as it was, and can be run again."""
    with opened(urls[0], data, clock) as source:
        fill(source)
        expected = everything(source)

    def end_at_agents(table: str, _rows: int) -> None:
        if table == "agents":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copied(urls, data, clock, end_at_agents)
    with opened(urls[1], data, clock) as target:
        assert not any(everything(target).values())

    copied(urls, data, clock)
    with opened(urls[1], data, clock) as target:
        assert everything(target) == expected


def test_a_target_that_keeps_something_else_is_found_out(
    data: Path, clock: FakeClock, tmp_path: Path
) -> None:
    """What was written is read back: a row that is not as it was given undoes all of it."""
    urls = (f"sqlite:///{tmp_path}/source.db", f"sqlite:///{tmp_path}/target.db")
    with opened(urls[0], data, clock) as source:
        fill(source)
    with opened(urls[1], data, clock) as target, target.write() as connection:
        change = "UPDATE tokens SET created_s = created_s + 1 WHERE token_id = new.token_id"
        connection.exec_driver_sql(f"CREATE TRIGGER spoil AFTER INSERT ON tokens BEGIN {change}; END")

    with pytest.raises(StoreUnavailableError, match="did not keep tokens"):
        copied(urls, data, clock)

    with opened(urls[1], data, clock) as target:
        assert not any(everything(target).values())
