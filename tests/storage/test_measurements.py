"""Dimensions and numbers of records, over every backend: what ``Store.measurements`` promises."""

import random

import pytest
from msgspec import structs

from hopsight.model.aggregates import Measurement
from hopsight.model.dimensions import NETWORK_SESSIONS, Dimensions
from hopsight.model.query import Filter, Query
from hopsight.storage.store import Store
from hopsight.testing import ROUND_ID, sample_record

pytestmark = pytest.mark.anyio


async def test_all_that_rounds_and_filters_admit_comes_with_its_dimensions(store: Store) -> None:
    """Every record of the range and account group, whatever limit the question has; None stays None."""
    rng = random.Random(3)
    places = [Dimensions(agent_id=f"a{number}", bssid=f"b{number % 2}") for number in range(6)]
    records = [
        sample_record(rng, round_id=ROUND_ID + 60 * number, dimensions=place)
        for number, place in enumerate(places)
    ]
    records[1] = structs.replace(records[1], latency_ms=None)
    await store.add(NETWORK_SESSIONS, records)
    await store.add(NETWORK_SESSIONS, [sample_record(rng, aid=9)])
    query = Query(
        kind=NETWORK_SESSIONS, aid=7625, first_round=ROUND_ID, last_round=ROUND_ID + 240, limit=1,
        filters=(Filter("bssid", ("b1",)),),
    )  # fmt: skip
    found = await store.measurements(query)
    expected = [
        Measurement(one.dimensions, one.loss_percent, one.latency_ms, one.jitter_ms)
        for one in (records[1], records[3])
    ]
    assert sorted(found, key=lambda each: each.dimensions.agent_id) == expected
