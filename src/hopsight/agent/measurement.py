"""One measurement of one target, and what it finds (MEASUREMENT.md)."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct, structs

from hopsight.agent.network import Address, Family, Network, UnknownNameError
from hopsight.agent.pacing import ClockReading, Spread
from hopsight.agent.probes.path import PathTracer
from hopsight.agent.profile import NetworkProfile
from hopsight.agent.results import (
    CLOCK_STEPPED,
    ConnectResult,
    PathResult,
    PingResult,
    ProbeOptions,
    Protocol,
)
from hopsight.agent.segments import Tracer
from hopsight.agent.segments_window import device_of, service_of
from hopsight.agent.system import SystemSampler
from hopsight.agent.verdict import judge, slept
from hopsight.agent.verdict_window import Window
from hopsight.agent.way_probing import Probed, WayProber
from hopsight.clock import Clock
from hopsight.model.agents import Target
from hopsight.model.network_documents import Segment, Verdict
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
        address: what was probed: what the host resolved to, or the proxy to it; None: neither is known.
        family: of that address: 4 or 6.
        ping: the series that counts; None when none could be started.
        icmp: the ICMP series, also when ``ping`` is TCP's.
        icmp_blocked: ICMP stayed silent, or was prohibited, while TCP was answered.
        connect: one TCP connection beside the series.
        resolve_ms: how long the name took; None for an address.
        gateway: address of the gateway on the way to the target.
        gateway_ping: its ICMP series over the same window.
        path: the trace of this window; None: not asked for.
        segments: the way, from the device to where the session went.
        verdict: which of them is at fault (``docs/verdict.md``).
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
    path: PathResult | None = None
    segments: tuple[Segment, ...] = ()
    verdict: Verdict | None = None
    system_metrics: SystemMetrics | None = None
    icmp_unavailable: str | None = None
    errors: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    probe: str = "network-session/1"

    @property
    def asleep(self) -> bool:
        """Whether the machine slept within the window."""
        return ASLEEP in self.errors


class _Found(Struct, frozen=True, kw_only=True):
    """A measurement, and what its verdict is given from besides."""

    measurement: Measurement
    probed: Probed | None = None
    unknown_name: bool = False


class Measurer:
    """Measures targets, many at the same time over the same sockets. Make one per process.

    Args:
        network: the door to it.
        clock: the door to time.
        rng: draws tokens; they guard against mistakes, not foes.
        surroundings: the network that the machine is on now; None: VPN and proxy are not looked for.
        path_notes: adds to a path what is known of its hops.
        tracer: traces paths; None: one of our own.
        sampler: samples the machine; None: one of our own.
    """

    def __init__(
        self,
        network: Network,
        clock: Clock,
        rng: random.Random,
        *,
        surroundings: Callable[[], NetworkProfile] | None = None,
        path_notes: Callable[[PathResult], PathResult] | None = None,
        tracer: Tracer | None = None,
        sampler: SystemSampler | None = None,
    ) -> None:
        self._network = network
        self._clock = clock
        self._spread = Spread()
        self._surroundings = surroundings
        self._path_notes = path_notes
        self._sampler = sampler or SystemSampler(clock)
        tracer = tracer or PathTracer(network, clock, rng)
        self._ways = WayProber(network, clock, rng, tracer, path_notes)

    async def measure(self, target: Target, options: ProbeOptions) -> tuple[Measurement, ...]:
        """Measure once; takes the window and little more. A target that fails is a result.

        Returns:
            One measurement for each family that the name has, or that was asked for; at least one.
        """
        before = ClockReading.of(self._clock)
        sampling = asyncio.ensure_future(self._sampler.sample(options.window_s))
        try:
            found = await self._measure_families(target, options)
            if found[0].measurement.address is not None:
                metrics = await sampling
                found = [
                    _with(one, system_metrics=metrics, path=self._noted(one.measurement.path))
                    for one in found
                ]
        finally:
            sampling.cancel()
        after = ClockReading.of(self._clock)
        return tuple(self._judged(_by_the_clocks(one, before, after)) for one in found)

    async def aclose(self) -> None:
        """Close the sockets; measurements under way must be over."""
        await self._ways.aclose()

    async def _measure_families(self, target: Target, options: ProbeOptions) -> list[_Found]:
        found = Measurement(
            target=target, visited_site=target.host, started_at_s=self._clock.now(), ended_at_s=0.0
        )
        profile = self._surroundings() if self._surroundings is not None else None
        proxy = self._ways.proxy_to(target, profile)
        try:
            if proxy is not None:
                addresses, took_ms = [proxy.address], None
            else:
                addresses, took_ms = await self._resolve(target, options.family)
        except OSError as error:
            return [await self._unresolved(found, error, options, profile)]
        found = structs.replace(found, resolve_ms=took_ms)
        async with asyncio.TaskGroup() as tasks:
            probing = [
                tasks.create_task(self._probe(found, address, options, profile)) for address in addresses
            ]
        return [task.result() for task in probing]

    async def _resolve(self, target: Target, wanted: Family | None) -> tuple[list[Address], float | None]:
        started_s = self._clock.monotonic()
        addresses = await self._network.resolve(target.host, _RESOLVE_TIMEOUT_S)
        took_ms = (self._clock.monotonic() - started_s) * 1000
        chosen = self._one_of_each_family(addresses, wanted)
        return chosen, None if chosen[0].host == target.host else took_ms

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
        if len(best) == 1:
            return [addresses[0]]
        routed = [address for address in best.values() if self._network.route_to(address) is not None]
        # Without any route the probes themselves say why.
        return routed or [addresses[0]]

    async def _probe(
        self, found: Measurement, address: Address, options: ProbeOptions, profile: NetworkProfile | None
    ) -> _Found:
        with self._spread.place(options.interval_s) as phase_s:
            probed = await self._ways.probe(found.target, address, options, profile, phase_s)
        found = structs.replace(found, address=address.host, family=address.family)
        return _Found(measurement=_with_findings(found, probed), probed=probed)

    async def _unresolved(
        self, found: Measurement, error: OSError, options: ProbeOptions, profile: NetworkProfile | None
    ) -> _Found:
        unknown_name = isinstance(error, UnknownNameError)
        found = structs.replace(found, errors=(f"cannot resolve {found.target.host}: {error}",))
        # Name servers that say no are reached; when they say nothing, the gateway may tell why.
        probed = None if unknown_name else await self._ways.ping_gateway(profile, options)
        if probed is not None and probed.way.gateway is not None:
            found = structs.replace(
                found, gateway=probed.way.gateway.host, gateway_ping=probed.survey.gateway
            )
        return _Found(measurement=found, probed=probed, unknown_name=unknown_name)

    def _noted(self, path: PathResult | None) -> PathResult | None:
        # Again, now that the window is over: names that were asked for after the trace may be known.
        return self._path_notes(path) if path is not None and self._path_notes is not None else path

    def _judged(self, found: _Found) -> Measurement:
        measurement = found.measurement
        if measurement.asleep:
            return structs.replace(measurement, verdict=slept())
        void = measurement.errors[0] if measurement.address is None else None
        stretches = self._ways.stretches(found.probed, measurement.ping)
        judgement = judge(
            Window(
                device=device_of(measurement.system_metrics),
                stretches=stretches,
                service=service_of(measurement.connect),
                unknown_name=found.unknown_name,
                void=void,
            )
        )
        self._ways.learn(stretches, judgement)
        return structs.replace(measurement, segments=judgement.segments, verdict=judgement.verdict)


def _with(found: _Found, **values: object) -> _Found:
    return structs.replace(found, measurement=structs.replace(found.measurement, **values))


def _with_findings(found: Measurement, probed: Probed) -> Measurement:
    findings, gateway = probed.findings, probed.way.gateway
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
        gateway_ping=probed.survey.gateway,
        path=probed.survey.path,
        icmp_unavailable=findings.icmp_unavailable,
        errors=(*errors, *((findings.icmp_unavailable,) if findings.icmp_unavailable else ())),
        flags=ping.flags if ping is not None else (),
    )


def _by_the_clocks(found: _Found, before: ClockReading, after: ClockReading) -> _Found:
    errors, flags = found.measurement.errors, found.measurement.flags
    if before.slept_until(after):
        errors = (*errors, ASLEEP)
    if before.stepped_until(after) and CLOCK_STEPPED not in flags:
        flags = (*flags, CLOCK_STEPPED)
    # The start as it was then, the end by the clock that cannot be set.
    ended_at_s = before.wall_s + after.boottime_s - before.boottime_s
    return _with(found, started_at_s=before.wall_s, ended_at_s=ended_at_s, errors=errors, flags=flags)
