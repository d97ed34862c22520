"""Charts are made ready beside serving: the newest first, again and again, whatever the store says."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hopsight.accounts.accounts import Accounts
from hopsight.errors import StoreUnavailableError
from hopsight.server.preparation import (
    EVERY_S,
    KINDS_CHARTED,
    LOOKED_AT_S,
    STEP_S,
    WHOLE_EVERY,
    keep_prepared,
)
from hopsight.storage.memory import MemoryStore
from hopsight.testing import FakeClock

pytestmark = pytest.mark.anyio


class Preparing(MemoryStore):
    """Notes what it is to prepare, and stops everything after so many times."""

    def __init__(self, stop_after: int, *, is_full: bool = False) -> None:
        super().__init__()
        self.asked: list[tuple[str, int, int, int]] = []
        self._stop_after = stop_after
        self._is_full = is_full

    async def prepare(self, kind: str, aid: int, first_round: int, last_round: int) -> None:
        """Note it."""
        self.asked.append((kind, aid, first_round, last_round))
        if len(self.asked) >= self._stop_after:
            raise KeyboardInterrupt
        if self._is_full:
            raise StoreUnavailableError("busy")


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    """Accounts with two account groups."""
    made = Accounts.open(None, tmp_path, FakeClock())
    made.create_organization("Acme")
    made.create_account_group("One")
    made.create_account_group("Two")
    yield made
    made.close()


async def test_the_last_week_is_made_ready_from_now_backwards(accounts: Accounts) -> None:
    """Without a gap, every kind that is charted, in all account groups."""
    clock: Any = FakeClock()
    now_s = int(clock.now())
    steps = LOOKED_AT_S // STEP_S
    aids = [each.aid for each in accounts.account_groups()]
    store = Preparing(steps * len(KINDS_CHARTED) * len(aids))
    with pytest.raises(KeyboardInterrupt):
        await keep_prepared(store, accounts, clock)
    for kind in KINDS_CHARTED:
        for aid in aids:
            ranges = [each[2:] for each in store.asked if each[:2] == (kind, aid)]
            assert ranges[0][1] == now_s
            assert ranges[-1][0] <= now_s - LOOKED_AT_S + steps
            assert all(later[0] == earlier[1] + 1 for later, earlier in pairwise(ranges))


async def test_afterwards_it_is_what_is_new(accounts: Accounts) -> None:
    """Every five minutes the newest step alone, and once an hour all of them."""
    clock: Any = FakeClock()
    steps, each_time = LOOKED_AT_S // STEP_S, len(KINDS_CHARTED) * len(accounts.account_groups())
    rounds = steps + (WHOLE_EVERY - 1) + steps
    store = Preparing(rounds * each_time)
    with pytest.raises(KeyboardInterrupt):
        await keep_prepared(store, accounts, clock)
    lasts = [asked[3] for asked in store.asked[::each_time]]
    news = lasts[steps : steps + WHOLE_EVERY]
    assert [later - earlier for earlier, later in pairwise(news)] == [EVERY_S] * (WHOLE_EVERY - 1)


async def test_a_store_that_is_busy_is_asked_again_later(accounts: Accounts) -> None:
    """Charts that are not ready are never a reason to stop serving."""
    store = Preparing(3, is_full=True)
    with pytest.raises(KeyboardInterrupt):
        await keep_prepared(store, accounts, FakeClock())
    assert len(store.asked) == 3
