"""The chart of an incident shows the number that its rule is about, and its threshold."""

import json
import random
from typing import Any

import pytest
from msgspec import structs

from hopsight.model.alerts import AlertRule
from hopsight.model.dimensions import USER_SESSIONS, Dimensions
from hopsight.model.times import TimeRange
from hopsight.server.web.charts import Chart
from hopsight.server.web.incident_chart import incident_chart, read_seen
from hopsight.server.web.view import View
from hopsight.storage.memory import MemoryStore
from hopsight.testing import ROUND_ID, sample_record

pytestmark = pytest.mark.anyio

AID = 7
ROUNDS = 5
LOOK = View(aid=AID, time_range=TimeRange(ROUND_ID, ROUND_ID + 60 * ROUNDS - 1), window=None)


async def chart_of(rule: AlertRule, sessions: dict[int, list[str | None]], now_s: int) -> Chart:
    """The chart over sessions: by round from 0, the verdict of each, each of an agent of its own."""
    store, rng = MemoryStore(), random.Random(1)
    for place, verdicts in sessions.items():
        for number, verdict in enumerate(verdicts):
            at = Dimensions(agent_id=f"agent-{number}", verdict=verdict)
            record = sample_record(rng, aid=AID, round_id=ROUND_ID + 60 * place, dimensions=at)
            await store.add(USER_SESSIONS, [structs.replace(record, latency_ms=100.0 + number)])
    return incident_chart(await read_seen(store, rule, LOOK, now_s))


def values_of(chart: Chart) -> list[list[Any]]:
    """What the script draws, a list for each line."""
    return [each["values"] for each in json.loads(chart.data)["series"]]


async def test_a_verdict_is_drawn_as_its_share_of_the_sessions_that_have_one() -> None:
    """Sessions without a verdict count for nothing, and a round without any session is a gap."""
    rule = AlertRule(name="Air", metric="verdict", verdict="lan", threshold=40)
    sessions: dict[int, list[str | None]] = {
        0: ["lan", "healthy", None],
        1: ["healthy"],
        3: ["lan"],
        4: [None],
    }
    chart = await chart_of(rule, sessions, ROUND_ID + 3_600)
    assert (chart.title, chart.unit) == ("Sessions with the verdict lan", "%")
    assert values_of(chart) == [[50.0, 0.0, None, 100.0, None], [40.0] * ROUNDS]


async def test_no_data_is_zero_and_not_a_gap() -> None:
    """Agents that reported are counted, and where none did there is a zero."""
    rule = AlertRule(name="Gone", metric="no-data")
    chart = await chart_of(rule, {0: ["lan", None], 1: ["lan"]}, ROUND_ID + 3_600)
    assert values_of(chart) == [[2.0, 1.0, 0.0, 0.0, 0.0]]


async def test_what_agents_may_still_deliver_is_not_zero_yet() -> None:
    """A round that has just begun, or is being delivered, says nothing of agents without data."""
    rule = AlertRule(name="Gone", metric="no-data")
    chart = await chart_of(rule, {0: ["lan"]}, ROUND_ID + 3 * 60 + 20)
    assert values_of(chart) == [[1.0, 0.0, None, None, None]]


async def test_the_threshold_is_a_line_but_no_measurement() -> None:
    """It is drawn in the unit of the metric, and neither fills an empty chart nor stands in the table."""
    rule = AlertRule(name="Slow", metric="latency", threshold=150)
    empty = await chart_of(rule, {}, ROUND_ID)
    assert empty.is_empty
    chart = await chart_of(rule, {1: [None]}, ROUND_ID)
    assert values_of(chart) == [[None, 100.0, None, None, None], [150.0] * ROUNDS]
    assert [values for _, values in chart.rows] == [["100"]]
    assert chart.lines[1].path.startswith("M44.0")
