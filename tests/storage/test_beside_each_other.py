"""Two servers over one store that do the same job at once: each looks after it as if it were alone."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from msgspec import structs
from tests.storage.conftest import SERVED, Server, initialized

from hopsight.model.dimensions import NETWORK_SESSIONS
from hopsight.model.query import Query, Record
from hopsight.storage import open_store
from hopsight.storage.store import Store
from hopsight.testing import ROUND_ID, FakeClock, sample_record

pytestmark = pytest.mark.anyio

DAY_S = 86_400
FIRST_ROUND = ROUND_ID - ROUND_ID % DAY_S
DAYS = 6
A_DAY = 40
AID = 7
ROUNDS = 20


@pytest.fixture(params=["sqlite", "clickhouse", "chdb", "cluster"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[list[Store]]:
    """Two stores over the same records, none so far."""
    url = f"sqlite:{tmp_path}/sessions.db"
    if request.param in SERVED:
        server: Server = request.getfixturevalue(request.param)
        url = await initialized(server.new_url())
    async with AsyncExitStack() as stack:
        stores = [open_store(url, tmp_path, FakeClock()) for _ in range(2)]
        for store in stores:
            stack.push_async_callback(store.close)
        yield stores


def records_of(rng: random.Random, day: int) -> list[Record]:
    """Records all over one day."""
    first = FIRST_ROUND + day * DAY_S
    return [
        structs.replace(sample_record(rng, aid=AID), round_id=first + number * DAY_S // A_DAY // 60 * 60)
        for number in range(A_DAY)
    ]


async def test_old_records_go_once_while_new_ones_come(pair: list[Store]) -> None:
    """Both delete the same days while one stores: neither fails, the old are gone, all others are there."""
    rng = random.Random(8)
    one, two = pair
    days = [records_of(rng, day) for day in range(DAYS)]
    for day in days:
        await one.add(NETWORK_SESSIONS, day)
    late = [records_of(rng, DAYS - 1) for _ in range(ROUNDS)]

    async def add() -> None:
        for batch in late:
            assert (await two.add(NETWORK_SESSIONS, batch)).stored == A_DAY

    before_round = FIRST_ROUND + 3 * DAY_S
    await asyncio.gather(
        one.prune(NETWORK_SESSIONS, before_round), two.prune(NETWORK_SESSIONS, before_round), add()
    )

    kept = {record.record_id for day in [*days[3:], *late] for record in day}
    query = Query(kind=NETWORK_SESSIONS, aid=AID, first_round=0, last_round=FIRST_ROUND + DAYS * DAY_S)
    for store in pair:
        found = [
            record.record_id
            async for record in store.records_between(NETWORK_SESSIONS, AID, 0, query.last_round)
        ]
        assert len(found) == len(kept)
        assert set(found) == kept
        assert await store.prune(NETWORK_SESSIONS, before_round) == 0


async def test_charts_are_made_ready_by_both(pair: list[Store]) -> None:
    """Both prepare the same range while records come: both then answer as if it had been one."""
    rng = random.Random(9)
    one, two = pair
    day = records_of(rng, 0)
    await one.add(NETWORK_SESSIONS, day[::2])
    last_round = FIRST_ROUND + DAY_S - 60
    prepared = (NETWORK_SESSIONS, AID, FIRST_ROUND, last_round)

    await asyncio.gather(one.prepare(*prepared), two.prepare(*prepared), two.add(NETWORK_SESSIONS, day[1::2]))
    await asyncio.gather(one.prepare(*prepared), two.prepare(*prepared))

    query = Query(kind=NETWORK_SESSIONS, aid=AID, first_round=FIRST_ROUND, last_round=last_round)
    answers = [await store.summarize(query, 3_600) for store in pair]
    assert answers[0] == answers[1]
    assert answers[0].whole.records == A_DAY
