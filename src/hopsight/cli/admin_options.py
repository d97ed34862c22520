"""What the commands of ``hopsight admin`` share: their options, and the way to the accounts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hopsight.cli.data_directory import data_directory

if TYPE_CHECKING:
    from hopsight.accounts.accounts import Accounts

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document, for scripts.")]
AccountsOption = Annotated[
    str | None,
    typer.Option(
        "--accounts",
        envvar="HOPSIGHT_ACCOUNTS",
        metavar="URL",
        help="Database of the accounts, as for the server. Default: accounts.db in --data.",
        show_default=False,
    ),
]
GroupOption = Annotated[int, typer.Option("--account-group", metavar="AID", help="Account group, by its ID.")]
OptionalGroupOption = Annotated[
    int | None,
    typer.Option("--account-group", metavar="AID", help="Only of this account group.", show_default=False),
]


def group(help_: str) -> typer.Typer:
    """A command that is nothing without one of its own commands."""
    return typer.Typer(help=help_, no_args_is_help=True, rich_markup_mode=None)


@contextmanager
def open_accounts(data: Path | None, url: str | None) -> "Iterator[Accounts]":
    """The accounts that a server on ``data`` uses, whether it runs or not; made when there are none yet.

    Raises:
        ConfigError: the server's packages are not installed, or the database is not ours to use.
    """
    from hopsight.clock import SystemClock
    from hopsight.errors import ConfigError

    try:
        from hopsight.accounts.accounts import Accounts
    except ModuleNotFoundError as error:
        accepted = "an installation with the server: pip install 'hopsight[server]'"
        raise ConfigError("installation", f"no {error.name}", accepted) from None
    accounts = Accounts.open(url, data_directory(data), SystemClock())
    try:
        yield accounts
    finally:
        accounts.close()
