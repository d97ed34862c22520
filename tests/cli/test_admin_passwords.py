"""``hopsight admin user password``."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hopsight.accounts.accounts import Accounts
from hopsight.accounts.browser_sessions import Device
from hopsight.accounts.passwords import is_password
from hopsight.cli.admin import app
from hopsight.clock import SystemClock
from hopsight.errors import InvalidValueError, NotFoundError
from hopsight.model.accounts import Role

EMAIL = "jane@example.org"
GOOD = "a good long one"


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    """Accounts with one user."""
    opened = Accounts.open(None, tmp_path, SystemClock())
    opened.create_user(
        EMAIL, Role.USER, [opened.create_account_group("Main", opened.create_organization("O"))]
    )
    yield opened
    opened.close()


def run(tmp_path: Path, *arguments: str, typed: str = "") -> str:
    """Run the command; what it prints."""
    result = CliRunner().invoke(app, ["user", "password", *arguments, "--data", str(tmp_path)], input=typed)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def has_password(accounts: Accounts, password: str) -> bool:
    """Whether it is the user's."""
    stored = accounts.sign_ins.password_of(EMAIL)
    return is_password(stored.password_hash if stored is not None else None, password)


def test_a_password_is_read_from_standard_input(accounts: Accounts, tmp_path: Path) -> None:
    """One line of it, without its end; what is printed does not hold it, nor does the database."""
    printed = run(tmp_path, EMAIL.upper(), "--json", typed=f"{GOOD}\n")
    assert json.loads(printed) == {"email": EMAIL, "hasPassword": True}
    assert has_password(accounts, GOOD)
    assert not has_password(accounts, GOOD + "\n")
    accounts.close()
    for file in tmp_path.iterdir():
        assert GOOD.encode() not in file.read_bytes()


def test_sessions_end_with_the_password(accounts: Accounts, tmp_path: Path) -> None:
    """Whoever was signed in is not any more, in a server that runs, too; also when it is taken away."""
    for arguments, typed in (([EMAIL], f"{GOOD}\n"), ([EMAIL, "--remove"], "")):
        secret = accounts.sign_ins.begin_by_token(accounts.create_token(EMAIL), Device())
        assert secret is not None
        assert accounts.sign_ins.authenticate(secret) is not None
        run(tmp_path, *arguments, typed=typed)
        assert accounts.sign_ins.authenticate(secret) is None
    assert accounts.sign_ins.password_of(EMAIL) is None


@pytest.mark.parametrize("typed", ["", "\n", "ninechars\n", "x" * 1_001, f"{EMAIL}\n"])
def test_a_weak_password_is_refused_and_not_repeated(accounts: Accounts, tmp_path: Path, typed: str) -> None:
    """Too short, too long, or the address: told why, and nothing is set."""
    with pytest.raises(InvalidValueError, match="password") as caught:
        run(tmp_path, EMAIL, typed=typed)
    assert "ninechars" not in str(caught.value)
    assert accounts.sign_ins.password_of(EMAIL) is None


@pytest.mark.usefixtures("accounts")
def test_an_unknown_user_is_told(tmp_path: Path) -> None:
    """A password without its user is none."""
    with pytest.raises(NotFoundError):
        run(tmp_path, "nobody@example.org", typed=f"{GOOD}\n")
