"""Probes of what lies before the destination, by closed forms: the same in every window of an agent."""

from typing import Final

from msgspec import structs

from hopsight.model.network_documents import Ping
from hopsight.simulation.fleet import VPN_RTT_MS, SimulatedAgent

PROBES: Final = 10


def gateway_ping(agent: SimulatedAgent, lossy: Ping | None) -> Ping:
    """Probes of the gateway; ``lossy`` is the series whose losses happened before it; None: none did."""
    access = agent.access
    received = PROBES if lossy is None or lossy.pkts_received is None else lossy.pkts_received
    jitter_ms = min(access.jitter_ms, 0.8 * access.rtt_ms)
    return Ping(
        pkts_sent=PROBES,
        pkts_received=received,
        min_rtt_ms=access.rtt_ms - 0.8 * jitter_ms,
        avg_rtt_ms=access.rtt_ms,
        max_rtt_ms=access.rtt_ms + 1.6 * jitter_ms,
        mean_dev_rtt_ms=0.6 * jitter_ms if received > 1 else 0.0,
    )


def vpn_ping(agent: SimulatedAgent) -> Ping:
    """Probes of the VPN's endpoint."""
    near = gateway_ping(agent, None)
    base_ms = near.avg_rtt_ms or 0.0
    return structs.replace(
        near,
        min_rtt_ms=(near.min_rtt_ms or 0.0) + VPN_RTT_MS,
        avg_rtt_ms=base_ms + VPN_RTT_MS,
        max_rtt_ms=(near.max_rtt_ms or 0.0) + VPN_RTT_MS,
    )


def loss_of(ping: Ping) -> float:
    """Percent."""
    sent, received = ping.pkts_sent or 0, ping.pkts_received or 0
    return 100.0 * (sent - received) / sent if sent else 0.0
