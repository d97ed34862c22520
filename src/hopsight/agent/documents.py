"""What a measurement found, as API documents (API.md sections 3.1 to 3.3)."""

import random
import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from hopsight.agent.measurement import Measurement
from hopsight.agent.pages.archive import BROWSER, har_page
from hopsight.agent.profile.profile import NetworkProfile, profile_document
from hopsight.agent.results import ConnectResult, HopResult, PathResult, PingResult
from hopsight.agent.verdict.segments import ping_of
from hopsight.model.ids import new_session_id, round_of
from hopsight.model.network_documents import (
    MAX_HOPS,
    MAX_LISTED,
    Connect,
    PathHop,
    Ping,
    SegmentName,
    Traceroute,
)
from hopsight.model.sessions import Destination, ProbedNetworkSession
from hopsight.model.times import format_utc
from hopsight.model.upload import NetworkSessionRecord, UserSessionRecord
from hopsight.model.user_sessions import SessionDetail, SessionNetwork, UserSession, site_protocol

_MAX_LABELS: Final = 16
_MAX_TEXT_CHARS: Final = 255
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def destination(measurement: Measurement) -> Destination | None:
    """The API's ``destination``: what was not measured is absent; without an address there is none."""
    if measurement.address is None:
        return None
    ping = measurement.ping
    times = ping.statistics if ping is not None else None
    return Destination(
        target=measurement.address,
        loss_percent=ping.loss_percent if ping is not None else None,
        latency_ms=_whole(times.avg_rtt_ms) if times is not None else None,
        jitter_ms=_whole(times.mean_dev_rtt_ms) if times is not None else None,
        avg_rtt_ms=times.avg_rtt_ms if times is not None else None,
        max_rtt_ms=times.max_rtt_ms if times is not None else None,
        mean_dev_rtt_ms=times.mean_dev_rtt_ms if times is not None else None,
    )


def network_session(
    measurement: Measurement, aid: int, agent_id: str, rng: random.Random
) -> ProbedNetworkSession | None:
    """The record of a measurement, in the round in which its window started.

    Returns:
        None when the name did not resolve, or the machine slept.
    """
    found = destination(measurement)
    if found is None or measurement.asleep:
        return None
    round_id = round_of(measurement.started_at_s)
    return ProbedNetworkSession(
        user_session_id=_new_id(measurement, aid, rng),
        agent_id=agent_id,
        round_id=round_id,
        date=format_utc(measurement.started_at_s),
        destination=found,
        system_metrics=measurement.system_metrics,
        vpn=_stretch(measurement, "vpn"),
        proxy=_stretch(measurement, "proxy"),
    )


def _stretch(measurement: Measurement, name: SegmentName) -> Destination | None:
    """What the window found of a stretch before the destination; None: there is none, or no address."""
    for segment in measurement.segments:
        if segment.name == name and segment.target is not None and segment.ping is not None:
            return _metrics(segment.target, segment.ping)
    return None


def _metrics(target: str, ping: Ping) -> Destination:
    sent, received = ping.pkts_sent or 0, ping.pkts_received or 0
    return Destination(
        target=target,
        loss_percent=(sent - received) / sent * 100 if sent else None,
        latency_ms=_whole(ping.avg_rtt_ms) if ping.avg_rtt_ms is not None else None,
        jitter_ms=_whole(ping.mean_dev_rtt_ms) if ping.mean_dev_rtt_ms is not None else None,
    )


def _whole(milliseconds: float) -> int:
    # Decimal, because adding 0.5 rounds 0.49999999999999994 up.
    return int(Decimal(milliseconds).to_integral_value(ROUND_HALF_UP))


def session_records(
    measurement: Measurement,
    aid: int,
    agent_id: str,
    rng: random.Random,
    profile: NetworkProfile | None,
) -> tuple[NetworkSessionRecord | None, UserSessionRecord | None]:
    """Both records of a measurement, with one ID; their context is the batch's first.

    Returns:
        No network session when the name did not resolve: the user session says why. Neither when the machine
        slept.
    """
    if measurement.asleep:
        return None, None
    session = network_session(measurement, aid, agent_id, rng)
    session_id = session.user_session_id if session is not None else _new_id(measurement, aid, rng)
    network = (
        NetworkSessionRecord(document=session, context=0, visited_site=measurement.visited_site)
        if session is not None
        else None
    )
    user = UserSessionRecord(
        document=user_session(measurement, session_id, agent_id),
        detail=session_detail(measurement, profile),
        context=0,
        destination_ip=None if measurement.proxied else measurement.address,
    )
    return network, user


def user_session(measurement: Measurement, session_id: str, agent_id: str) -> UserSession:
    """The list item; its page is the one that the agent fetched."""
    port = measurement.target.port
    return UserSession(
        user_session_id=session_id,
        agent_id=agent_id,
        round_id=round_of(measurement.started_at_s),
        date=format_utc(measurement.started_at_s),
        visited_site=measurement.visited_site,
        number_of_pages=int(measurement.page is not None),
        protocol=site_protocol(port),
        port=port,
    )


def session_detail(measurement: Measurement, profile: NetworkProfile | None) -> SessionDetail:
    """All that is kept besides."""
    network = SessionNetwork(
        network_profile=profile_document(profile) if profile is not None else None,
        system_metrics=measurement.system_metrics,
        gateway_ping=ping_document(measurement.gateway_ping),
        ping=ping_document(measurement.ping),
        traceroute=traceroute(measurement.path),
        connect=_connect(measurement.connect),
        icmp_blocked=measurement.icmp_blocked if measurement.address is not None else None,
        errors=_texts([*measurement.errors, *_page_errors(measurement)]),
    )
    return SessionDetail(
        network=network,
        browser=BROWSER if measurement.page is not None else None,
        pages=(har_page(measurement.page),) if measurement.page is not None else (),
        segments=measurement.segments,
        verdict=measurement.verdict,
        flags=_texts(measurement.flags),
        probe=measurement.probe,
    )


def _page_errors(measurement: Measurement) -> list[str]:
    page = measurement.page
    return [f"page: {finding}" for finding in page.findings] if page is not None else []


def ping_document(ping: PingResult | None) -> Ping | None:
    """The API's ping: its numbers, or only why there are none."""
    if ping is None:
        return None
    if ping.pkts_sent == 0:
        return Ping(error=_text("; ".join(ping.errors) or "nothing was sent"))
    return ping_of(ping.pkts_sent, ping.rtts_ms)


def traceroute(path: PathResult | None) -> Traceroute | None:
    """The API's traceroute: its hops, or only why there are none."""
    if path is None:
        return None
    if not path.hops:
        return Traceroute(error=_text(path.error or "no hop answered"))
    return Traceroute(destination=path.destination, hops=path_hops(path))


def path_hops(path: PathResult) -> tuple[PathHop, ...]:
    """The API's hops."""
    return tuple(map(_hop, path.hops[:MAX_HOPS]))


def _hop(hop: HopResult) -> PathHop:
    if hop.address is None:
        return PathHop(hop=hop.number)
    return PathHop(
        hop=hop.number,
        delay_ms=_whole(hop.rtt_ms) if hop.rtt_ms is not None else None,
        rtt_ms=hop.rtt_ms,
        ip_address=hop.address,
        name=_text(hop.name or hop.address),
        prefix=hop.prefix,
        asn=hop.asn,
        mpls=tuple(map(_text, hop.mpls[:_MAX_LABELS])),
    )


def _connect(connect: ConnectResult | None) -> Connect | None:
    if connect is None:
        return None
    return Connect(rtt_ms=connect.rtt_ms, error=_text(connect.error) if connect.error is not None else None)


def _new_id(measurement: Measurement, aid: int, rng: random.Random) -> str:
    return str(new_session_id(aid, round_of(measurement.started_at_s), rng))


def _texts(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(_text, texts[:MAX_LISTED]))


def _text(text: str) -> str:
    """As the model has texts: names of hosts and words of systems may hold anything."""
    return _UNPRINTABLE.sub("?", text)[:_MAX_TEXT_CHARS]
