"""The chart of an incident: the number that its rule looks at, over its time, beside the threshold.

The rule judges each agent with each site alone; the chart is over all of them at once.
"""

from collections.abc import Callable, Mapping
from typing import Final, get_args

from msgspec import Struct, structs

from hopsight.model.aggregates import Measures, Summary
from hopsight.model.alerts import RULE_ROUND_S, AlertRule, Metric
from hopsight.model.dimensions import USER_SESSIONS
from hopsight.model.network_documents import VerdictResult
from hopsight.model.query import Filter
from hopsight.model.times import TimeRange
from hopsight.server.web.charts import Chart, Series, draw_chart
from hopsight.server.web.view import View, bucket_s_of
from hopsight.storage.store import Store

DELIVERY_S: Final = 30
"""Agents need so long after a round to deliver it: until then nobody can say that there is no data."""

_NUMBERS: Final[dict[Metric, tuple[str, str, str, Callable[[Measures], float | None]]]] = {
    "latency": ("Latency, 95th percentile", "ms", "Threshold", lambda found: found.latency_p95_ms),
    "loss": ("Loss, mean", "%", "Threshold", lambda found: found.loss_percent),
    # Stores keep no other percentile of it.
    "jitter": ("Jitter, median", "ms", "Threshold of the 95th percentile", lambda found: found.jitter_p50_ms),
}


class Seen(Struct, frozen=True, kw_only=True):
    """What the sessions of an incident come to.

    Args:
        rule: whose incident.
        time_range: the whole axis.
        bucket_s: length of a bucket, seconds.
        found: all sessions; for the metric ``verdict`` those that have one.
        named: for that metric: those that have the rule's own.
        now_s: when it was asked, epoch seconds.
    """

    rule: AlertRule
    time_range: TimeRange
    bucket_s: int
    found: Summary
    named: Summary | None
    now_s: int


async def read_seen(store: Store, rule: AlertRule, look: View, now_s: float) -> Seen:
    """Ask the store; ``look`` is what the incident is about."""
    query, bucket_s = look.query(USER_SESSIONS), bucket_s_of(look.time_range)
    named = None
    if rule.metric == "verdict":
        said = structs.replace(query, filters=(*query.filters, Filter("verdict", get_args(VerdictResult))))
        only = (*query.filters, Filter("verdict", (str(rule.verdict),)))
        named = await store.summarize(structs.replace(query, filters=only), bucket_s)
        query = said
    found = await store.summarize(query, bucket_s)
    return Seen(
        rule=rule,
        time_range=look.time_range,
        bucket_s=bucket_s,
        found=found,
        named=named,
        now_s=int(now_s),
    )


def incident_chart(seen: Seen) -> Chart:
    """The number over time; buckets without data are gaps, but for ``no-data``: there they are zero."""
    rule, time_range, bucket_s = seen.rule, seen.time_range, seen.bucket_s
    starts = range(time_range.start_s // bucket_s * bucket_s, time_range.end_s + 1, bucket_s)
    title, unit, limit, numbers = _numbers(seen, starts)
    values = [numbers.get(start_s) for start_s in starts]
    series = [Series(label=title, style="line-a", values=values)]
    if limit:
        level = [rule.threshold] * len(starts)
        series.append(Series(label=limit, style="line-limit", values=level, is_mark=True))
    return draw_chart(title, unit, series, starts, time_range, seen.found.whole.records)


def _numbers(seen: Seen, starts: range) -> tuple[str, str, str, Mapping[int, float | None]]:
    """Title, unit, what the threshold is called (empty: there is none), and a number of each bucket."""
    rule = seen.rule
    if rule.metric == "no-data":
        return "Agents that reported", "agents", "", _reporting(seen, starts)
    if seen.named is not None:
        named = {each.start_s: each.measures.records for each in seen.named.buckets}
        shares = {
            each.start_s: 100.0 * named.get(each.start_s, 0) / each.measures.records
            for each in seen.found.buckets
        }
        return f"Sessions with the verdict {rule.verdict}", "%", "Threshold", shares
    title, unit, limit, number = _NUMBERS[rule.metric]
    return title, unit, limit, {each.start_s: number(each.measures) for each in seen.found.buckets}


def _reporting(seen: Seen, starts: range) -> dict[int, float | None]:
    """No session in a bucket is no agent, not a gap: that is what the rule is about."""
    known = {each.start_s: float(each.measures.agents) for each in seen.found.buckets}
    done_s = seen.now_s - DELIVERY_S - RULE_ROUND_S
    return {start_s: known.get(start_s, 0.0) for start_s in starts if start_s in known or start_s <= done_s}
