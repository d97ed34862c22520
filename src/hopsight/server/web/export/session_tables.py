"""Tables of one session, and of the last round."""

from typing import Final

from hopsight.model.network_documents import Ping
from hopsight.model.sessions import NetworkSession
from hopsight.model.user_sessions import SessionDetail
from hopsight.server.web.agent_numbers import cpu_percent, memory_percent
from hopsight.server.web.export.csv_writing import Cell, Table, instant_of
from hopsight.server.web.export.tables_of_one import subject_of
from hopsight.server.web.last_round import read_sessions
from hopsight.server.web.path_drawing import rtt_of
from hopsight.server.web.session import ShownPage, find_session, read_pages, read_session_record
from hopsight.server.web.visitor import Visitor
from hopsight.server.web.waterfall import PHASES

_PINGS: Final = (
    "series", "sent", "received", "loss_percent", "min_rtt_ms", "mean_rtt_ms", "max_rtt_ms",
    "deviation_ms", "error",
)  # fmt: skip


async def read_detail(visitor: Visitor) -> SessionDetail:
    """The detail of the session that the URL's ``of`` names."""
    _, record = await find_session(visitor, subject_of(visitor, "a session"))
    return read_session_record(record)[1]


async def read_shown_pages(visitor: Visitor) -> list[ShownPage]:
    """The pages of the session that the URL's ``of`` names."""
    visitor, record = await find_session(visitor, subject_of(visitor, "a session"))
    return await read_pages(visitor.services.store, record, read_session_record(record)[1])


async def _probes(visitor: Visitor) -> Table:
    network = (await read_detail(visitor)).network
    rows = [
        _ping_cells(label, ping)
        for label, ping in (("site", network.ping), ("gateway", network.gateway_ping))
        if ping is not None
    ]
    if (connect := network.connect) is not None:
        rows.append(["tcp-connection", None, None, None, None, connect.rtt_ms, None, None, connect.error])
    return Table(columns=_PINGS, rows=rows)


def _ping_cells(label: str, ping: Ping) -> list[Cell]:
    loss = None
    if ping.pkts_sent and ping.pkts_received is not None:
        loss = 100 * (ping.pkts_sent - ping.pkts_received) / ping.pkts_sent
    return [
        label, ping.pkts_sent, ping.pkts_received, loss, ping.min_rtt_ms, ping.avg_rtt_ms, ping.max_rtt_ms,
        ping.mean_dev_rtt_ms, ping.error,
    ]  # fmt: skip


async def _segments(visitor: Visitor) -> Table:
    detail = await read_detail(visitor)
    return Table(
        columns=("segment", "state", "target", *_PINGS[1:], "note"),
        rows=[
            [
                each.name,
                each.state,
                each.target,
                *(_ping_cells("", each.ping)[1:] if each.ping is not None else [None] * 8),
                each.note,
            ]
            for each in detail.segments
        ],
    )


async def _hops(visitor: Visitor) -> Table:
    trace = (await read_detail(visitor)).network.traceroute
    return Table(
        columns=("hop", "address", "name", "min_rtt_ms", "asn", "prefix", "mpls"),
        rows=[
            [hop.hop, hop.ip_address, hop.name, rtt_of(hop), hop.asn, hop.prefix, "; ".join(hop.mpls) or None]
            for hop in (trace.hops if trace else ())
        ],
    )


async def _pages(visitor: Visitor) -> Table:
    return Table(
        columns=("page", "title", "started", "status", "content_load_ms", "load_ms"),
        rows=[
            [
                shown.page.id,
                shown.page.title,
                shown.page.started_date_time,
                shown.page.response_code,
                _milliseconds(shown.page.page_timings.on_content_load),
                _milliseconds(shown.page.page_timings.on_load),
            ]
            for shown in await read_shown_pages(visitor)
        ],
    )


async def _requests(visitor: Visitor) -> Table:
    return Table(
        columns=(
            "page", "method", "url", "status", "mime_type", "size_bytes", "start_ms", "total_ms",
            *(f"{style}_ms" for style, _ in PHASES),
        ),
        rows=[
            [
                shown.page.id, row.method, row.url, row.status, row.mime_type, row.size_bytes, row.start_ms,
                row.total_ms, *row.lengths_ms,
            ]
            for shown in await read_shown_pages(visitor)
            for row in (shown.waterfall.rows if shown.waterfall else [])
        ],
    )  # fmt: skip


def _milliseconds(value: float | None) -> float | None:
    """A time of a HTTP Archive, where less than nothing stands for not known."""
    return None if value is None or value < 0 else value


async def _last_round(visitor: Visitor) -> Table:
    found = await read_sessions(visitor.services, visitor.group.aid)
    return Table(
        columns=(
            "session_id", "agent_id", "agent_name", "target", "started", "loss_percent", "latency_ms",
            "jitter_ms", "mean_rtt_ms", "max_rtt_ms", "cpu_mean_percent", "memory_mean_percent",
        ),
        rows=[_session_cells(each, found.names) for each in found.sessions] if found else [],
    )  # fmt: skip


def _session_cells(session: NetworkSession, names: dict[str, str]) -> list[Cell]:
    found, system = session.destination, session.system_metrics
    return [
        session.user_session_id,
        session.agent_id,
        names.get(session.agent_id, session.agent_id),
        found.target,
        instant_of(session.date),
        found.loss_percent,
        found.latency_ms,
        found.jitter_ms,
        found.avg_rtt_ms,
        found.max_rtt_ms,
        None if system is None else cpu_percent(system),
        None if system is None else memory_percent(system),
    ]


SESSION: Final = {
    "probes": _probes,
    "segments": _segments,
    "hops": _hops,
    "pages": _pages,
    "requests": _requests,
}
LAST_ROUND: Final = {"sessions": _last_round}
