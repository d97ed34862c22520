"""Web pages of simulated user sessions: one document in four sessions, timed by the session's RTT."""

from typing import Final

from hopsight.model.har import (
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
from hopsight.model.times import format_utc
from hopsight.model.upload import NetworkSessionRecord, WebSessionRecord
from hopsight.model.web_sessions import WebPageDetail, WebSession

BROWSER: Final = Browser(name="SIMULATED")
PAGE_ID: Final = "page_0"
DNS_MS: Final = 12.0
SEND_MS: Final = 0.2
SERVER_MS: Final = 40.0
CONTENT_BYTES: Final = 14_600
_ONE_IN: Final = 4


def page_of(record: NetworkSessionRecord) -> WebSessionRecord | None:
    """The page that was fetched in a session; None: none was, or the site was down."""
    session, site = record.document, record.visited_site or ""
    rtt_ms = session.destination.avg_rtt_ms
    if rtt_ms is None or ord(session.user_session_id[-1]) % _ONE_IN:
        return None
    url = f"https://{site}/"
    timings = HarTimings(
        blocked=-1.0,
        dns=DNS_MS,
        connect=round(2 * rtt_ms, 3),
        ssl=rtt_ms,
        send=SEND_MS,
        wait=round(rtt_ms + SERVER_MS, 3),
        receive=rtt_ms,
    )
    time_ms = round(DNS_MS + 2 * rtt_ms + SEND_MS + rtt_ms + SERVER_MS + rtt_ms, 3)
    start_ms = session.system_metrics.start_time_ms if session.system_metrics else session.round_id * 1_000
    started = f"{format_utc(start_ms // 1_000).replace(' ', 'T')}.{start_ms % 1_000:03d}Z"
    page = HarPage(
        id=PAGE_ID,
        title=f"SIMULATED {site}",
        started_date_time=started,
        response_code=200,
        page_timings=PageTimings(on_content_load=time_ms),
    )
    log = HarLog(
        version="1.2",
        creator=BROWSER,
        browser=BROWSER,
        pages=(page,),
        entries=(_entry(url, started, time_ms, timings, session.destination.target),),
        system_metrics=session.system_metrics,
    )
    document = WebSession(
        user_session_id=session.user_session_id,
        page_id=PAGE_ID,
        agent_id=session.agent_id,
        round_id=session.round_id,
        date=session.date,
        page_url=url,
        page_title=page.title,
        response_code=200,
        response_time=timings.wait,
        page_timings=page.page_timings,
        system_metrics=session.system_metrics,
    )
    return WebSessionRecord(
        document=document,
        detail=WebPageDetail(har=Har(log=log)),
        context=record.context,
        visited_site=site,
        destination_ip=session.destination.target,
    )


def _entry(url: str, started: str, time_ms: float, timings: HarTimings, address: str) -> HarEntry:
    return HarEntry(
        pageref=PAGE_ID,
        started_date_time=started,
        time=time_ms,
        request=HarRequest(
            method="GET", url=url, headers=(NameValue(name="Accept", value="text/html"),), query_string=()
        ),
        response=HarResponse(
            status=200,
            status_text="OK",
            headers=(NameValue(name="Content-Type", value="text/html"),),
            content=HarContent(size=CONTENT_BYTES, mime_type="text/html"),
            redirect_url="",
            body_size=CONTENT_BYTES,
        ),
        timings=timings,
        server_ip_address=address,
    )
