"""One measurement of one target: what it finds, and the API document made of it (MEASUREMENT.md)."""

import random
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from msgspec import Struct

from hopsight.agent.network import Network
from hopsight.agent.results import ConnectResult, PingResult, ProbeOptions, Protocol
from hopsight.clock import Clock
from hopsight.model.agents import Target
from hopsight.model.ids import new_session_id, round_of
from hopsight.model.sessions import Destination, NetworkSession
from hopsight.model.system import SystemMetrics
from hopsight.model.times import format_utc

ASLEEP: Final = "asleep"
"""The error of a measurement whose window the machine slept through: it is discarded whole."""

__all__ = [
    "ASLEEP",
    "ConnectResult",
    "Measurement",
    "Measurer",
    "PingResult",
    "ProbeOptions",
    "destination",
    "network_session",
]


class Measurement(Struct, frozen=True, kw_only=True):
    """What one window found about one target.

    Args:
        target: as it was given.
        visited_site: the target's host.
        started_at_s: epoch seconds at which the window started.
        ended_at_s: epoch seconds at which it was over.
        protocol: by which ``ping`` was measured.
        address: what the host resolved to; None when it did not.
        ping: the series that counts; None when none could be started.
        icmp: the ICMP series, also when ``ping`` is TCP's.
        icmp_blocked: ICMP stayed silent, or was prohibited, while TCP was answered.
        connect: one TCP connection beside the series.
        resolve_ms: how long the name took; None for an address.
        gateway: address of the gateway on the way to the target.
        gateway_ping: its ICMP series over the same window.
        system_metrics: the machine over the same window.
        icmp_unavailable: why ICMP is not to be had on this machine, and how to get it.
        errors: what went wrong, short.
        flags: what a reader of the values should know.
        probe: which code measured.
    """

    target: Target
    visited_site: str
    started_at_s: float
    ended_at_s: float
    protocol: Protocol = "icmp"
    address: str | None = None
    ping: PingResult | None = None
    icmp: PingResult | None = None
    icmp_blocked: bool = False
    connect: ConnectResult | None = None
    resolve_ms: float | None = None
    gateway: str | None = None
    gateway_ping: PingResult | None = None
    system_metrics: SystemMetrics | None = None
    icmp_unavailable: str | None = None
    errors: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    probe: str = "network-session/1"

    @property
    def asleep(self) -> bool:
        """Whether the machine slept within the window."""
        return ASLEEP in self.errors


class Measurer:
    """Measures targets, many at the same time over the same sockets. Make one per process."""

    def __init__(self, network: Network, clock: Clock, rng: random.Random) -> None:
        self._network = network
        self._clock = clock
        self._rng = rng

    async def measure(self, target: Target, options: ProbeOptions) -> Measurement:
        """Measure once; takes the window and little more. A target that fails is a result."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Close the sockets; measurements under way must be over."""


def destination(measurement: Measurement) -> Destination | None:
    """The API's ``destination``: what was not measured is absent; without an address there is none."""
    if measurement.address is None:
        return None
    ping = measurement.ping
    if ping is None:
        return Destination(target=measurement.address)
    return Destination(
        target=measurement.address,
        loss_percent=ping.loss_percent,
        latency_ms=_whole(ping.avg_rtt_ms),
        jitter_ms=_whole(ping.mean_dev_rtt_ms),
        avg_rtt_ms=ping.avg_rtt_ms,
        max_rtt_ms=ping.max_rtt_ms,
        mean_dev_rtt_ms=ping.mean_dev_rtt_ms,
    )


def network_session(
    measurement: Measurement, aid: int, agent_id: str, rng: random.Random
) -> NetworkSession | None:
    """The record of a measurement, in the round in which its window started.

    Returns:
        None when the name did not resolve, or the machine slept.
    """
    found = destination(measurement)
    if found is None or measurement.asleep:
        return None
    round_id = round_of(measurement.started_at_s)
    return NetworkSession(
        user_session_id=str(new_session_id(aid, round_id, rng)),
        agent_id=agent_id,
        round_id=round_id,
        date=format_utc(measurement.started_at_s),
        destination=found,
        system_metrics=measurement.system_metrics,
    )


def _whole(milliseconds: float | None) -> int | None:
    # Decimal, because adding 0.5 rounds 0.49999999999999994 up.
    if milliseconds is None:
        return None
    return int(Decimal(milliseconds).to_integral_value(ROUND_HALF_UP))
