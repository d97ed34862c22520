"""``hopsight admin accounts copy``: from one accounts database to another."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hopsight.cli.admin_options import JsonOption, group
from hopsight.cli.data_directory import DataOption, data_directory
from hopsight.cli.output import print_listing

if TYPE_CHECKING:
    from hopsight.accounts.copying import CopiedTable
    from hopsight.accounts.database import Database

accounts = group("The database of the accounts: move it, as when several servers are to share it.")

IN_DATA: Final = "sqlite"

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="sqlite (accounts.db in --data), or as --accounts: sqlite:///PATH, postgresql://...",
    ),
]
TargetArgument = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        envvar="HOPSIGHT_ACCOUNTS",
        help="Likewise: a database that nobody has used yet.",
        show_default=False,
    ),
]


@accounts.command("copy")
def copy_accounts_of(
    source: SourceArgument, target: TargetArgument, json: JsonOption = False, data: DataOption = None
) -> None:
    """Copy users, tokens, agents, rules, incidents and the audit log, with their IDs; all of it or nothing.

    Stop the servers of the source first: what they write later is not copied. Everything is read back and
    compared. Agents, tokens and browsers that are signed in go on as before.
    """
    from hopsight.cli.serving import require_server

    require_server()
    from msgspec import structs

    rows = _copy(source, target, data_directory(data))
    print_listing("tables", [structs.asdict(row) for row in rows], as_json=json)


def _copy(source: str, target: str, data: Path) -> "list[CopiedTable]":
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from hopsight.accounts.copying import copy_accounts

    _check_there(source, data)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed:.0f} rows"))
    with (
        _opened(source, data) as theirs,
        _opened(target, data) as ours,
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
    ):
        task = progress.add_task("", total=None)

        def tell(table: str, rows: int) -> None:
            progress.update(task, description=table, completed=rows)

        return copy_accounts(theirs, ours, tell)


def _check_there(source: str, data: Path) -> None:
    """Opening makes what is not there: a source that is not there is somebody's mistake."""
    from hopsight.accounts.engines import database_file
    from hopsight.errors import ConfigError

    file = database_file(_url(source), data)
    if file is not None and not file.is_file():
        raise ConfigError("source", file, "a database that is there")


@contextmanager
def _opened(url: str, data: Path) -> "Iterator[Database]":
    from hopsight.accounts.database import Database
    from hopsight.clock import SystemClock

    database = Database.open(_url(url), data, SystemClock())
    try:
        yield database
    finally:
        database.close()


def _url(given: str) -> str | None:
    return None if given == IN_DATA else given
