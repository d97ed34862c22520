"""Accounts on a directory of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hopsight.accounts.accounts import Accounts
from hopsight.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """Time that the test moves."""
    return FakeClock()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A directory that is not there yet."""
    return tmp_path / "data"


@pytest.fixture
def accounts(data: Path, clock: FakeClock) -> Iterator[Accounts]:
    """Accounts that no one has used."""
    opened = Accounts.open(None, data, clock, max_agents=3)
    yield opened
    opened.close()
