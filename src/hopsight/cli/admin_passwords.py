"""``hopsight admin user password``: read from a prompt or standard input; others see arguments."""

import sys
from typing import Annotated

import typer

from hopsight.cli.admin_options import AccountsOption, JsonOption, open_accounts
from hopsight.cli.data_directory import DataOption
from hopsight.cli.output import print_result


def set_password(
    email: Annotated[str, typer.Argument(help="The user who signs in with it.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take the password away instead.")] = False,
    json: JsonOption = False,
    data: DataOption = None,
    accounts_url: AccountsOption = None,
) -> None:
    """Give a user a password for the pages: typed twice, or one line of standard input.

    All sessions of the user end.
    """
    with open_accounts(data, accounts_url) as accounts:
        from hopsight.accounts.passwords import checked_password, hash_password

        hashed = None
        if not remove:
            hashed = hash_password(checked_password(_read_password(), email=email.strip()))
        accounts.sign_ins.set_password(email, hashed)
    shown = {"email": email.strip().lower(), "hasPassword": hashed is not None}
    done = "has a new password" if hashed is not None else "has no password any more"
    print_result(shown, f"User {shown['email']} {done}, and is signed out everywhere.", as_json=json)


def _read_password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("New password", hide_input=True, confirmation_prompt=True, err=True))
    return sys.stdin.readline().removesuffix("\n").removesuffix("\r")
