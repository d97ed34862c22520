"""A report, made out of what the store says of a view's sessions."""

from collections.abc import Mapping, Sequence
from typing import Final

from hopsight import __version__
from hopsight.errors import InvalidValueError
from hopsight.model.aggregates import Bucket, Group, Measures, Summary
from hopsight.model.dimensions import FILTERS, USER_SESSIONS
from hopsight.model.times import TimeRange, format_instant
from hopsight.server.reports.document import Figures, GivenFilter, Named, Report, Stretch
from hopsight.server.reports.masking import LEFT_OUT, given_filter, masked_site
from hopsight.server.reports.method import METHOD
from hopsight.server.web.names import names_of
from hopsight.server.web.overview_numbers import VERDICTS
from hopsight.server.web.report_hops import read_hops
from hopsight.server.web.report_outages import Choices, read_outages
from hopsight.server.web.view import bucket_s_of
from hopsight.server.web.visitor import Visitor

MAX_DAYS: Final = 31
MAX_SITES: Final = 100
MAX_AGENTS: Final = 200
WORST_HOURS: Final = 10
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400
_FEW: Final = 48
"""Buckets of ranks: their trends are not used."""
_NOT_OVER: Final = "The period had not ended when this report was made; what came later is not in it."


async def read_report(visitor: Visitor, choices: Choices) -> Report:
    """The report of the visitor's view as of now, without a signature.

    Raises:
        InvalidValueError: the period is too long.
    """
    view, store, names = visitor.view, visitor.services.store, choices.names
    _check_period(view.time_range)
    query = view.query(USER_SESSIONS)
    bucket_s = bucket_s_of(view.time_range)
    summary = await store.summarize(query, bucket_s)
    site_counts = await store.count_by(query, "visited_site")
    verdicts = await store.count_by(query, "verdict")
    ranked_s = bucket_s_of(view.time_range, _FEW)
    sites = await store.rank(query, "visited_site", bucket_s=ranked_s, order="loss", limit=MAX_SITES)
    agents = await store.rank(query, "agent_id", bucket_s=ranked_s, order="loss", limit=MAX_AGENTS)
    labels = await _agent_labels(visitor, agents, names=names)
    outages, runs = await read_outages(store, query, choices, labels)
    now_s = visitor.services.clock.now()
    return Report(
        software=f"Hopsight {__version__}",
        simulated=visitor.services.config.simulated,
        organization=visitor.group.org_name,
        account_group=visitor.group.name,
        created=format_instant(now_s),
        start=format_instant(view.time_range.start_s),
        end=format_instant(view.time_range.end_s),
        filters=_filters(visitor, names=names),
        names_shown=names,
        left_out=_left_out(view.time_range, now_s, names=names),
        whole=figures_of(summary.whole),
        bucket_s=bucket_s,
        over_time=tuple(map(_stretch, summary.buckets)),
        worst_hours=worst_hours(await store.summarize(query, _HOUR_S)),
        sites_total=sum(1 for site in site_counts if site is not None),
        sites=_named(sites, {value: masked_site(value, names=names) for value in _values(sites)}),
        agents_total=summary.whole.agents,
        agents=_named(agents, labels),
        verdicts={name: verdicts[name] for name in VERDICTS if verdicts.get(name)},
        outages=outages,
        hops=await read_hops(visitor.services, query, summary, runs, names=names),
        method=METHOD,
    )


def figures_of(measures: Measures) -> Figures:
    """A store's numbers as a document has them."""
    return Figures(
        sessions=measures.records,
        agents=measures.agents,
        latency_p50_ms=measures.latency_p50_ms,
        latency_p95_ms=measures.latency_p95_ms,
        jitter_p50_ms=measures.jitter_p50_ms,
        loss_percent=measures.loss_percent,
        sessions_with_loss=measures.lossy,
        sessions_with_latency=measures.measured,
    )


def worst_hours(hours: Summary) -> tuple[Stretch, ...]:
    """The hours with the most loss; of equal ones the slowest, then the earliest."""

    def goodness(bucket: Bucket) -> tuple[float, float, int]:
        measures = bucket.measures
        return (-(measures.loss_percent or 0.0), -(measures.latency_p95_ms or 0.0), bucket.start_s)

    return tuple(map(_stretch, sorted(hours.buckets, key=goodness)[:WORST_HOURS]))


def _check_period(time_range: TimeRange) -> None:
    days = (time_range.end_s - time_range.start_s) / _DAY_S
    if days > MAX_DAYS:
        raise InvalidValueError("period of a report", f"{days:.1f} days", f"at most {MAX_DAYS} days")


def _stretch(bucket: Bucket) -> Stretch:
    return Stretch(start=format_instant(bucket.start_s), figures=figures_of(bucket.measures))


def _values(groups: Sequence[Group]) -> list[str]:
    return [group.value for group in groups if group.value is not None]


def _named(groups: Sequence[Group], labels: Mapping[str, str]) -> tuple[Named, ...]:
    return tuple(
        Named(name=labels[group.value], figures=figures_of(group.measures))
        for group in groups
        if group.value is not None
    )


async def _agent_labels(visitor: Visitor, groups: Sequence[Group], *, names: bool) -> dict[str, str]:
    """What the agents of the table are called, by ID."""
    agent_ids = _values(groups)
    if not names:
        return {agent_id: f"agent {number}" for number, agent_id in enumerate(agent_ids, 1)}
    known = await names_of(visitor, "agent_id", agent_ids)
    return {agent_id: known.get(agent_id, agent_id) for agent_id in agent_ids}


def _filters(visitor: Visitor, *, names: bool) -> tuple[GivenFilter, ...]:
    """The filters that sessions take: others of the view did nothing."""
    return tuple(
        given_filter(each.key, each.values, names=names)
        for each in visitor.view.filters
        if USER_SESSIONS in FILTERS[each.key].kinds
    )


def _left_out(time_range: TimeRange, now_s: float, *, names: bool) -> tuple[str, ...]:
    masked = () if names else LEFT_OUT
    return (*masked, _NOT_OVER) if now_s <= time_range.end_s else masked
