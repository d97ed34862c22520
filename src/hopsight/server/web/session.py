"""One user session, as ``permalink`` opens it: verdict, way, probes, path, pages, machine and network."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import get
from litestar.connection import Request
from msgspec import Struct, structs

from hopsight.errors import InvalidValueError, NotFoundError
from hopsight.model.dimensions import USER_SESSIONS, WEB_SESSIONS
from hopsight.model.har import HarPage
from hopsight.model.ids import parse_session_id
from hopsight.model.query import Cursor, Filter, Query, Record
from hopsight.model.times import TimeRange
from hopsight.model.user_sessions import SessionDetail, UserSession
from hopsight.model.web_sessions import WebPageDetail, is_page_id, web_record_id
from hopsight.server.api.answers import Answer
from hopsight.server.api.documents import merged
from hopsight.server.auth import choose_account_group
from hopsight.server.web import session_description as describe
from hopsight.server.web.overview import PATH as OVERVIEW
from hopsight.server.web.path_drawing import PathDrawing, draw_path
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.visitor import Visitor, see
from hopsight.server.web.waterfall import PHASES, Waterfall, draw_waterfall
from hopsight.storage.store import Store

MAX_PAGES: Final = 10
"""Pages whose waterfall is drawn."""
NEIGHBOURS_WITHIN_S: Final = 3_600
_AROUND_S: Final = 43_200

_decode_session: Final = msgspec.json.Decoder(UserSession).decode
_decode_detail: Final = msgspec.json.Decoder(SessionDetail).decode
_decode_page: Final = msgspec.json.Decoder(WebPageDetail).decode


class ShownPage(Struct, frozen=True, kw_only=True):
    """A page: what is known of it in short, and its waterfall, when it has an archive."""

    page: HarPage
    content_load: str | None
    load: str | None
    waterfall: Waterfall | None


class Neighbours(Struct, frozen=True, kw_only=True):
    """The sessions of the same agent and site before and after, by ID."""

    previous: str | None
    following: str | None


@get("/sessions/{userSessionId:str}")
async def read_session(request: Request[Any, Any, Any]) -> Answer:
    """Show it to whoever may see its account group; others sign in first."""
    try:
        return await _page(request)
    except REFUSALS as error:
        return refusal(request.scope, error)


async def _page(request: Request[Any, Any, Any]) -> Answer:
    text = request.path_params["userSessionId"]
    visitor, record = await find_session(await see(request), text)
    store, aid = visitor.services.store, record.aid
    session, detail = read_session_record(record)
    traceroute = detail.network.traceroute
    path: PathDrawing | None = draw_path(traceroute.hops) if traceroute and traceroute.hops else None
    names = visitor.services.accounts.agent_names(aid, {session.agent_id})
    pages = await read_pages(store, record, detail)
    return visitor.render(
        "session.html",
        path="/sessions",
        session_id=text,
        overview=OVERVIEW,
        session=session,
        detail=detail,
        agent_name=names.get(session.agent_id, session.agent_id),
        verdict=detail.verdict,
        verdict_label=describe.label_of(detail.verdict.result) if detail.verdict else None,
        evidence=describe.evidence_of(detail.verdict.evidence) if detail.verdict else [],
        segments=describe.segments_of(detail),
        probes=describe.probes_of(detail),
        trace=traceroute,
        drawing=path,
        pages=pages,
        absent=_absent(path, pages),
        phases=PHASES,
        machine=describe.machine_of(detail.network.system_metrics),
        profile=describe.profile_of(detail.network.network_profile),
        traffic=describe.traffic_of(detail.passive),
        score=describe.shown_score(detail, session.experience_score),
        neighbours=await _neighbours(store, record, session),
        document=msgspec.json.format(merged(record.body, record.detail), indent=2).decode(),
    )


def _absent(path: PathDrawing | None, pages: Sequence[ShownPage]) -> tuple[str, ...]:
    """Names of the tables and pictures that would be empty."""
    absent: tuple[str, ...] = () if path is not None else ("hops", "path")
    if not pages:
        absent += ("pages",)
    if not any(shown.waterfall is not None for shown in pages):
        absent += ("requests", "waterfall")
    return absent


async def find_session(visitor: Visitor, session_id: str) -> tuple[Visitor, Record]:
    """A user session, and the same visitor looking at its account group and time.

    Raises:
        InvalidValueError: this is no session ID, or the account group is none of theirs.
        NotFoundError: there is no such session.
    """
    parsed = parse_session_id(session_id)
    visitor = _within(visitor, choose_account_group(visitor.principal, str(parsed.aid)), parsed.round_id)
    record = await visitor.services.store.get(USER_SESSIONS, parsed.aid, parsed.round_id, session_id)
    if record is None:
        raise NotFoundError(f"There is no session {session_id!r}")
    return visitor, record


def read_session_record(record: Record) -> tuple[UserSession, SessionDetail]:
    """A stored user session, and its detail (empty where none is stored)."""
    return _decode_session(record.body), _decode_detail(record.detail or b'{"network":{}}')


def _within(visitor: Visitor, aid: int, round_id: int) -> Visitor:
    """The same visitor, looking at the session's account group, and at a time that the session is in."""
    group = next((group for group in visitor.groups if group.aid == aid), None)
    if group is None:
        raise InvalidValueError("aid", aid, "the ID of an account group of yours")
    view = structs.replace(visitor.view, aid=aid)
    if not view.time_range.start_s <= round_id <= view.time_range.end_s:
        around = TimeRange(max(0, round_id - _AROUND_S), round_id + _AROUND_S)
        view = structs.replace(view, window=None, time_range=around)
    return structs.replace(visitor, group=group, view=view)


async def read_pages(store: Store, record: Record, detail: SessionDetail) -> list[ShownPage]:
    """The pages of a session, the first few with their waterfalls."""
    shown = []
    for index, page in enumerate(detail.pages):
        waterfall = None
        if index < MAX_PAGES and is_page_id(page.id):
            found = await store.get(
                WEB_SESSIONS, record.aid, record.round_id, web_record_id(record.record_id, page.id)
            )
            if found is not None and found.detail:
                waterfall = draw_waterfall(_decode_page(found.detail).har.log)
        content, load = describe.page_milliseconds(page)
        shown.append(ShownPage(page=page, content_load=content, load=load, waterfall=waterfall))
    return shown


async def _neighbours(store: Store, record: Record, session: UserSession) -> Neighbours:
    """Within an hour on both sides: of one agent and site that is a small page."""
    here = Cursor(record.round_id, record.record_id)
    query = Query(
        kind=USER_SESSIONS,
        aid=record.aid,
        first_round=max(0, record.round_id - NEIGHBOURS_WITHIN_S),
        last_round=record.round_id,
        filters=(Filter("agent_id", (session.agent_id,)), Filter("visited_site", (session.visited_site,))),
    )
    before = (await store.page(query)).bodies
    ids = [each.user_session_id for each in map(_decode_session, before)]
    earlier = ids[: ids.index(session.user_session_id)] if session.user_session_id in ids else ids
    after = structs.replace(
        query,
        first_round=record.round_id,
        last_round=record.round_id + NEIGHBOURS_WITHIN_S,
        after=here,
        limit=1,
    )
    later = [each.user_session_id for each in map(_decode_session, (await store.page(after)).bodies)]
    return Neighbours(previous=earlier[-1] if earlier else None, following=later[0] if later else None)


HANDLERS: Final[list[Any]] = [read_session]
