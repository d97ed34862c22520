"""Aggregates of the stores: exact, the same in each, and empty where nothing is."""

import math
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hopsight.errors import InvalidValueError
from hopsight.model.aggregates import Measures
from hopsight.model.dimensions import NETWORK_SESSIONS, Dimensions
from hopsight.model.query import Filter, Query, Record
from hopsight.storage.memory import MemoryStore
from hopsight.storage.store import Store

pytestmark = pytest.mark.anyio

AID = 7625
START = 1_600_000_200
NUMBER = st.none() | st.floats(0, 500)


def record(number: int, **changes: Any) -> Record:
    """A record in the round ``number`` minutes after the start."""
    values: dict[str, Any] = {
        "agent": 0,
        "platform": "Linux",
        "latency_ms": 10.0,
        "loss_percent": 0.0,
        "jitter_ms": 1.0,
    }
    values |= changes
    round_id = START + 60 * number
    return Record(
        aid=AID,
        round_id=round_id,
        record_id=f"07625:{round_id}:{values.get('name', number):08d}",
        dimensions=Dimensions(
            agent_id=f"00000000-0000-4000-8000-{values['agent']:012d}", platform=values["platform"]
        ),
        loss_percent=values["loss_percent"],
        latency_ms=values["latency_ms"],
        jitter_ms=values["jitter_ms"],
        body=b"{}",
    )


def question(last: int = 59, *filters: Filter) -> Query:
    """The first ``last`` minutes and one."""
    return Query(
        kind=NETWORK_SESSIONS, aid=AID, first_round=START, last_round=START + 60 * last, filters=filters
    )


def nearest_rank(numbers: list[float], share: float) -> float | None:
    """The percentile as textbooks have it."""
    return sorted(numbers)[max(0, math.ceil(share * len(numbers)) - 1)] if numbers else None


async def test_nothing_is_nothing(store: Any) -> None:
    """Without records there is no bucket, no group, and no number: not zero."""
    found = await store.summarize(question(), 300)
    assert found.buckets == ()
    assert found.whole == Measures(
        records=0, agents=0, latency_p50_ms=None, latency_p95_ms=None, jitter_p50_ms=None,
        loss_percent=None, lossy=0, measured=0,
    )  # fmt: skip
    assert await store.rank(question(), "platform", bucket_s=300, order="records", limit=5) == []


async def test_buckets_leave_gaps(store: Any) -> None:
    """A bucket without records is left out; one whose records have no numbers has none."""
    await store.add(NETWORK_SESSIONS, [record(0), record(1, latency_ms=30.0), record(20, latency_ms=None)])
    found = await store.summarize(question(), 300)
    starts = [bucket.start_s for bucket in found.buckets]
    assert starts == [START // 300 * 300, (START + 1200) // 300 * 300]
    first, last = (bucket.measures for bucket in found.buckets)
    assert (first.records, first.latency_p50_ms, first.latency_p95_ms) == (2, 10.0, 30.0)
    assert (last.records, last.measured, last.latency_p50_ms, last.loss_percent) == (1, 0, None, 0.0)


async def test_groups_in_order(store: Any) -> None:
    """Worst first, those without the number last; a trend has a place for each bucket."""
    await store.add(
        NETWORK_SESSIONS,
        [
            record(0, platform="Mac", latency_ms=50.0),
            record(1, platform="Linux", latency_ms=20.0, loss_percent=50.0),
            record(1, name=5, platform="Linux", latency_ms=20.0),
            record(2, platform=None, latency_ms=None),
        ],
    )
    ranks = {
        order: [
            group.value
            for group in await store.rank(question(), "platform", bucket_s=60, order=order, limit=9)
        ]
        for order in ("latency", "loss", "records")
    }
    assert ranks == {
        "latency": ["Mac", "Linux", None],
        "loss": ["Linux", "Mac", None],
        "records": ["Linux", "Mac", None],
    }
    (worst,) = await store.rank(question(3), "platform", bucket_s=60, order="latency", limit=1)
    assert worst.trend == (50.0, None, None, None)


async def test_filters_and_ranges_hold(store: Any) -> None:
    """Only what the question admits is looked at."""
    await store.add(
        NETWORK_SESSIONS, [record(number, platform="Mac" if number else None) for number in range(9)]
    )
    filtered = await store.summarize(question(4, Filter("platform", ("Mac",))), 60)
    assert filtered.whole.records == 4
    other = Query(kind=NETWORK_SESSIONS, aid=1, first_round=START, last_round=START + 600)
    assert (await store.summarize(other, 60)).whole.records == 0


async def test_too_much_is_refused(store: Any) -> None:
    """More buckets or groups than anyone can look at are refused, and so is a column that is none."""
    with pytest.raises(InvalidValueError):
        await store.summarize(question(60 * 24 * 7), 60)
    with pytest.raises(InvalidValueError):
        await store.rank(question(), "platform", bucket_s=60, order="records", limit=0)
    with pytest.raises(LookupError):
        await store.rank(question(), "password", bucket_s=60, order="records", limit=1)


@pytest.mark.parametrize("backend", ["sqlite", "clickhouse", "chdb"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 3), NUMBER, NUMBER), max_size=60))
async def test_aggregates_are_exact(
    backend: str, opened: Callable[[str], Awaitable[Store]], drawn: list[Any]
) -> None:
    """Every store says what a textbook says, whatever is in it."""
    records = [
        record(minute, name=name, agent=agent, latency_ms=latency, loss_percent=loss)
        for name, (minute, agent, latency, loss) in enumerate(drawn)
    ]
    answers: list[Any] = []
    for made in (MemoryStore(), await opened(backend)):
        await made.add(NETWORK_SESSIONS, records)
        answers.append(
            (
                await made.summarize(question(), 600),
                await made.rank(question(), "agent_id", bucket_s=600, order="latency", limit=9),
                await made.rank(question(), "platform", bucket_s=600, order="loss", limit=9),
            )
        )
        await made.close()
    assert answers[0] == answers[1]
    whole = answers[0][0].whole
    latencies = [latency for *_, latency, _ in drawn if latency is not None]
    assert (whole.records, whole.agents) == (len(drawn), len({agent for _, agent, *_ in drawn}))
    assert whole.latency_p50_ms == nearest_rank(latencies, 0.5)
    assert whole.latency_p95_ms == nearest_rank(latencies, 0.95)
