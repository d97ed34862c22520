"""Properties of paging, over every backend: nothing twice, nothing missed, SQLite agrees with memory."""

import random
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hopsight.model.dimensions import NETWORK_SESSIONS, Dimensions
from hopsight.model.query import Cursor, Filter, Query, Record
from hopsight.storage.memory import MemoryStore
from hopsight.storage.sqlite_query import MERGED_DIMS
from hopsight.storage.store import Store
from hopsight.testing import ROUND_ID

pytestmark = pytest.mark.anyio

AID = 7625
SSIDS = ("a", "b", "c", None)

rounds = st.integers(0, 4).map(lambda place: ROUND_ID + 60 * place)
record_ids = st.text("0Zaz", min_size=1, max_size=3)
agents = st.integers(0, MERGED_DIMS * 2).map(str)
dimensions = st.builds(Dimensions, agent_id=agents, ssid=st.sampled_from(SSIDS))
records = st.builds(
    lambda aid, round_id, record_id, known: Record(
        aid=aid,
        round_id=round_id,
        record_id=record_id,
        dimensions=known,
        loss_percent=None,
        latency_ms=None,
        jitter_ms=None,
        body=f"{aid}:{round_id}:{record_id}".encode(),
    ),
    st.sampled_from([AID, 11]),
    rounds,
    record_ids,
    dimensions,
)
batches = st.lists(records, max_size=120)
filters = st.lists(
    st.one_of(
        st.builds(Filter, st.just("ssid"), st.lists(st.sampled_from(["a", "b", "x"]), max_size=3).map(tuple)),
        st.builds(Filter, st.just("agent_id"), st.lists(agents, max_size=40).map(tuple)),
    ),
    max_size=2,
).map(tuple)
queries = st.builds(
    Query,
    kind=st.just(NETWORK_SESSIONS),
    aid=st.just(AID),
    first_round=rounds,
    last_round=rounds,
    filters=filters,
    after=st.none() | st.builds(Cursor, rounds, record_ids),
    skip=st.integers(0, 10),
    limit=st.integers(1, 30),
)


Opened = Callable[[str], Awaitable[Store]]


@pytest.mark.parametrize("backend", ["sqlite", "clickhouse", "chdb"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=batches, asked=st.lists(queries, min_size=1, max_size=12), before_round=rounds)
async def test_every_store_answers_as_memory_does(
    backend: str, opened: Opened, batch: list[Record], asked: list[Query], before_round: int
) -> None:
    """On random records and questions, before and after a prune, a store's answers equal memory's."""
    plain, store = MemoryStore(), await opened(backend)
    try:
        half = len(batch) // 2
        for part in (batch[:half], batch[half:]):
            assert await store.add(NETWORK_SESSIONS, part) == await plain.add(NETWORK_SESSIONS, part)
        for query in asked:
            assert await store.page(query) == await plain.page(query)
        pruned = await store.prune(NETWORK_SESSIONS, before_round)
        assert pruned == await plain.prune(NETWORK_SESSIONS, before_round)
        for query in asked:
            assert await store.page(query) == await plain.page(query)
    finally:
        await store.close()


@pytest.mark.parametrize("backend", ["memory", "sqlite", "clickhouse", "chdb"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=batches, later=batches, limit=st.integers(1, 20), narrowed=filters, seed=st.integers())
async def test_following_next_yields_each_record_once(
    backend: str,
    opened: Opened,
    batch: list[Record],
    later: list[Record],
    limit: int,
    narrowed: tuple[Filter, ...],
    seed: int,
) -> None:
    """While records come in around the cursor, each that was there at the start comes exactly once."""
    store = await opened(backend)
    try:
        await store.add(NETWORK_SESSIONS, batch)
        whole = await store.page(whole_range(narrowed, 10_000))
        seen = await walk(store, random.Random(seed), list(later), whole_range(narrowed, limit))
    finally:
        await store.close()
    assert len(seen) == len(set(seen))
    assert [body for body in seen if body in set(whole.bodies)] == whole.bodies


def whole_range(narrowed: tuple[Filter, ...], limit: int) -> Query:
    return Query(
        kind=NETWORK_SESSIONS,
        aid=AID,
        first_round=ROUND_ID,
        last_round=ROUND_ID + 240,
        filters=narrowed,
        limit=limit,
    )


async def walk(store: Store, rng: random.Random, later: list[Record], query: Query) -> list[bytes]:
    seen: list[bytes] = []
    after: Cursor | None = None
    while True:
        page = await store.page(
            Query(
                kind=query.kind,
                aid=query.aid,
                first_round=query.first_round,
                last_round=query.last_round,
                filters=query.filters,
                after=after,
                limit=query.limit,
            )
        )
        assert len(page.bodies) <= query.limit
        seen += page.bodies
        if page.next is None:
            return seen
        after = page.next
        taken = rng.randrange(len(later) + 1)
        await store.add(NETWORK_SESSIONS, later[:taken])
        del later[:taken]
