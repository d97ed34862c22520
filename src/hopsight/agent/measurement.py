"""One measurement of one target, and what it finds (MEASUREMENT.md)."""

import asyncio
import random
from collections.abc import Sequence
from typing import Final

from msgspec import Struct, structs

from hopsight.agent.gateways import GatewayPings
from hopsight.agent.network import Address, Family, Network
from hopsight.agent.pacing import ClockReading, Spread
from hopsight.agent.probing import Findings, Prober, Site
from hopsight.agent.results import (
    CLOCK_STEPPED,
    DEFAULT_TCP_PORT,
    ConnectResult,
    PingResult,
    ProbeOptions,
    Protocol,
)
from hopsight.agent.system import SystemSampler
from hopsight.clock import Clock
from hopsight.model.agents import Target
from hopsight.model.system import SystemMetrics

ASLEEP: Final = "asleep"
"""The error of a measurement whose window the machine slept through: it is discarded whole."""
_RESOLVE_TIMEOUT_S: Final = 5.0

__all__ = [
    "ASLEEP",
    "ConnectResult",
    "Measurement",
    "Measurer",
    "PingResult",
    "ProbeOptions",
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
        family: of that address: 4 or 6.
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
    family: Family | None = None
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
        self._spread = Spread()
        self._prober = Prober(network, clock, rng)
        self._gateways = GatewayPings(self._prober, clock)
        self._sampler = SystemSampler(clock)

    async def measure(self, target: Target, options: ProbeOptions) -> tuple[Measurement, ...]:
        """Measure once; takes the window and little more. A target that fails is a result.

        Returns:
            One measurement for each family that the name has, or that was asked for; at least one.
        """
        before = ClockReading.of(self._clock)
        sampling = asyncio.ensure_future(self._sampler.sample(options.window_s))
        try:
            found = await self._measure_families(target, options)
            if found[0].address is not None:
                metrics = await sampling
                found = [structs.replace(one, system_metrics=metrics) for one in found]
        finally:
            sampling.cancel()
        after = ClockReading.of(self._clock)
        return tuple(_judged_by_the_clocks(one, before, after) for one in found)

    async def aclose(self) -> None:
        """Close the sockets; measurements under way must be over."""
        await self._gateways.aclose()
        self._prober.close()

    async def _measure_families(self, target: Target, options: ProbeOptions) -> list[Measurement]:
        found = Measurement(
            target=target, visited_site=target.host, started_at_s=self._clock.now(), ended_at_s=0.0
        )
        resolving_s = self._clock.monotonic()
        try:
            addresses = await self._network.resolve(target.host, _RESOLVE_TIMEOUT_S)
            chosen = self._one_of_each_family(addresses, options.family)
        except OSError as error:
            return [structs.replace(found, errors=(f"cannot resolve {target.host}: {error}",))]
        took_ms = (self._clock.monotonic() - resolving_s) * 1000
        if chosen[0].host != target.host:
            found = structs.replace(found, resolve_ms=took_ms)
        async with asyncio.TaskGroup() as tasks:
            probing = [tasks.create_task(self._probe_in_place(found, address, options)) for address in chosen]
        return [task.result() for task in probing]

    def _one_of_each_family(self, addresses: Sequence[Address], wanted: Family | None) -> list[Address]:
        """The best address of each family; a family that this machine has no route for does not count.

        Raises:
            OSError: there is none of the family that is wanted.
        """
        best: dict[Family, Address] = {}
        for address in addresses:
            best.setdefault(address.family, address)
        if wanted is not None:
            if wanted not in best:
                raise OSError(f"it has no IPv{wanted} address")
            return [best[wanted]]
        routed = [address for address in best.values() if self._network.route_to(address) is not None]
        # Without any route the probes themselves say why.
        return routed or [addresses[0]]

    async def _probe_in_place(
        self, found: Measurement, address: Address, options: ProbeOptions
    ) -> Measurement:
        found = structs.replace(found, address=address.host, family=address.family)
        with self._spread.place(options.interval_s) as phase_s:
            return await self._probe_address(found, address, options, phase_s)

    async def _probe_address(
        self, found: Measurement, address: Address, options: ProbeOptions, phase_s: float
    ) -> Measurement:
        target = found.target
        port = target.port or DEFAULT_TCP_PORT
        site = Site(address=address, port=port, port_guessed=target.port is None)
        protocol = options.protocol or target.protocol
        route = self._network.route_to(address) if options.gateway else None
        gateway = route.gateway if route is not None else None
        async with asyncio.TaskGroup() as tasks:
            probing = tasks.create_task(self._prober.probe(site, protocol, options, phase_s))
            pinging = tasks.create_task(self._gateways.ping(gateway, options))
        return _with_findings(found, probing.result(), gateway, pinging.result())


def _with_findings(
    found: Measurement, findings: Findings, gateway: Address | None, gateway_ping: PingResult | None
) -> Measurement:
    ping = findings.ping
    errors = [*(findings.icmp.errors if findings.icmp is not None else ())]
    errors += ping.errors if ping is not None and ping is not findings.icmp else ()
    if ping is None or ping.pkts_sent == 0:
        errors.append("nothing was sent")
    return structs.replace(
        found,
        protocol=ping.protocol if ping is not None else "icmp",
        ping=ping,
        icmp=findings.icmp,
        icmp_blocked=findings.icmp_blocked,
        connect=findings.connect,
        gateway=gateway.host if gateway is not None else None,
        gateway_ping=gateway_ping,
        icmp_unavailable=findings.icmp_unavailable,
        errors=(*errors, *((findings.icmp_unavailable,) if findings.icmp_unavailable else ())),
        flags=ping.flags if ping is not None else (),
    )


def _judged_by_the_clocks(found: Measurement, before: ClockReading, after: ClockReading) -> Measurement:
    errors, flags = found.errors, found.flags
    if before.slept_until(after):
        errors = (*errors, ASLEEP)
    if before.stepped_until(after) and CLOCK_STEPPED not in flags:
        flags = (*flags, CLOCK_STEPPED)
    # The start as it was then, the end by the clock that cannot be set.
    ended_at_s = before.wall_s + after.boottime_s - before.boottime_s
    return structs.replace(
        found, started_at_s=before.wall_s, ended_at_s=ended_at_s, errors=errors, flags=flags
    )
