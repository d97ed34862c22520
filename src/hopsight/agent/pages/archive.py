"""A fetch as the API has it: one page, and its HTTP Archive without secrets."""

import html
import re
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import hopsight
from hopsight.agent.pages.exchange import Exchange, PageFetch
from hopsight.agent.pages.fetch import REQUEST_HEADERS
from hopsight.model.har import (
    REMOVED,
    Browser,
    Har,
    HarContent,
    HarEntry,
    HarLog,
    HarPage,
    HarRequest,
    HarResponse,
    HarTimings,
    NameValue,
    PageTimings,
)
from hopsight.model.system import SystemMetrics
from hopsight.model.times import format_utc
from hopsight.model.upload import WebSessionRecord
from hopsight.model.user_sessions import UserSession
from hopsight.model.web_sessions import WebPageDetail, WebSession

PAGE_ID: Final = "page_0"
BROWSER: Final = Browser(name="Hopsight", version=hopsight.__version__)
CREATOR: Final = Browser(name="Hopsight agent", version=hopsight.__version__)

_MAX_TEXT_CHARS: Final = 8_192
_MAX_TITLE_CHARS: Final = 255
_TITLE: Final = re.compile(rb"<title(?:\s[^>]*)?>(.*?)</title", re.IGNORECASE | re.DOTALL)
_CREDENTIALS: Final = re.compile(r"((?:^|https?:)//)[^/?#@\s]*@", re.IGNORECASE)
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def web_record(
    fetch: PageFetch, session: UserSession, address: str | None, metrics: SystemMetrics | None
) -> WebSessionRecord:
    """The page of a session, with that session's ID and round."""
    page = har_page(fetch)
    last = fetch.exchanges[-1]
    log = HarLog(
        version="1.2",
        creator=CREATOR,
        browser=BROWSER,
        pages=(page,),
        entries=tuple(map(_entry, fetch.exchanges)),
        system_metrics=metrics,
    )
    document = WebSession(
        user_session_id=session.user_session_id,
        page_id=PAGE_ID,
        agent_id=session.agent_id,
        round_id=session.round_id,
        date=session.date,
        page_url=_text(last.url),
        page_title=page.title or None,
        response_code=page.response_code,
        response_time=last.wait_ms if last.wait_ms >= 0 else None,
        page_timings=page.page_timings,
        system_metrics=metrics,
    )
    return WebSessionRecord(
        document=document,
        detail=WebPageDetail(har=Har(log=log)),
        context=0,
        visited_site=session.visited_site,
        destination_ip=address,
    )


def har_page(fetch: PageFetch) -> HarPage:
    """The page in short. A lone document has no load event, and one that never came whole has neither."""
    last = fetch.exchanges[-1]
    total_ms = round(sum(exchange.total_ms for exchange in fetch.exchanges), 3)
    return HarPage(
        id=PAGE_ID,
        title=title_of(last),
        started_date_time=_moment(fetch.exchanges[0].started_at_s),
        response_code=last.status or None,
        page_timings=PageTimings(on_content_load=total_ms if fetch.error is None else None),
    )


def title_of(exchange: Exchange) -> str:
    """Title of an HTML document; empty for anything else."""
    if "html" not in exchange.header("content-type").lower():
        return ""
    found = _TITLE.search(exchange.start)
    if found is None:
        return ""
    return _text(" ".join(html.unescape(found[1].decode("utf-8", "replace")).split()))[:_MAX_TITLE_CHARS]


def _entry(exchange: Exchange) -> HarEntry:
    # In an archive TLS is part of connect, too.
    connect_ms = exchange.connect_ms + max(exchange.tls_ms, 0.0)
    return HarEntry(
        pageref=PAGE_ID,
        started_date_time=_moment(exchange.started_at_s),
        time=exchange.total_ms,
        request=HarRequest(
            method="GET",
            url=_text(exchange.url),
            http_version="HTTP/1.1",
            headers=_headers(REQUEST_HEADERS),
            query_string=tuple(
                NameValue(name=_text(name), value=_text(value))
                for name, value in parse_qsl(urlsplit(exchange.url).query)[:200]
            ),
            body_size=0,
        ),
        response=HarResponse(
            status=exchange.status,
            status_text=_text(exchange.reason),
            http_version=exchange.version,
            headers=_headers(exchange.headers),
            content=HarContent(size=exchange.body_bytes, mime_type=_text(exchange.header("content-type"))),
            redirect_url=_text(_CREDENTIALS.sub(r"\1", exchange.header("location"))),
            body_size=-1 if exchange.truncated else exchange.body_bytes,
        ),
        timings=HarTimings(
            blocked=exchange.blocked_ms,
            dns=exchange.dns_ms,
            connect=round(connect_ms, 3),
            ssl=exchange.tls_ms,
            send=exchange.send_ms,
            wait=exchange.wait_ms,
            receive=exchange.receive_ms,
        ),
        server_ip_address=exchange.address,
    )


def _headers(headers: tuple[tuple[str, str], ...]) -> tuple[NameValue, ...]:
    return tuple(
        NameValue(
            name=_text(name), value=REMOVED if _is_secret(name) else _text(_CREDENTIALS.sub(r"\1", value))
        )
        for name, value in headers
    )


def _is_secret(name: str) -> bool:
    name = name.lower()
    return name in {"cookie", "set-cookie", "authorization", "www-authenticate"} or name.startswith("proxy-")


def _moment(at_s: float) -> str:
    at_ms = int(at_s * 1_000)
    return f"{format_utc(at_ms // 1_000).replace(' ', 'T')}.{at_ms % 1_000:03d}Z"


def _text(text: str) -> str:
    return _UNPRINTABLE.sub("?", text)[:_MAX_TEXT_CHARS]
