"""One measurement of one target, and what it finds (MEASUREMENT.md)."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct, structs

from hopsight.agent.network import Address, Family, Network, UnknownNameError
from hopsight.agent.pacing import ClockReading, Spread
from hopsight.agent.pages.exchange import PageFetch
from hopsight.agent.probes.path import PathTracer
from hopsight.agent.probing import Site
from hopsight.agent.profile.profile import NetworkProfile
from hopsight.agent.results import (
    CLOCK_STEPPED,
    DEFAULT_TCP_PORT,
    ConnectResult,
    PathResult,
    PingResult,
    ProbeOptions,
    Protocol,
)
from hopsight.agent.system import SystemSampler
from hopsight.agent.verdict.judge import judge, slept
from hopsight.agent.verdict.window import Window
from hopsight.agent.way.probing import Goal, Probed, WayProber
from hopsight.agent.way.segments import Tracer
from hopsight.agent.way.shared_pings import SharedPings
from hopsight.agent.way.way import proxy_to
from hopsight.agent.way.window import device_of, service_of
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


class _OtherFamilyError(OSError):
    """A name has addresses, but none of the family that was asked for."""


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
        proxied: the address is that of the proxy to the target.
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
        page: what was fetched when the window was over; None: nothing was to be.
    """

    target: Target
    visited_site: str
    started_at_s: float
    ended_at_s: float
    protocol: Protocol = "icmp"
    address: str | None = None
    family: Family | None = None
    proxied: bool = False
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
    page: PageFetch | None = None

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

    @property
    def pings(self) -> SharedPings:
        """Series that others may join, over the same sockets."""
        return self._ways.pings

    async def aclose(self) -> None:
        """Close the sockets; measurements under way must be over."""
        await self._ways.aclose()

    async def _measure_families(self, target: Target, options: ProbeOptions) -> list[_Found]:
        profile = self._surroundings() if self._surroundings is not None else None
        proxy = proxy_to(target, profile)
        found = Measurement(
            target=target,
            visited_site=target.host,
            started_at_s=self._clock.now(),
            ended_at_s=0.0,
            proxied=proxy is not None,
        )
        host, port = proxy or (target.host, target.port)
        started_s = self._clock.monotonic()
        try:
            addresses = self._chosen(await self._network.resolve(host, _RESOLVE_TIMEOUT_S), options.family)
        except OSError as error:
            return [await self._unresolved(found, host, error, options, profile)]
        if addresses[0].host != host:
            found = structs.replace(found, resolve_ms=(self._clock.monotonic() - started_s) * 1000)
        goals = [
            Goal(
                site=Site(address=address, port=port or DEFAULT_TCP_PORT, port_guessed=port is None),
                protocol=options.protocol or target.protocol,
                proxied=proxy is not None,
            )
            # A proxy has its own idea of what lies behind it: one way to it is enough.
            for address in (addresses if proxy is None else addresses[:1])
        ]
        async with asyncio.TaskGroup() as tasks:
            probing = [tasks.create_task(self._probe(found, goal, options, profile)) for goal in goals]
        return [task.result() for task in probing]

    def _chosen(self, addresses: Sequence[Address], wanted: Family | None) -> list[Address]:
        """The best address of each family; a family that this machine has no route for does not count.

        Raises:
            OSError: there is none of the family that is wanted.
        """
        best: dict[Family, Address] = {}
        for address in addresses:
            best.setdefault(address.family, address)
        if wanted is not None:
            if wanted not in best:
                raise _OtherFamilyError(f"it has no IPv{wanted} address")
            return [best[wanted]]
        if len(best) == 1:
            return [addresses[0]]
        routed = [address for address in best.values() if self._network.route_to(address) is not None]
        # Without any route the probes themselves say why.
        return routed or [addresses[0]]

    async def _probe(
        self, found: Measurement, goal: Goal, options: ProbeOptions, profile: NetworkProfile | None
    ) -> _Found:
        with self._spread.place(options.interval_s) as phase_s:
            probed = await self._ways.probe(goal, options, profile, phase_s)
        address = goal.site.address
        found = structs.replace(found, address=address.host, family=address.family)
        return _Found(measurement=_with_findings(found, probed), probed=probed)

    async def _unresolved(
        self,
        found: Measurement,
        host: str,
        error: OSError,
        options: ProbeOptions,
        profile: NetworkProfile | None,
    ) -> _Found:
        unknown_name = isinstance(error, UnknownNameError)
        what = f"the proxy {host}" if found.proxied else host
        found = structs.replace(found, errors=(f"cannot resolve {what}: {error}",))
        # Name servers that say no are reached; when they say nothing, the gateway may tell why.
        answered = unknown_name or isinstance(error, _OtherFamilyError)
        probed = None if answered else await self._ways.ping_gateway(profile, options)
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
        if found.probed is not None and measurement.address is not None:
            stretches = self._ways.stretches(found.probed, measurement.ping)
        else:
            stretches = self._ways.stretches_to_nowhere(found.probed, proxied=measurement.proxied)
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
