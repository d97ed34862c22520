"""Gateways, pinged beside the targets behind them: one series a window, however many targets share it."""

import asyncio

from msgspec import Struct

from hopsight.agent.network import Address
from hopsight.agent.probing import Prober
from hopsight.agent.results import PingResult, ProbeOptions
from hopsight.clock import Clock
from hopsight.errors import ProbeUnavailableError


class _Series(Struct, frozen=True):
    options: ProbeOptions
    started_s: float
    task: asyncio.Task[PingResult | None]


class GatewayPings:
    """Series to gateways that are under way."""

    def __init__(self, prober: Prober, clock: Clock) -> None:
        self._prober = prober
        self._clock = clock
        self._series: dict[Address, _Series] = {}

    async def ping(self, gateway: Address | None, options: ProbeOptions) -> PingResult | None:
        """Ping a gateway, or join the series that began within the first half of this window.

        Returns:
            None without a gateway, or without ICMP.
        """
        if gateway is None:
            return None
        series = self._series.get(gateway)
        now_s = self._clock.monotonic()
        if series is None or series.options != options or now_s - series.started_s > options.window_s / 2:
            series = _Series(options, now_s, asyncio.create_task(self._run(gateway, options)))
            self._series[gateway] = series
        # One measurement that is cancelled must not end the series of the others.
        return await asyncio.shield(series.task)

    async def aclose(self) -> None:
        """Cancel what is under way."""
        tasks = [series.task for series in self._series.values()]
        self._series.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, gateway: Address, options: ProbeOptions) -> PingResult | None:
        try:
            return await self._prober.ping(gateway, options, phase_s=0.0)
        except ProbeUnavailableError:
            return None
