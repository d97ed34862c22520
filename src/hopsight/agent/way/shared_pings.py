"""Series that many sessions share: to gateways, VPN endpoints, proxies and providers' first routers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from msgspec import Struct

from hopsight.agent.network import Address
from hopsight.agent.probing import Findings, Prober, Site
from hopsight.agent.results import PingResult, ProbeOptions
from hopsight.clock import Clock
from hopsight.errors import ProbeUnavailableError

_Found = TypeVar("_Found")
_Key = TypeVar("_Key")
_Pace = tuple[float, float]


class _Series(Struct, Generic[_Found], frozen=True):
    pace: _Pace
    join_until_s: float
    task: asyncio.Task[_Found]


class SharedPings:
    """Series under way: one to an address in a window, however many targets lie behind it."""

    def __init__(self, prober: Prober, clock: Clock) -> None:
        self._prober = prober
        self._clock = clock
        self._pings: dict[Address, _Series[PingResult | None]] = {}
        self._probes: dict[tuple[Address, int], _Series[Findings]] = {}

    async def ping(self, address: Address | None, options: ProbeOptions) -> PingResult | None:
        """Ping an address, or join the series of the same pace that is in its first half.

        Returns:
            None without an address, or without ICMP.
        """
        if address is None:
            return None
        return await self._join(self._pings, address, options, lambda: self._run(address, options))

    async def probe(self, site: Site, options: ProbeOptions) -> Findings:
        """Probe a site that many sessions go through (a proxy), or join as with ``ping``."""
        place = (site.address, site.port)
        return await self._join(
            self._probes, place, options, lambda: self._prober.probe(site, "auto", options, 0.0)
        )

    async def aclose(self) -> None:
        """Cancel what is under way."""
        pings = [series.task for series in self._pings.values()]
        probes = [series.task for series in self._probes.values()]
        self._pings.clear()
        self._probes.clear()
        for task in (*pings, *probes):
            task.cancel()
        await asyncio.gather(*pings, *probes, return_exceptions=True)

    async def _join(
        self,
        under_way: dict[_Key, _Series[_Found]],
        key: _Key,
        options: ProbeOptions,
        run: Callable[[], Awaitable[_Found]],
    ) -> _Found:
        series = under_way.get(key)
        now_s, pace = self._clock.monotonic(), (options.interval_s, options.timeout_s)
        if series is None or series.pace != pace or now_s > series.join_until_s:
            task = asyncio.ensure_future(_awaited(run()))
            series = _Series(pace, now_s + options.window_s / 2, task)
            under_way[key] = series
        # One measurement that is cancelled must not end the series of the others.
        return await asyncio.shield(series.task)

    async def _run(self, address: Address, options: ProbeOptions) -> PingResult | None:
        try:
            return await self._prober.ping(address, options, phase_s=0.0)
        except ProbeUnavailableError:
            return None


async def _awaited(found: Awaitable[_Found]) -> _Found:
    return await found
