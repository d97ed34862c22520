"""Which pictures there are, by the page that shows their drawings; each is read as the page reads it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Final

from msgspec import Struct

from hopsight.errors import InvalidValueError, NotFoundError
from hopsight.model.dimensions import USER_SESSIONS
from hopsight.model.times import format_utc
from hopsight.server.alerts.texts import cause_of, condition_of
from hopsight.server.web.agent_numbers import machine_charts, state_bands
from hopsight.server.web.agents import find_agent, read_newest, read_states
from hopsight.server.web.charts import time_ticks
from hopsight.server.web.export.alert_tables import at_incident
from hopsight.server.web.export.pictures import (
    Drawing,
    bands_drawing,
    chart_drawing,
    graph_drawing,
    path_drawing,
    shares_drawing,
    waterfall_drawing,
)
from hopsight.server.web.export.style_sheets import drawing_styles
from hopsight.server.web.export.tables_of_one import at_network, subject_of
from hopsight.server.web.incident_chart import incident_chart, read_seen
from hopsight.server.web.networks import names_of_networks
from hopsight.server.web.overview_numbers import overview_charts, verdict_shares
from hopsight.server.web.path_drawing import draw_path
from hopsight.server.web.paths import chosen_sites, read_graph
from hopsight.server.web.session import find_session, read_pages, read_session_record
from hopsight.server.web.view import bucket_s_of
from hopsight.server.web.visitor import Visitor

WHOLE: Final = "view"
"""The picture of all drawings of a page."""
_STATIC: Final = files("hopsight.server.web").joinpath("static")


class Shown(Struct, frozen=True, kw_only=True):
    """What a page draws.

    Args:
        visitor: looking at what the page is about.
        title: what that is.
        drawings: each with its name, in the order of the page.
        styles: style sheets of the page beside that of all.
        facts: what else is to be said.
        is_of_range: the view's time and filters chose it.
    """

    visitor: Visitor
    title: str
    drawings: Sequence[tuple[str, Drawing]]
    styles: tuple[str, ...] = ("charts.css",)
    facts: tuple[str, ...] = ()
    is_of_range: bool = True


class PagePictures(Struct, frozen=True):
    """The names of a page's pictures, and how its drawings are read."""

    names: tuple[str, ...]
    read: Callable[[Visitor], Awaitable[Shown]]


async def _overview(visitor: Visitor) -> Shown:
    drawings = await _fleet_drawings(visitor, 5)
    return Shown(visitor=visitor, title="Overview", drawings=drawings, facts=(_buckets(visitor),))


async def _network(visitor: Visitor) -> Shown:
    visitor = await at_network(visitor)
    network_id = subject_of(visitor, "a network")
    names = (await names_of_networks(visitor, [network_id]))[network_id]
    return Shown(
        visitor=visitor,
        title=f"Network {names[0]}",
        drawings=await _fleet_drawings(visitor, 2),
        facts=(_buckets(visitor),),
    )


async def _agent(visitor: Visitor) -> Shown:
    agent, visitor = find_agent(visitor, subject_of(visitor, "an agent").lower())
    view, bucket_s = visitor.view, bucket_s_of(visitor.view.time_range)
    summary = await visitor.services.store.summarize(view.query(USER_SESSIONS), bucket_s)
    newest = await read_newest(visitor, summary)
    latency, loss = overview_charts(summary, view.time_range, bucket_s)[:2]
    cpu, memory = machine_charts(newest.machine, view.time_range, bucket_s)
    bands = state_bands(await read_states(visitor), view.time_range)
    return Shown(
        visitor=visitor,
        title=f"Agent {agent.agent_name}",
        drawings=[
            ("latency", chart_drawing(latency)),
            ("loss", chart_drawing(loss)),
            ("states", bands_drawing(bands, time_ticks(view.time_range))),
            ("cpu", chart_drawing(cpu)),
            ("memory", chart_drawing(memory)),
        ],
        styles=("charts.css", "agent.css"),
        facts=(_buckets(visitor), *_since(newest.cut_at_s)),
    )


async def _paths(visitor: Visitor) -> Shown:
    sites = chosen_sites(visitor)
    if not sites:
        raise InvalidValueError("visitedSite", "", "a site that the paths lead to")
    seen = await read_graph(visitor)
    if seen.graph is None:
        raise NotFoundError("No session of this view has a path")
    return Shown(
        visitor=visitor,
        title=f"Paths to {', '.join(sites)}",
        drawings=[("graph", graph_drawing(seen.graph, seen.looked_at))],
        styles=("charts.css", "paths.css"),
    )


async def _session(visitor: Visitor) -> Shown:
    visitor, record = await find_session(visitor, subject_of(visitor, "a session"))
    session, detail = read_session_record(record)
    drawings: list[tuple[str, Drawing]] = []
    if (trace := detail.network.traceroute) is not None and trace.hops:
        drawings.append(("path", path_drawing(draw_path(trace.hops))))
    pages = await read_pages(visitor.services.store, record, detail)
    found = [
        waterfall_drawing(shown.page.title or shown.page.id, shown.waterfall)
        for shown in pages
        if shown.waterfall is not None
    ]
    drawings += [("waterfall", each) for each in found]
    names = visitor.services.accounts.agent_names(record.aid, {session.agent_id})
    agent = names.get(session.agent_id, session.agent_id)
    return Shown(
        visitor=visitor,
        title=f"Session with {session.visited_site}",
        drawings=drawings,
        styles=("session.css",),
        facts=(f"{agent}, {session.date} UTC, {session.user_session_id}",),
        is_of_range=False,
    )


async def _incident(visitor: Visitor) -> Shown:
    visitor, incident = at_incident(visitor)
    services = visitor.services
    seen = await read_seen(services.store, incident.rule, visitor.view, services.clock.now())
    return Shown(
        visitor=visitor,
        title=f"Incident {incident.incident_id}: {incident.rule.name}",
        drawings=[("metric", chart_drawing(incident_chart(seen)))],
        facts=(f"{condition_of(incident.rule)}.", f"Cause: {cause_of(incident.cause)}.", _buckets(visitor)),
    )


async def _fleet_drawings(visitor: Visitor, count: int) -> list[tuple[str, Drawing]]:
    """Whose fault, and the first charts of the overview."""
    view, bucket_s = visitor.view, bucket_s_of(visitor.view.time_range)
    query = view.query(USER_SESSIONS)
    summary = await visitor.services.store.summarize(query, bucket_s)
    shares = verdict_shares(await visitor.services.store.count_by(query, "verdict"), view, "/")
    charts = overview_charts(summary, view.time_range, bucket_s)[:count]
    drawn = [(chart.title.lower(), chart_drawing(chart)) for chart in charts]
    return [("verdicts", shares_drawing(shares)), *drawn]


def _since(cut_at_s: int | None) -> list[str]:
    if cut_at_s is None:
        return []
    return [f"CPU and memory are of the newest sessions alone, since {format_utc(cut_at_s)} UTC."]


def _buckets(visitor: Visitor) -> str:
    minutes = bucket_s_of(visitor.view.time_range) // 60
    return f"Buckets of {minutes} min; percentiles are exact, by nearest rank; a gap: nothing was measured."


@cache
def styles_of(names: tuple[str, ...]) -> str:
    """What these style sheets say of drawings, and what is around them."""
    around = files(__package__).joinpath("picture.css")
    sheets = [_STATIC.joinpath(name) for name in ("style.css", *names)]
    return drawing_styles([sheet.read_text(encoding="utf-8") for sheet in (*sheets, around)])


PICTURES: Final[Mapping[str, PagePictures]] = {
    "overview": PagePictures(
        (WHOLE, "verdicts", "latency", "loss", "jitter", "sessions", "agents"), _overview
    ),
    "agent": PagePictures((WHOLE, "latency", "loss", "states", "cpu", "memory"), _agent),
    "network": PagePictures((WHOLE, "verdicts", "latency", "loss"), _network),
    "paths": PagePictures(("graph",), _paths),
    "session": PagePictures(("path", "waterfall"), _session),
    "incident": PagePictures(("metric",), _incident),
}
