"""Probes to where a session goes, and a survey of the way there, in one window."""

import asyncio
import random
from collections.abc import Callable
from typing import Final, Literal

from msgspec import Struct, structs

from hopsight.agent.network import Address, Network
from hopsight.agent.probing import Findings, Prober, Site
from hopsight.agent.profile.profile import NetworkProfile
from hopsight.agent.results import DEFAULT_TCP_PORT, PathResult, PingResult, ProbeOptions
from hopsight.agent.verdict.judge import Judgement
from hopsight.agent.verdict.window import MIN_PROBES, Stretch
from hopsight.agent.way.marks import Waymarks
from hopsight.agent.way.segments import Survey, Surveyor, Tracer
from hopsight.agent.way.shared_pings import SharedPings
from hopsight.agent.way.way import Way, way_to
from hopsight.agent.way.window import stretches_of
from hopsight.clock import Clock

_NOT_RESOLVED: Final = "its address is not known"


class Goal(Struct, frozen=True, kw_only=True):
    """What is probed for a target, and how.

    Args:
        site: the target's address, or that of the proxy to it.
        proxied: whether it is a proxy's.
    """

    site: Site
    protocol: Literal["auto", "icmp", "tcp"]
    proxied: bool = False


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

    @property
    def pings(self) -> SharedPings:
        """Series that others may join."""
        return self._pings

    async def aclose(self) -> None:
        """Close the sockets; whatever uses them must be over."""
        await self._pings.aclose()
        self._prober.close()
        self._tracer.close()

    async def probe(
        self, goal: Goal, options: ProbeOptions, profile: NetworkProfile | None, phase_s: float
    ) -> Probed:
        """Probe a site, and survey the way there."""
        site = goal.site
        way = way_to(site, self._network, profile, proxied=goal.proxied)
        async with asyncio.TaskGroup() as tasks:
            if goal.proxied:
                # Whoever goes through a proxy connects to it: a port that ignores pings is measured by TCP.
                probing = tasks.create_task(self._pings.probe(site, options))
            else:
                probing = tasks.create_task(self._prober.probe(site, goal.protocol, options, phase_s))
            surveying = tasks.create_task(self._surveyor.survey(way, options, goal.protocol, phase_s))
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

    def stretches(self, probed: Probed, ping: PingResult | None) -> tuple[Stretch, ...]:
        """The chain that the rules judge."""
        return stretches_of(probed.way, probed.survey, ping, self._marks.is_unreliable)

    def stretches_to_nowhere(self, probed: Probed | None, *, proxied: bool) -> tuple[Stretch, ...]:
        """The same without an address to go to: at most the gateway was looked at."""
        chain = self.stretches(probed, None)[:-1] if probed is not None else ()
        return (*chain, Stretch(name="proxy" if proxied else "destination", note=_NOT_RESOLVED))

    def learn(self, stretches: tuple[Stretch, ...], judgement: Judgement) -> None:
        """Remember which routers answer worse than what lies behind them."""
        for index, stretch in enumerate(stretches[:-1]):
            if stretch.target is None or stretch.series is None:
                continue
            if index in judgement.unreliable:
                self._marks.note(stretch.target, unreliable=True)
            elif not stretch.series.count[0]:
                self._marks.note(stretch.target, unreliable=False)
