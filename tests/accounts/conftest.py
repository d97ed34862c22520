"""Accounts on a directory of their own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hopsight.accounts.accounts import Accounts
from hopsight.accounts.database import REVISION_AGE_S
from hopsight.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """Time that the test moves."""
    return FakeClock()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A directory that is not there yet."""
    return tmp_path / "data"


@pytest.fixture(params=["sqlite", "postgresql"])
def accounts_url(request: pytest.FixtureRequest) -> str | None:
    """Where the accounts are: in the directory, or on a PostgreSQL server."""
    found: str | None = None if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    return found


@pytest.fixture
def accounts(accounts_url: str | None, data: Path, clock: FakeClock) -> Iterator[Accounts]:
    """Accounts that no one has used."""
    opened = Accounts.open(accounts_url, data, clock, max_agents=3)
    yield opened
    opened.close()


@pytest.fixture
def until_heard(accounts_url: str | None, clock: FakeClock) -> Callable[[], None]:
    """Lets so much time pass as a change by another server takes to be seen: with SQLite, none."""
    return lambda: clock.advance(0 if accounts_url is None else REVISION_AGE_S)
