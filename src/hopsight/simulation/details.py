"""User sessions beside simulated network sessions: the way, its segments and a verdict, by closed forms.

What happened is known here, so the verdict needs no rules: a provider that is down is the destination's
fault, losses under the one bad access point are the local network's, one lost probe elsewhere may be chance.
The network session decides all numbers; nothing is drawn anew.
"""

import math
from typing import Final

from msgspec import structs

from hopsight.model.network_documents import (
    Connect,
    Evidence,
    NetworkProfileDocument,
    PathHop,
    Ping,
    Segment,
    Traceroute,
    Verdict,
    WirelessProfile,
)
from hopsight.model.sessions import Destination, NetworkSession
from hopsight.model.upload import NetworkSessionRecord, UserSessionRecord, WebSessionRecord
from hopsight.model.user_sessions import SessionDetail, SessionNetwork, UserSession, site_protocol
from hopsight.simulation.fleet import SimulatedAgent
from hopsight.simulation.pages import BROWSER
from hopsight.simulation.pings import PROBES, gateway_ping, loss_of, vpn_ping
from hopsight.simulation.world import SITES, Site

PROBE: Final = "simulated"
PORT: Final = 443
RULES: Final = 1
TOLERATED_LOSS: Final = 10.0
"""Percent: one probe of ten may be lost by chance."""

_FIRST_ASN: Final = 64_500
_SITES: Final = {site.host: site for site in SITES}
_GOOD_DEVICE: Final = Segment(name="device", state="good")
_HEALTHY: Final = Verdict(result="healthy", rules=RULES, summary="SIMULATED: no fault.")
_CHANCE: Final = Verdict(result="no-verdict", rules=RULES, summary="SIMULATED: losses that may be chance.")


class Details:
    """Makes the user sessions of one agent, each from its network session."""

    def __init__(self, agent: SimulatedAgent) -> None:
        self._agent = agent
        self._profile = profile_of(agent)

    def user_session(self, record: NetworkSessionRecord, page: WebSessionRecord | None) -> UserSessionRecord:
        """The one beside a network session, with its ID, and with what is told of its page."""
        session, site = record.document, _SITES[record.visited_site or ""]
        return UserSessionRecord(
            document=UserSession(
                user_session_id=session.user_session_id,
                agent_id=session.agent_id,
                round_id=session.round_id,
                date=session.date,
                visited_site=site.host,
                number_of_pages=0 if page is None else 1,
                protocol=site_protocol(PORT),
                port=PORT,
            ),
            detail=_with_page(self._detail(session, site), page),
            context=record.context,
            destination_ip=site.address,
        )

    def _detail(self, session: NetworkSession, site: Site) -> SessionDetail:
        found = session.destination
        ping = ping_of(found)
        is_down = ping.pkts_received == 0
        # Only the bad access point loses packets before the gateway does its part.
        gateway = gateway_ping(self._agent, ping if self._agent.bad_air and not is_down else None)
        near = gateway.avg_rtt_ms or 0.0
        segments = self._segments(ping, gateway, site)
        return SessionDetail(
            network=SessionNetwork(
                network_profile=self._profile,
                system_metrics=session.system_metrics,
                gateway_ping=gateway,
                ping=ping,
                traceroute=self._trace(near, found, site),
                connect=Connect(error="timeout") if is_down else Connect(rtt_ms=found.avg_rtt_ms),
                icmp_blocked=False,
            ),
            segments=segments,
            verdict=_verdict(segments, ping),
            probe=PROBE,
        )

    def _segments(self, ping: Ping, gateway: Ping, site: Site) -> tuple[Segment, ...]:
        agent, context = self._agent, self._agent.context
        lan = Segment(name="lan", state="good", target=context.gateway, link=context.connection, ping=gateway)
        if loss_of(gateway) > TOLERATED_LOSS:
            lan = structs.replace(lan, state="degraded", evidence=(_evidence(gateway),))
        vpn = Segment(name="vpn", state="good", target=context.vpn_target, ping=vpn_ping(agent))
        provider = Segment(name="provider", state="good", target=_provider_router(agent))
        end = Segment(name="destination", state="good", target=site.address, ping=ping)
        if loss_of(ping) > TOLERATED_LOSS:
            state = "failed" if ping.pkts_received == 0 else "degraded"
            end = structs.replace(end, state=state, evidence=(_evidence(ping),))
        return (_GOOD_DEVICE, lan, *((vpn,) if context.vpn_target else ()), provider, end)

    def _trace(self, near_ms: float, found: Destination, site: Site) -> Traceroute:
        agent = self._agent
        edge_ms = near_ms + agent.extra_rtt_ms
        hops = [
            _hop(1, near_ms, agent.context.gateway or "", None),
            _hop(2, edge_ms, _provider_router(agent), _FIRST_ASN),
            PathHop(hop=3),
        ]
        if found.avg_rtt_ms is not None:
            hops.append(_hop(4, found.avg_rtt_ms, site.address, _FIRST_ASN + 1 + site.provider))
        return Traceroute(destination=site.address, hops=tuple(hops))


def _with_page(detail: SessionDetail, page: WebSessionRecord | None) -> SessionDetail:
    if page is None:
        return detail
    return structs.replace(detail, browser=BROWSER, pages=page.detail.har.log.pages)


def profile_of(agent: SimulatedAgent) -> NetworkProfileDocument:
    """Where a simulated agent is attached."""
    context = agent.context
    gateway = context.gateway or ""
    network = gateway.rpartition(".")[0]
    wireless = None
    if context.ssid is not None:
        rssi = -84 if agent.bad_air else -45 - agent.index % 20
        wireless = WirelessProfile(ssid=context.ssid, bssid=context.bssid, rssi=rssi, channel=36)
    return NetworkProfileDocument(
        hardware_type=context.connection,
        interface_name="wlan0" if wireless else "eth0",
        ip_address=f"{network}.{10 + agent.index % 200}",
        subnet_mask="255.255.255.0",
        local_prefix=f"{network}.0",
        gateway=gateway,
        dns_servers=(gateway,),
        wireless_profile=wireless,
    )


def ping_of(found: Destination) -> Ping:
    """The series of probes that a network session is the summary of."""
    received = round(PROBES * (100 - (found.loss_percent or 0.0)) / 100)
    average, deviation = found.avg_rtt_ms, found.mean_dev_rtt_ms
    if average is None or deviation is None:
        return Ping(pkts_sent=PROBES, pkts_received=received)
    below = deviation * min(1.2, math.sqrt(max(received - 1, 0)))
    return Ping(
        pkts_sent=PROBES,
        pkts_received=received,
        min_rtt_ms=average - below,
        avg_rtt_ms=average,
        max_rtt_ms=found.max_rtt_ms,
        mean_dev_rtt_ms=deviation,
    )


def _verdict(segments: tuple[Segment, ...], ping: Ping) -> Verdict:
    for segment in segments:
        if segment.state in {"degraded", "failed"}:
            return Verdict(
                result=segment.name,
                rules=RULES,
                summary=f"SIMULATED: {segment.name} is at fault: {loss_of(segment.ping or ping):g} % lost.",
                evidence=segment.evidence,
            )
    return _CHANCE if loss_of(ping) else _HEALTHY


def _evidence(ping: Ping) -> Evidence:
    return Evidence(metric="loss", value=loss_of(ping), limit=TOLERATED_LOSS, unit="percent")


def _hop(number: int, rtt_ms: float, address: str, asn: int | None) -> PathHop:
    return PathHop(
        hop=number, delay_ms=int(rtt_ms + 0.5), rtt_ms=rtt_ms, ip_address=address, name=address, asn=asn
    )


def _provider_router(agent: SimulatedAgent) -> str:
    return f"203.0.113.{200 + agent.place.region}"
