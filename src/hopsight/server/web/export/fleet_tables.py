"""Tables of the overview, ranks, agents and networks."""

from typing import Final

from msgspec import structs

from hopsight.model.dimensions import USER_SESSIONS
from hopsight.model.query import Filter
from hopsight.server.web.agents import state_of
from hopsight.server.web.export.csv_writing import Table, instant
from hopsight.server.web.export.measure_columns import (
    MEASURES,
    cells_of,
    counts_table,
    rank_table,
    series_table,
)
from hopsight.server.web.networks import names_of_networks, read_networks
from hopsight.server.web.networks import order_of as network_order_of
from hopsight.server.web.overview import MOST, PATH, order_of, ranked_by, read_rank
from hopsight.server.web.overview_numbers import verdict_shares
from hopsight.server.web.view import bucket_s_of
from hopsight.server.web.visitor import Visitor

MOST_AGENTS: Final = 1_000


async def read_series(visitor: Visitor) -> Table:
    """What the charts show, bucket by bucket."""
    view = visitor.view
    bucket_s = bucket_s_of(view.time_range)
    summary = await visitor.services.store.summarize(view.query(USER_SESSIONS), bucket_s)
    return series_table(summary, view.time_range, bucket_s)


async def read_verdicts(visitor: Visitor) -> Table:
    """Whose fault it was, in the order of the way."""
    counts = await visitor.services.store.count_by(visitor.view.query(USER_SESSIONS), "verdict")
    shares = verdict_shares(counts, visitor.view, PATH)
    return counts_table("verdict", [(share.name, share.count) for share in shares])


async def read_ranks(visitor: Visitor) -> Table:
    """A rank at length; ``by`` and ``order`` are those of its page."""
    return rank_table(*await read_rank(visitor, ranked_by(visitor), MOST, order_of(visitor)))


async def read_agents(visitor: Visitor) -> Table:
    """Agents in order of ID; ``name`` and ``after`` are those of their page."""
    accounts, aid, now_s = visitor.services.accounts, visitor.group.aid, visitor.services.clock.now()
    name = (visitor.parameters.one("name") or "").strip() or None
    agents = accounts.agents(aid, agent_name=name, after=visitor.parameters.one("after"), limit=MOST_AGENTS)
    query = visitor.view.query(USER_SESSIONS)
    asked = (*query.filters, Filter("agent_id", tuple(agent.agent_id for agent in agents)))
    groups = []
    if agents:
        groups = await visitor.services.store.rank(
            structs.replace(query, filters=asked),
            "agent_id",
            bucket_s=bucket_s_of(visitor.view.time_range, 1),
            order="records",
            limit=MOST_AGENTS,
        )
    known = {group.value: group.measures for group in groups}
    return Table(
        columns=("agent_id", "name", "state", "last_seen", "platform", "os_version", *MEASURES),
        rows=[
            [
                agent.agent_id,
                agent.agent_name,
                state_of(agent, now_s),
                instant(agent.last_seen_s),
                agent.info.platform,
                agent.info.os_version,
                *cells_of(known.get(agent.agent_id)),
            ]
            for agent in agents
        ],
    )


async def read_all_networks(visitor: Visitor) -> Table:
    """Networks as their page ranks them."""
    groups = await read_networks(visitor, network_order_of(visitor))
    names = await names_of_networks(visitor, [group.value for group in groups if group.value is not None])
    return Table(
        columns=("network_id", "name", "addresses", *MEASURES),
        rows=[
            [group.value, names[group.value][0], names[group.value][1] or None, *cells_of(group.measures)]
            for group in groups
            if group.value is not None
        ],
    )


OVERVIEW: Final = {"series": read_series, "verdicts": read_verdicts}
RANKS: Final = {"rank": read_ranks}
AGENTS: Final = {"agents": read_agents}
NETWORKS: Final = {"networks": read_all_networks}
