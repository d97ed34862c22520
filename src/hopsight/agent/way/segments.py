"""Measuring the way besides its end: gateway, VPN, provider and path, in the session's window."""

import asyncio
from collections.abc import Callable
from typing import Final, Literal, Protocol

from msgspec import Struct, structs

from hopsight.agent.network import Address
from hopsight.agent.results import PathResult, PingResult, ProbeOptions
from hopsight.agent.results import Protocol as ProbeProtocol
from hopsight.agent.verdict.window import MIN_PROBES
from hopsight.agent.way.marks import Landmark, Waymarks
from hopsight.agent.way.shared_pings import SharedPings
from hopsight.agent.way.way import Way
from hopsight.clock import Clock

Asked = Literal["auto", "icmp", "tcp"]
_TRACE_LIMIT_S: Final = 4.0

NOT_TRACED: Final = "the path was not traced"
NO_PUBLIC_HOP: Final = "no public router on the way answered the path trace"
NO_ICMP: Final = "ICMP is not allowed here"


class Tracer(Protocol):
    """What traces paths (``probes.path``)."""

    async def trace(
        self, address: Address, *, port: int | None, protocol: ProbeProtocol = "icmp", key: str | None = None
    ) -> PathResult:
        """Trace once; never raises for network reasons."""
        ...

    def close(self) -> None:
        """Close the sockets."""
        ...


class Pinged(Struct, frozen=True, kw_only=True):
    """One router of the way; without a ping, the note says why."""

    landmark: Landmark | None = None
    ping: PingResult | None = None
    note: str | None = None


class Survey(Struct, frozen=True, kw_only=True):
    """What was found besides the end of the way.

    Args:
        gateway: its series.
        endpoint: the VPN's.
        far_end: of the tunnel.
        provider: the first public hop.
    """

    gateway: PingResult | None = None
    endpoint: PingResult | None = None
    far_end: Pinged = Pinged()
    provider: Pinged = Pinged(note=NOT_TRACED)
    path: PathResult | None = None


class Surveyor:
    """Surveys ways. ``annotate`` adds names and the like to a path."""

    def __init__(
        self,
        pings: SharedPings,
        marks: Waymarks,
        tracer: Tracer,
        annotate: Callable[[PathResult], PathResult] | None,
        clock: Clock,
    ) -> None:
        self._pings = pings
        self._marks = marks
        self._tracer = tracer
        self._annotate = annotate
        self._clock = clock

    async def survey(self, way: Way, options: ProbeOptions, protocol: Asked, phase_s: float) -> Survey:
        """Measure all that stands on the way, and trace it if that is asked for."""
        async with asyncio.TaskGroup() as tasks:
            gateway = tasks.create_task(self.ping_gateway(way.gateway, options))
            endpoint = tasks.create_task(self._pings.ping(way.endpoint, options))
            if not options.path:
                return Survey(gateway=await gateway, endpoint=await endpoint)
            started_s = self._clock.monotonic()
            known = self._marks.landmarks(way)
            early = {
                landmark: tasks.create_task(self._pings.ping(Address(landmark.host), options))
                for landmark in (known.far_end, known.provider)
                if landmark is not None
            }
            path = await self._trace(way, options, protocol, phase_s, known=bool(early))
            learned = self._marks.learn(way, path)
            late = _late(options, started_s + options.window_s - self._clock.monotonic())
            far_end = tasks.create_task(self._pinged(learned.far_end, early, late))
            provider = tasks.create_task(self._pinged(learned.provider, early, late))
        return Survey(
            gateway=gateway.result(),
            endpoint=endpoint.result(),
            far_end=far_end.result(),
            provider=provider.result(),
            path=self._annotate(path) if self._annotate is not None else path,
        )

    async def ping_gateway(self, gateway: Address | None, options: ProbeOptions) -> PingResult | None:
        """Only that; None where it is not asked for."""
        return await self._pings.ping(gateway, options) if options.gateway else None

    async def _trace(
        self, way: Way, options: ProbeOptions, protocol: Asked, phase_s: float, *, known: bool
    ) -> PathResult:
        # Traces of many targets are spread over the window; one that a ping waits for goes out at once.
        spread_s = max(0.0, options.window_s - _TRACE_LIMIT_S) * phase_s / options.interval_s
        await self._clock.sleep(max(phase_s, spread_s) if known else phase_s)
        site = way.site
        return await self._tracer.trace(
            site.address,
            port=None if protocol == "icmp" else site.port,
            protocol="tcp" if protocol == "tcp" else "icmp",
            key=site.address.host,
        )

    async def _pinged(
        self,
        landmark: Landmark | None,
        early: dict[Landmark, asyncio.Task[PingResult | None]],
        late: ProbeOptions,
    ) -> Pinged:
        if landmark is None:
            return Pinged(note=NO_PUBLIC_HOP)
        # A ping that began with the window is of another router when the path has changed since.
        same = next((task for known, task in early.items() if known.host == landmark.host), None)
        found = await (same or self._pings.ping(Address(landmark.host), late))
        return Pinged(landmark=landmark, ping=found, note=NO_ICMP if found is None else None)


def _late(options: ProbeOptions, left_s: float) -> ProbeOptions:
    """Options of a series that starts when part of the window is over."""
    count = min(options.count, max(MIN_PROBES, int(left_s / options.interval_s)))
    return structs.replace(options, count=count)
