"""Probes to where a session goes, and a survey of the way there, in one window."""

import asyncio
import random
from collections.abc import Callable
from typing import Final

from msgspec import Struct, structs

from hopsight.agent.network import Address, Network
from hopsight.agent.probing import Findings, Prober, Site
from hopsight.agent.profile import NetworkProfile
from hopsight.agent.results import DEFAULT_TCP_PORT, PathResult, PingResult, ProbeOptions
from hopsight.agent.segments import Survey, Surveyor, Tracer
from hopsight.agent.segments_window import stretches_of
from hopsight.agent.shared_pings import SharedPings
from hopsight.agent.verdict import Judgement
from hopsight.agent.verdict_window import MIN_PROBES, Stretch
from hopsight.agent.way import Way, proxy_site, way_to
from hopsight.agent.waymarks import Waymarks
from hopsight.clock import Clock
from hopsight.model.agents import Target

_NOT_RESOLVED: Final = "its address is not known"


class Probed(Struct, frozen=True, kw_only=True):
    """What one way was found to be like."""

    way: Way
    findings: Findings = Findings()
    survey: Survey = Survey()


class WayProber:
    """Probes ways, many at the same time over the same sockets."""

    def __init__(
        self,
        network: Network,
        clock: Clock,
        rng: random.Random,
        tracer: Tracer,
        annotate: Callable[[PathResult], PathResult] | None,
    ) -> None:
        self._network = network
        self._prober = Prober(network, clock, rng)
        self._pings = SharedPings(self._prober, clock)
        self._marks = Waymarks()
        self._tracer = tracer
        self._surveyor = Surveyor(self._pings, self._marks, tracer, annotate, clock)

    async def aclose(self) -> None:
        """Close the sockets; whatever uses them must be over."""
        await self._pings.aclose()
        self._prober.close()
        self._tracer.close()

    def proxy_to(self, target: Target, profile: NetworkProfile | None) -> Site | None:
        """The proxy that a session with this target goes to; None: it goes to the target itself."""
        return proxy_site(target, profile) if profile is not None else None

    async def probe(
        self,
        target: Target,
        address: Address,
        options: ProbeOptions,
        profile: NetworkProfile | None,
        phase_s: float,
    ) -> Probed:
        """Probe an address of a target, or the proxy to it, and survey the way there."""
        proxy = self.proxy_to(target, profile)
        port = target.port or DEFAULT_TCP_PORT
        site = proxy or Site(address=address, port=port, port_guessed=target.port is None)
        way = way_to(site, self._network, profile, proxied=proxy is not None)
        protocol = options.protocol or target.protocol
        async with asyncio.TaskGroup() as tasks:
            if proxy is not None:
                probing = tasks.create_task(self._pings.probe(site, options))
            else:
                probing = tasks.create_task(self._prober.probe(site, protocol, options, phase_s))
            surveying = tasks.create_task(self._surveyor.survey(way, options, protocol, phase_s))
        return Probed(way=way, findings=probing.result(), survey=surveying.result())

    async def ping_gateway(self, profile: NetworkProfile | None, options: ProbeOptions) -> Probed | None:
        """Only the default gateway; None when that is not known."""
        if profile is None or profile.gateway is None:
            return None
        gateway = Address(profile.gateway)
        nowhere = Site(address=gateway, port=DEFAULT_TCP_PORT, port_guessed=True)
        way = Way(site=nowhere, gateway=gateway, link=profile.connection)
        few = structs.replace(options, count=min(options.count, MIN_PROBES))
        survey = Survey(gateway=await self._surveyor.ping_gateway(gateway, few))
        return Probed(way=way, survey=survey)

    def stretches(self, probed: Probed | None, ping: PingResult | None) -> tuple[Stretch, ...]:
        """The chain that the rules judge; without an address its end is unknown."""
        nowhere = Stretch(name="destination", note=_NOT_RESOLVED)
        if probed is None:
            return (nowhere,)
        chain = stretches_of(probed.way, probed.survey, ping, self._marks.is_unreliable)
        return chain if ping is not None or probed.findings.icmp_unavailable else (*chain[:-1], nowhere)

    def learn(self, stretches: tuple[Stretch, ...], judgement: Judgement) -> None:
        """Remember which routers answer worse than what lies behind them."""
        for index, stretch in enumerate(stretches[:-1]):
            if stretch.target is None or stretch.series is None:
                continue
            if index in judgement.unreliable:
                self._marks.note(stretch.target, unreliable=True)
            elif not stretch.series.count[0]:
                self._marks.note(stretch.target, unreliable=False)
