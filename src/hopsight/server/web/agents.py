"""Agents: all of an account group, and one of them with its timeline."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import get
from litestar.connection import Request
from msgspec import Struct, structs

from hopsight.errors import NotFoundError
from hopsight.model.agents import Agent
from hopsight.model.aggregates import Group, Measures, Summary
from hopsight.model.dimensions import AGENT_STATES, NETWORK_SESSIONS, USER_SESSIONS
from hopsight.model.query import Filter
from hopsight.model.times import format_utc
from hopsight.model.user_sessions import UserSession
from hopsight.server.api.answers import Answer
from hopsight.server.web.agent_numbers import (
    Stay,
    machine_charts,
    newest_start,
    session_rows,
    state_bands,
    stays,
)
from hopsight.server.web.charts import spark_path, time_ticks
from hopsight.server.web.overview_numbers import overview_charts
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.view import WINDOWS, bucket_s_of
from hopsight.server.web.visitor import Visitor, see
from hopsight.server.web.whereabouts import LANE_HEIGHT, lanes_of

PATH: Final = "/agents"
PER_PAGE: Final = 100
MOST_SESSIONS: Final = 1_000
SHOWN_SESSIONS: Final = 50
ALIVE_S: Final = 180
"""An agent asks for its configuration every ten seconds: silent for so long, it is not there."""
MOST_PLACES: Final = 20
_TREND_BUCKETS: Final = 48
_decode_session: Final = msgspec.json.Decoder(UserSession).decode
_STAYS: Final = (
    ("connection", "connection"),
    ("network", "network_id"),
    ("Wi-Fi", "ssid"),
    ("access point", "bssid"),
    ("gateway", "gateway"),
    ("location", "location"),
    ("VPN", "vpn_target"),
)

_LANES: Final = frozenset({"connection", "Wi-Fi", "access point", "gateway", "location", "VPN"})


class AgentRow(Struct, frozen=True, kw_only=True):
    """An agent of the list; ``measures``: over the range, None when it measured nothing."""

    agent: Agent
    state: str
    last_seen: str
    url: str
    measures: Measures | None
    spark: str


class Newest(Struct, frozen=True, kw_only=True):
    """The newest sessions of an agent as stored, oldest first.

    Args:
        sessions: user sessions.
        machine: network sessions: what the machine did meanwhile.
        cut_at_s: the range has older ones than this, epoch seconds; None: these are all.
    """

    sessions: Sequence[bytes]
    machine: Sequence[bytes]
    cut_at_s: int | None


@get(PATH)
async def list_agents(request: Request[Any, Any, Any]) -> Answer:
    """All of them, in order of ID, a page at a time."""
    try:
        return await _list(await see(request))
    except REFUSALS as error:
        return refusal(request.scope, error)


@get(f"{PATH}/{{agentId:str}}")
async def read_agent(request: Request[Any, Any, Any]) -> Answer:
    """One of them."""
    try:
        return await _read(await see(request), request.path_params["agentId"].lower())
    except REFUSALS as error:
        return refusal(request.scope, error)


async def _list(visitor: Visitor) -> Answer:
    accounts, aid = visitor.services.accounts, visitor.group.aid
    name = (visitor.parameters.one("name") or "").strip() or None
    after = visitor.parameters.one("after")
    found = accounts.agents(aid, agent_name=name, after=after, limit=PER_PAGE + 1)
    page, more = found[:PER_PAGE], len(found) > PER_PAGE
    known = await _measured(visitor, [agent.agent_id for agent in page])
    rows = [
        AgentRow(
            agent=agent,
            state=state_of(agent, visitor.services.clock.now()),
            last_seen=format_utc(agent.last_seen_s),
            url=visitor.view.url(f"{PATH}/{agent.agent_id}"),
            measures=known[agent.agent_id].measures if agent.agent_id in known else None,
            spark=spark_path(known[agent.agent_id].trend) if agent.agent_id in known else "",
        )
        for agent in page
    ]
    return visitor.render(
        "agents.html",
        path=PATH,
        rows=rows,
        name=name or "",
        total=accounts.count_agents(aid, agent_name=name),
        following=visitor.view.url(PATH, after=page[-1].agent_id) if more else None,
        windows=WINDOWS,
    )


async def _measured(visitor: Visitor, agent_ids: Sequence[str]) -> dict[str | None, Group]:
    """What a few agents measured in the time range."""
    query = visitor.view.query(USER_SESSIONS)
    of_these = Filter("agent_id", tuple(agent_ids))
    groups = await visitor.services.store.rank(
        structs.replace(query, filters=(*query.filters, of_these)),
        "agent_id",
        bucket_s=bucket_s_of(visitor.view.time_range, _TREND_BUCKETS),
        order="records",
        limit=PER_PAGE,
    )
    return {group.value: group for group in groups}


async def _read(visitor: Visitor, agent_id: str) -> Answer:
    agent, visitor = find_agent(visitor, agent_id)
    view = visitor.view
    bucket_s = bucket_s_of(view.time_range)
    summary = await visitor.services.store.summarize(view.query(USER_SESSIONS), bucket_s)
    newest = await read_newest(visitor, summary)
    attachments = await read_attachments(visitor)
    lanes = lanes_of([each for each in attachments if each[0] in _LANES], view.time_range, bucket_s)
    return visitor.render(
        "agent.html",
        path=f"{PATH}/{agent_id}",
        agent=agent,
        agent_id=agent_id,
        state=state_of(agent, visitor.services.clock.now()),
        last_seen=format_utc(agent.last_seen_s),
        whole=summary.whole,
        charts=overview_charts(summary, view.time_range, bucket_s)[:2],
        bands=state_bands(await read_states(visitor), view.time_range),
        band_ticks=time_ticks(view.time_range),
        machine=machine_charts(newest.machine, view.time_range, bucket_s),
        machine_since=None if newest.cut_at_s is None else format_utc(newest.cut_at_s),
        stays=stays_of(attachments, visitor),
        lanes=lanes,
        lanes_height=len(lanes) * LANE_HEIGHT,
        sessions=session_rows(
            newest.sessions, SHOWN_SESSIONS, newest.machine, await read_verdicts(visitor, newest)
        ),
        windows=WINDOWS,
        back=view.without_filter("agentId", agent_id).url(PATH),
        overview_url=view.url("/"),
        shown_sessions=SHOWN_SESSIONS,
        bucket_minutes=bucket_s // 60,
    )


def find_agent(visitor: Visitor, agent_id: str) -> tuple[Agent, Visitor]:
    """An agent, and the same visitor looking at it alone.

    Raises:
        NotFoundError: there is no such agent in the account group.
    """
    agent = visitor.services.accounts.agent(visitor.group.aid, agent_id)
    if agent is None:
        raise NotFoundError(f"There is no agent {agent_id!r} in this account group")
    return agent, _narrowed(visitor, agent_id)


async def read_newest(visitor: Visitor, summary: Summary) -> Newest:
    """The newest sessions of the agent that the visitor looks at, and what its machine did in them."""
    query, store = visitor.view.query(USER_SESSIONS), visitor.services.store
    since_s, is_cut = newest_start(summary, MOST_SESSIONS)
    if since_s is None:
        return Newest(sessions=[], machine=[], cut_at_s=None)
    newest = structs.replace(query, first_round=max(query.first_round, since_s), limit=2 * MOST_SESSIONS)
    return Newest(
        sessions=(await store.page(newest)).bodies,
        machine=(await store.page(structs.replace(newest, kind=NETWORK_SESSIONS))).bodies,
        cut_at_s=since_s if is_cut else None,
    )


async def read_states(visitor: Visitor) -> Sequence[bytes]:
    """The states that reach into the range."""
    query = visitor.view.query(AGENT_STATES)
    # One that began before the range may reach into it: they are cut at midnight, so a day is enough.
    return (
        await visitor.services.store.page(structs.replace(query, first_round=query.first_round - 86_400))
    ).bodies


def state_of(agent: Agent, now_s: float) -> str:
    """What an agent is doing as far as the server can tell."""
    if agent.deleted:
        return "deleted"
    if not agent.enabled:
        return "disabled"
    return "measuring" if now_s - agent.last_seen_s <= ALIVE_S else "not there"


def _narrowed(visitor: Visitor, agent_id: str) -> Visitor:
    """The same visitor, looking at one agent alone, whatever agents the view is filtered by."""
    view = visitor.view
    for each in view.filters:
        if each.key == "agentId":
            for value in each.values:
                view = view.without_filter(each.key, value)
    return structs.replace(visitor, view=view.with_filter("agentId", agent_id))


async def read_attachments(visitor: Visitor) -> list[tuple[str, list[Group]]]:
    """What the agent was attached to, by kind, most used first."""
    bucket_s, query = bucket_s_of(visitor.view.time_range), visitor.view.query(USER_SESSIONS)
    return [
        (
            kind,
            await visitor.services.store.rank(
                query, column, bucket_s=bucket_s, order="records", limit=MOST_PLACES
            ),
        )
        for kind, column in _STAYS
    ]


async def read_stays(visitor: Visitor) -> list[Stay]:
    """What the agent was attached to."""
    return stays_of(await read_attachments(visitor), visitor)


def stays_of(attachments: Sequence[tuple[str, Sequence[Group]]], visitor: Visitor) -> list[Stay]:
    """What the agent was attached to, as rows."""
    bucket_s, found = bucket_s_of(visitor.view.time_range), []
    for kind, groups in attachments:
        found += stays(kind, groups, visitor.view.time_range, bucket_s)
    return found


async def read_verdicts(visitor: Visitor, newest: Newest) -> dict[str, str]:
    """The verdicts of the sessions that are shown, by session ID.

    A verdict is kept beside a session, not in it: one short question for each verdict that there is.
    """
    if not newest.sessions:
        return {}
    oldest = _decode_session(newest.sessions[-SHOWN_SESSIONS:][0])
    store = visitor.services.store
    query = visitor.view.query(USER_SESSIONS)
    query = structs.replace(query, first_round=max(query.first_round, oldest.round_id))
    found: dict[str, str] = {}
    for verdict in await store.count_by(query, "verdict"):
        if verdict is not None:
            filters = (*query.filters, Filter("verdict", (verdict,)))
            page = await store.page(structs.replace(query, filters=filters))
            found |= {_decode_session(body).user_session_id: verdict for body in page.bodies}
    return found


HANDLERS: Final[list[Any]] = [list_agents, read_agent]
