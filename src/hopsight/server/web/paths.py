"""The paths of many agents to one site, as one graph."""

from typing import Any, Final

import msgspec
from litestar import get
from litestar.connection import Request
from msgspec import Struct, structs

from hopsight.model.aggregates import Summary
from hopsight.model.dimensions import USER_SESSIONS
from hopsight.model.query import Query
from hopsight.model.user_sessions import SessionDetail, UserSession
from hopsight.server.api.answers import Answer
from hopsight.server.services import Services
from hopsight.server.web.path_graph import DELAY_LIMITS, LOSS_LIMITS, PathGraph, Trace, draw_graph
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.view import WINDOWS, bucket_s_of
from hopsight.server.web.visitor import Visitor, see

PATH: Final = "/paths"
MOST: Final = 500
MOST_SITES: Final = 200
_BREATH: Final = 25
"""Details that are read before others get their turn."""

_decode_session: Final = msgspec.json.Decoder(UserSession).decode
_decode_detail: Final = msgspec.json.Decoder(SessionDetail).decode


class Seen(Struct, frozen=True, kw_only=True):
    """What was found: the graph (None: no path), of how many sessions, of how many that there are."""

    graph: PathGraph | None
    looked_at: int
    sessions: int


@get(PATH)
async def read_paths(request: Request[Any, Any, Any]) -> Answer:
    """The graph of the site that the view is filtered by; without one, the sites to choose from."""
    try:
        visitor = await see(request)
        sites = chosen_sites(visitor)
        return await _graph(visitor, sites) if sites else await _choice(visitor)
    except REFUSALS as error:
        return refusal(request.scope, error)


def chosen_sites(visitor: Visitor) -> list[str]:
    """The sites that the view is filtered by."""
    return [value for each in visitor.view.filters if each.key == "visitedSite" for value in each.values]


async def _choice(visitor: Visitor) -> Answer:
    counts = await visitor.services.store.count_by(visitor.view.query(USER_SESSIONS), "visited_site")
    known = sorted(
        ((site, count) for site, count in counts.items() if site is not None),
        key=lambda each: (-each[1], each[0]),
    )
    return visitor.render(
        "paths.html",
        path=PATH,
        sites=[
            (site, count, visitor.view.with_filter("visitedSite", site).url(PATH))
            for site, count in known[:MOST_SITES]
        ],
        graph=None,
        chosen=[],
        windows=WINDOWS,
    )


async def read_graph(visitor: Visitor) -> Seen:
    """The graph of the newest sessions that pass the view."""
    query = visitor.view.query(USER_SESSIONS)
    summary = await visitor.services.store.summarize(query, bucket_s_of(visitor.view.time_range))
    traces, looked_at = await read_traces(visitor.services, newest_of(query, summary, MOST))
    return Seen(
        graph=draw_graph(traces) if traces else None, looked_at=looked_at, sessions=summary.whole.records
    )


async def _graph(visitor: Visitor, chosen: list[str]) -> Answer:
    seen = await read_graph(visitor)
    return visitor.render(
        "paths.html",
        path=PATH,
        sites=[],
        graph=seen.graph,
        chosen=chosen,
        looked_at=seen.looked_at,
        sessions=seen.sessions,
        loss_limits=LOSS_LIMITS,
        delay_limits=DELAY_LIMITS,
        windows=WINDOWS,
    )


def newest_of(query: Query, summary: Summary, most: int) -> Query:
    """The question for the newest records alone: stores answer the oldest first.

    It begins with the bucket that the oldest of them is in, and leaves out those that are there before it.
    """
    count = 0
    for bucket in reversed(summary.buckets):
        count += bucket.measures.records
        if count >= most:
            first = max(query.first_round, bucket.start_s)
            return structs.replace(query, first_round=first, skip=count - most, limit=most)
    return structs.replace(query, limit=most)


async def read_traces(services: Services, query: Query, *more: Query) -> tuple[list[Trace], int]:
    """The paths of these sessions, each once, and how many sessions were looked at for them."""
    sessions: dict[str, UserSession] = {}
    for each in (query, *more):
        found = map(_decode_session, (await services.store.page(each)).bodies)
        sessions |= {session.user_session_id: session for session in found}
    traces = []
    for index, session in enumerate(sessions.values()):
        if index % _BREATH == 0:
            await services.clock.sleep(0)
        record = await services.store.get(USER_SESSIONS, query.aid, session.round_id, session.user_session_id)
        if record is None or not record.detail:
            continue
        traceroute = _decode_detail(record.detail).network.traceroute
        if traceroute is not None and traceroute.hops:
            traces.append(
                Trace(
                    agent_id=session.agent_id,
                    network_id=record.dimensions.network_id or "",
                    loss_percent=record.loss_percent,
                    hops=traceroute.hops,
                )
            )
    return traces, len(sessions)


HANDLERS: Final[list[Any]] = [read_paths]
