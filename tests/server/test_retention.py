"""Old records go; whatever else happens, the rest stays."""

import random
from typing import Any

import pytest

from hopsight.errors import StoreUnavailableError
from hopsight.model.dimensions import NETWORK_SESSIONS
from hopsight.model.kinds import KINDS
from hopsight.model.query import Query
from hopsight.server.metrics import Metrics
from hopsight.server.retention import EVERY_S, keep_young, prune_once
from hopsight.storage.memory import MemoryStore
from hopsight.testing import ROUND_ID, FakeClock, sample_record

pytestmark = pytest.mark.anyio

KEEP_S = 3_600


async def test_whole_rounds_go_when_they_are_too_old() -> None:
    """A round that is exactly as old as records are kept is kept; the one before is not."""
    store, metrics = MemoryStore(), Metrics()
    rng = random.Random(1)
    rounds = [ROUND_ID - KEEP_S - 60, ROUND_ID - KEEP_S, ROUND_ID]
    await store.add(NETWORK_SESSIONS, [sample_record(rng, round_id=at) for at in rounds])
    await prune_once(store, metrics, FakeClock(), KEEP_S)
    query = Query(kind=NETWORK_SESSIONS, aid=7625, first_round=0, last_round=2**40)
    assert len((await store.page(query)).bodies) == 2
    assert b'hopsight_pruned_records_total{kind="network-sessions"} 1.0' in metrics.expose()


async def test_a_store_that_cannot_delete_now_is_asked_again_later() -> None:
    """Retention is never a reason to stop serving."""

    class Full(MemoryStore):
        async def prune(self, kind: str, before_round: int) -> int:
            raise StoreUnavailableError(f"cannot delete {kind} before {before_round}")

    await prune_once(Full(), Metrics(), FakeClock(), KEEP_S)


async def test_it_runs_until_it_is_stopped() -> None:
    """One run now, and one an hour, each over every kind and in whole rounds of that kind."""
    runs: list[tuple[str, int]] = []

    class Counting(MemoryStore):
        async def prune(self, kind: str, before_round: int) -> int:
            runs.append((kind, before_round))
            if len(runs) == 3 * len(KINDS):
                raise KeyboardInterrupt
            return 0

    clock: Any = FakeClock()
    with pytest.raises(KeyboardInterrupt):
        await keep_young(Counting(), Metrics(), clock, KEEP_S)
    oldest_s = [ROUND_ID - KEEP_S + int(EVERY_S) * number for number in range(3)]
    assert runs == [(name, at - at % kind.round_s) for at in oldest_s for name, kind in KINDS.items()]
