"""The probes of one measurement: ICMP, a TCP connection beside it, and a TCP series where ICMP is blocked."""

import asyncio
import random
from typing import Final, Literal

from msgspec import Struct

from hopsight.agent.network import Address, Family, Network
from hopsight.agent.probes.icmp import IcmpEngine, IcmpSeries
from hopsight.agent.probes.tcp import TcpSeries, connect_once
from hopsight.agent.results import ConnectResult, PingResult, ProbeOptions
from hopsight.clock import Clock
from hopsight.errors import ProbeUnavailableError

_CONNECT_LIMIT_S: Final = 10.0
_SILENT_PROBES: Final = 2
_IDENTIFIERS: Final = 1 << 16


class Findings(Struct, frozen=True, kw_only=True):
    """What the probes to one address found; fields as in ``Measurement``."""

    ping: PingResult | None = None
    icmp: PingResult | None = None
    icmp_blocked: bool = False
    connect: ConnectResult | None = None
    icmp_unavailable: str | None = None


class Site(Struct, frozen=True, kw_only=True):
    """Where to probe.

    Args:
        port: for TCP.
        port_guessed: the target names none.
    """

    address: Address
    port: int
    port_guessed: bool


class Prober:
    """Runs series over the process's ICMP sockets, which it opens at first need."""

    def __init__(self, network: Network, clock: Clock, rng: random.Random) -> None:
        self._network = network
        self._clock = clock
        self._rng = rng
        self._engines: dict[Family, IcmpEngine] = {}

    def close(self) -> None:
        """Close the sockets."""
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()

    async def ping(self, address: Address, options: ProbeOptions, phase_s: float) -> PingResult:
        """One ICMP series.

        Raises:
            ProbeUnavailableError: ICMP is not allowed here.
        """
        series = self._icmp_series(address, options)
        try:
            await series.run(phase_s)
        finally:
            result = series.finish()
        return result

    async def probe(
        self, site: Site, protocol: Literal["auto", "icmp", "tcp"], options: ProbeOptions, phase_s: float
    ) -> Findings:
        """Probe a site as asked."""
        if protocol == "tcp":
            return await self._by_tcp(site, options, phase_s)
        try:
            series = self._icmp_series(site.address, options)
        except ProbeUnavailableError as error:
            if protocol == "icmp":
                return Findings(icmp_unavailable=str(error))
            return await self._by_tcp(site, options, phase_s, icmp_unavailable=str(error))
        try:
            if protocol == "icmp":
                await series.run(phase_s)
                tcp, connect = None, None
            else:
                tcp, connect = await self._beside(series, site, options, phase_s)
        finally:
            icmp = series.finish()
        return _choose(icmp, tcp, connect)

    def _icmp_series(self, address: Address, options: ProbeOptions) -> IcmpSeries:
        engine = self._engines.get(address.family)
        if engine is None:
            icmp = self._network.open_icmp(address.family, self._rng.randrange(_IDENTIFIERS))
            engine = self._engines[address.family] = IcmpEngine(icmp, self._clock, self._rng)
        return IcmpSeries(engine, address, options, self._clock)

    async def _by_tcp(
        self, site: Site, options: ProbeOptions, phase_s: float, icmp_unavailable: str | None = None
    ) -> Findings:
        series = TcpSeries(self._network, site.address, site.port, options, self._clock)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(series.run(phase_s))
            connecting = tasks.create_task(self._connect(site, options))
        return Findings(ping=series.finish(), connect=connecting.result(), icmp_unavailable=icmp_unavailable)

    async def _beside(
        self, series: IcmpSeries, site: Site, options: ProbeOptions, phase_s: float
    ) -> tuple[PingResult | None, ConnectResult]:
        async with asyncio.TaskGroup() as tasks:
            connecting = tasks.create_task(self._connect(site, options))
            falling_back = tasks.create_task(self._fall_back(series, site, options, phase_s))
            await series.run(phase_s)
            if series.answered:
                # ICMP's values count, so nobody will ask for TCP's.
                falling_back.cancel()
        tcp = None if falling_back.cancelled() else falling_back.result()
        return tcp, connecting.result()

    async def _fall_back(
        self, series: IcmpSeries, site: Site, options: ProbeOptions, phase_s: float
    ) -> PingResult | None:
        """Measure by TCP when the first ICMP probes stay silent, or one is prohibited."""
        silence_s = phase_s + max(_SILENT_PROBES * options.interval_s, options.timeout_s)
        try:
            async with asyncio.timeout(silence_s):
                await series.sign.wait()
        except TimeoutError:
            pass
        if series.answered:
            return None
        tcp = TcpSeries(self._network, site.address, site.port, options, self._clock)
        await tcp.run(0.0)
        return tcp.finish()

    async def _connect(self, site: Site, options: ProbeOptions) -> ConnectResult:
        # A measurement shorter than the limit is not held up by it.
        limit_s = min(_CONNECT_LIMIT_S, options.window_s + options.timeout_s)
        return await connect_once(
            self._network, site.address, site.port, limit_s, port_guessed=site.port_guessed
        )


def _choose(icmp: PingResult, tcp: PingResult | None, connect: ConnectResult | None) -> Findings:
    """ICMP's values when any reply counts; else TCP's when TCP was answered, be it by a reset."""
    blocked = icmp.pkts_received == 0 and tcp is not None and _answered(tcp, connect)
    return Findings(ping=tcp if blocked else icmp, icmp=icmp, icmp_blocked=blocked, connect=connect)


def _answered(tcp: PingResult, connect: ConnectResult | None) -> bool:
    return tcp.pkts_received > 0 or (connect is not None and connect.answered)
