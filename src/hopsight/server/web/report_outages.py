"""The outages of a report: found in buckets of each site, then looked at one by one."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from msgspec import Struct, structs

from hopsight.model.query import Filter, Query
from hopsight.model.times import TimeRange, format_instant
from hopsight.server.reports.document import Outage, Outages
from hopsight.server.reports.masking import masked_site
from hopsight.server.reports.outages import (
    MAX_SLICE_BUCKETS,
    Run,
    longest_of,
    outage_bucket_s,
    runs_of,
    slices_of,
)
from hopsight.storage.store import Store

MIN_AGENTS: Final = 2
MAX_RUNS: Final = 200
"""Times over the limit that are looked at, the longest first, until there are ``MAX_LISTED`` outages."""
MAX_LISTED: Final = 50
MAX_AFFECTED: Final = 8
"""Agents that are named of one outage."""
MAX_SITES: Final = 100
_MAX_AGENTS: Final = 1_000


class Choices(Struct, frozen=True):
    """What a report leaves open.

    Args:
        names: whether agents and local addresses have their names.
        limit_percent: mean loss from which a bucket belongs to an outage.
    """

    names: bool
    limit_percent: float


async def read_outages(
    store: Store, query: Query, choices: Choices, labels: Mapping[str, str]
) -> tuple[Outages, list[Run]]:
    """The outages of every site that the question admits; and the same as runs, the longest first.

    Args:
        store: to ask.
        query: sessions of the report.
        choices: limit and names.
        labels: what agents are called, by ID; others are counted only.
    """
    bucket_s = outage_bucket_s(TimeRange(query.first_round, query.last_round))
    losses = await _losses(store, query, bucket_s)
    runs = [
        run
        for site, by_start in losses.items()
        for run in runs_of(site, by_start, limit_percent=choices.limit_percent, bucket_s=bucket_s)
    ]
    examined, left = longest_of(runs, MAX_RUNS)
    agents_of: dict[str, int] = {}
    periods: list[Outage] = []
    kept: list[Run] = []
    for index, run in enumerate(examined):
        if len(periods) == MAX_LISTED:
            left += len(examined) - index
            break
        if run.site not in agents_of:
            agents_of[run.site] = await _agents(store, _of_site(query, run.site))
        found = await _outage(store, query, run, choices, labels)
        if found.agents_affected >= min(MIN_AGENTS, agents_of[run.site]):
            periods.append(found)
            kept.append(run)
    outages = Outages(
        limit_percent=choices.limit_percent,
        bucket_s=bucket_s,
        min_agents=MIN_AGENTS,
        sites_per_stretch=MAX_SITES,
        stretch_s=MAX_SLICE_BUCKETS * bucket_s,
        not_examined=left,
        periods=tuple(sorted(periods, key=lambda each: (each.start, each.site))),
    )
    return outages, kept


def within(query: Query, run: Run) -> Query:
    """The sessions of a run alone."""
    return structs.replace(
        _of_site(query, run.site),
        first_round=max(run.start_s, query.first_round),
        last_round=min(run.end_s - 1, query.last_round),
    )


async def _losses(store: Store, query: Query, bucket_s: int) -> dict[str, dict[int, float | None]]:
    """Mean loss of each site and bucket, by site and start; of the sites with the most loss of each slice."""
    losses: defaultdict[str, dict[int, float | None]] = defaultdict(dict)
    for piece in slices_of(TimeRange(query.first_round, query.last_round), bucket_s):
        asked = structs.replace(query, first_round=piece.start_s, last_round=piece.end_s)
        groups = await store.rank(asked, "visited_site", bucket_s=bucket_s, order="loss", limit=MAX_SITES)
        first_s = piece.start_s // bucket_s * bucket_s
        for group in groups:
            if group.value is not None:
                losses[group.value] |= {
                    first_s + index * bucket_s: loss for index, loss in enumerate(group.trend_loss)
                }
    return losses


def _of_site(query: Query, site: str) -> Query:
    return structs.replace(query, filters=(*query.filters, Filter("visited_site", (site,))))


async def _agents(store: Store, query: Query) -> int:
    return (await store.summarize(query, _whole_s(query))).whole.agents


def _whole_s(query: Query) -> int:
    """A bucket's length that few of them cover the range with: they are not looked at."""
    return max(1, query.last_round - query.first_round)


async def _outage(
    store: Store, query: Query, run: Run, choices: Choices, labels: Mapping[str, str]
) -> Outage:
    asked = within(query, run)
    start_s, end_s = asked.first_round, asked.last_round + 1
    bucket_s = _whole_s(asked)
    whole = (await store.summarize(asked, bucket_s)).whole
    groups = await store.rank(asked, "agent_id", bucket_s=bucket_s, order="loss", limit=_MAX_AGENTS)
    affected = [
        group.value
        for group in groups
        if group.value is not None and (group.measures.loss_percent or 0.0) >= choices.limit_percent
    ]
    return Outage(
        site=masked_site(run.site, names=choices.names),
        start=format_instant(start_s),
        end=format_instant(end_s),
        length_s=end_s - start_s,
        mean_loss_percent=whole.loss_percent,
        all_lost=whole.loss_percent is not None and whole.loss_percent >= 100,  # noqa: PLR2004 - percent
        sessions=whole.records,
        agents=whole.agents,
        agents_affected=len(affected),
        affected=tuple(labels[agent_id] for agent_id in affected if agent_id in labels)[:MAX_AFFECTED],
    )
