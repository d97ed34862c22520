"""Real-user tests as version 7 writes them, and how they come from stored sessions and pages."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from hopsight.model import network_documents as stored
from hopsight.model.har import Browser, HarPage
from hopsight.model.har import PageTimings as StoredTimings
from hopsight.model.sessions import ProbedNetworkSession
from hopsight.model.system import SystemMetrics
from hopsight.model.user_sessions import Coordinates, SessionDetail, SessionNetwork, UserSession
from hopsight.model.web_sessions import WebSession
from hopsight.server.api.v7.documents import Links
from hopsight.server.api.v7.network_parts import (
    NetworkMetrics,
    NetworkPing,
    NetworkProfile,
    TracedPath,
    network_metrics,
    network_ping,
    network_profile,
    traceroute,
)
from hopsight.server.api.v7.numbers import whole


class RealUserTestNetwork(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The network of one session."""

    id: str
    agent_id: str
    round_id: int
    date: str
    destination: NetworkMetrics
    vpn: NetworkMetrics | None = None
    proxy: NetworkMetrics | None = None
    system_metrics: SystemMetrics | None = None


class RealUserTest(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One session."""

    id: str
    agent_id: str
    round_id: int
    date: str
    visited_site: str
    number_of_pages: int
    protocol: str | None = None
    port: int | None = None
    committed: str | None = None
    source_address: str | None = None
    organization_name: str | None = None
    experience_score: float | None = None


class WholePageTimings(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Whole milliseconds from the start of a page to its two events."""

    on_content_load: int | None = None
    on_load: int | None = None


class RealUserTestPage(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One page of a session."""

    page_id: str
    page_title: str | None = None
    page_url: str | None = None
    load_date: str | None = None
    response_code: int | None = None
    page_timings: WholePageTimings | None = None


class RealUserTestPageResult(RealUserTestPage, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One page in the list of all."""

    id: str
    agent_id: str
    round_id: int
    response_time: int | None = None
    system_metrics: SystemMetrics | None = None


class RealUserTestNetworkDetail(
    Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """The network of one session, in whole."""

    network_profile: NetworkProfile | None = None
    system_metrics: SystemMetrics | None = None
    gateway_ping: NetworkPing | None = None
    ping: NetworkPing | None = None
    vpn_ping: NetworkPing | None = None
    traceroute: TracedPath | None = None
    connect_rtt_ms: float | None = field(default=None, name="connectRtt")
    is_icmp_blocked: bool | None = None
    errors: tuple[str, ...] = ()


class RealUserTestDetail(RealUserTest, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """One session, in whole."""

    browser: Browser | None = None
    coordinates: Coordinates | None = None
    pages: list[RealUserTestPage] = []
    network: RealUserTestNetworkDetail | None = None


class RealUserTestDetailResults(Struct, frozen=True, kw_only=True):
    """One session."""

    results: list[RealUserTestDetail]
    links: Links = field(name="_links")


_sessions: Final = msgspec.json.Decoder(ProbedNetworkSession).decode
_tests: Final = msgspec.json.Decoder(UserSession).decode
_details: Final = msgspec.json.Decoder(SessionDetail).decode
_pages: Final = msgspec.json.Decoder(WebSession).decode


def real_user_test_network(body: bytes) -> RealUserTestNetwork:
    """A stored network session."""
    session = _sessions(body)
    return RealUserTestNetwork(
        id=session.user_session_id,
        agent_id=session.agent_id,
        round_id=session.round_id,
        date=instant(session.date),
        destination=network_metrics(session.destination),
        vpn=None if session.vpn is None else network_metrics(session.vpn),
        proxy=None if session.proxy is None else network_metrics(session.proxy),
        system_metrics=session.system_metrics,
    )


def real_user_test(body: bytes) -> RealUserTest:
    """A stored user session."""
    return RealUserTest(**_test_fields(_tests(body)))


def real_user_test_detail(body: bytes, detail: bytes | None) -> RealUserTestDetail:
    """A stored user session with its detail. URLs of pages are in the list of pages alone."""
    session = _tests(body)
    if detail is None:
        return RealUserTestDetail(**_test_fields(session))
    whole_detail = _details(detail)
    return RealUserTestDetail(
        **_test_fields(session),
        browser=whole_detail.browser,
        coordinates=whole_detail.coordinates,
        pages=[_page(page) for page in whole_detail.pages],
        network=_network(whole_detail.network, whole_detail.segments),
    )


def page_result(body: bytes) -> RealUserTestPageResult:
    """A stored page."""
    page = _pages(body)
    return RealUserTestPageResult(
        id=page.user_session_id,
        page_id=page.page_id,
        agent_id=page.agent_id,
        round_id=page.round_id,
        load_date=instant(page.date),
        page_url=page.page_url,
        page_title=page.page_title,
        response_code=page.response_code,
        response_time=whole(page.response_time),
        page_timings=_timings(page.page_timings),
        system_metrics=page.system_metrics,
    )


def instant(date: str) -> str:
    """A stored date (``YYYY-mm-dd HH:MM:SS``) as version 7 writes it."""
    return f"{date[:10]}T{date[11:]}Z"


def _test_fields(session: UserSession) -> dict[str, Any]:
    return {
        "id": session.user_session_id,
        "agent_id": session.agent_id,
        "round_id": session.round_id,
        "date": instant(session.date),
        "visited_site": session.visited_site,
        "number_of_pages": session.number_of_pages,
        "protocol": session.protocol,
        "port": session.port,
        "committed": None if session.committed is None else instant(session.committed),
        "source_address": session.source_addr,
        "organization_name": session.org_name,
        "experience_score": session.experience_score,
    }


def _page(page: HarPage) -> RealUserTestPage:
    return RealUserTestPage(
        page_id=page.id,
        page_title=page.title,
        load_date=page.started_date_time,
        response_code=page.response_code,
        page_timings=_timings(page.page_timings),
    )


def _timings(timings: StoredTimings | None) -> WholePageTimings | None:
    if timings is None:
        return None
    return WholePageTimings(on_content_load=whole(timings.on_content_load), on_load=whole(timings.on_load))


def _network(network: SessionNetwork, segments: Sequence[stored.Segment]) -> RealUserTestNetworkDetail:
    vpn = next((segment for segment in segments if segment.name == "vpn" and segment.ping), None)
    connect = network.connect
    return RealUserTestNetworkDetail(
        network_profile=network_profile(network.network_profile),
        system_metrics=network.system_metrics,
        gateway_ping=network_ping(network.gateway_ping),
        ping=network_ping(network.ping),
        vpn_ping=None if vpn is None else network_ping(vpn.ping, vpn.target),
        traceroute=traceroute(network.traceroute),
        connect_rtt_ms=None if connect is None else connect.rtt_ms,
        is_icmp_blocked=network.icmp_blocked,
        errors=network.errors,
    )
