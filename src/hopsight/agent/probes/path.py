"""The path to an address, hop by hop: by echo requests, and by SYNs where the destination ignores those."""

import asyncio
import hashlib
import ipaddress
import random
from typing import Final

from hopsight.agent.network import Address, Family, PathNetwork
from hopsight.agent.pacing import Spread
from hopsight.agent.path.packets import TOKEN_BYTES
from hopsight.agent.probes.path_hops import MAX_TTL, HopTable
from hopsight.agent.probes.path_icmp import IcmpTrace, PathEngine
from hopsight.agent.probes.path_tcp import TcpTrace
from hopsight.agent.results import HopResult, PathResult, Protocol
from hopsight.clock import Clock
from hopsight.errors import ProbeUnavailableError

_LIMIT_S: Final = 3.6
_SPREAD_S: Final = 0.2
_IDENTIFIERS: Final = 1 << 16
_FLOWS: Final = 0xFFFF
_MARGIN_HOPS: Final = 2
_MAX_REMEMBERED: Final = 4096
NOBODY: Final = "no hop answered"


class PathTracer:
    """Traces paths, many at the same time over the same socket. Make one per process."""

    def __init__(self, network: PathNetwork, clock: Clock, rng: random.Random) -> None:
        self._network = network
        self._clock = clock
        self._rng = rng
        self._spread = Spread()
        self._engines: dict[Family, PathEngine] = {}
        self._lengths: dict[str, int] = {}

    async def trace(
        self, address: Address, *, port: int | None, protocol: Protocol = "icmp", key: str | None = None
    ) -> PathResult:
        """Trace once, in under 4 s; whatever happens is a result.

        Args:
            address: where to.
            port: where SYNs go to when the destination does not answer echo requests, or these are not
                allowed here; None: then there are no SYNs.
            protocol: ``tcp`` for SYNs alone.
            key: traces with the same key are one flow and take the same branches, until the process ends;
                None: each takes its chance. Holds for ICMP.
        """
        started_s = self._clock.monotonic()
        with self._spread.place(_SPREAD_S) as phase_s:
            # Traces in step would all ask the first router at the same moment, and it answers only so many.
            if phase_s > 0:
                await self._clock.sleep(phase_s)
            return await self._trace(address, port, protocol, key, started_s)

    def close(self) -> None:
        """Close the sockets; traces under way must be over."""
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()

    async def _trace(
        self, address: Address, port: int | None, protocol: Protocol, key: str | None, started_s: float
    ) -> PathResult:
        if protocol == "tcp":
            return await self._by_tcp_alone(address, port, "no port to trace to", started_s)
        try:
            engine = self._engine(address.family)
        except ProbeUnavailableError as error:
            return await self._by_tcp_alone(address, port, str(error), started_s)
        first_ttl_end = self._lengths.get(address.host, MAX_TTL) + _MARGIN_HOPS
        token = self._rng.randbytes(TOKEN_BYTES)
        trace = IcmpTrace(engine, address, self._flow(key), token, first_ttl_end)
        try:
            tcp = await self._both(trace, address, port, started_s)
        finally:
            trace.finish()
        self._remember(address, trace.table)
        if tcp is not None and (tcp.table.reached or not trace.table.last):
            return _joined(tcp, trace.table, address)
        return _result(trace.table, address, "icmp", trace.error)

    def _engine(self, family: Family) -> PathEngine:
        engine = self._engines.get(family)
        if engine is None:
            opened = self._network.open_path(family, self._rng.randrange(_IDENTIFIERS))
            engine = self._engines[family] = PathEngine(opened, self._clock, self._rng)
        return engine

    def _flow(self, key: str | None) -> int:
        if key is None:
            return self._rng.randrange(_FLOWS)
        return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % _FLOWS

    async def _both(
        self, trace: IcmpTrace, address: Address, port: int | None, started_s: float
    ) -> TcpTrace | None:
        await trace.explore(self._clock)
        if trace.table.reached or port is None:
            await trace.refine(self._clock)
            return None
        limit_s = _LIMIT_S - (self._clock.monotonic() - started_s)
        async with asyncio.TaskGroup() as tasks:
            by_tcp = tasks.create_task(self._by_tcp(address, port, limit_s, trace.table))
            await trace.refine(self._clock)
        return by_tcp.result()

    async def _by_tcp(
        self, address: Address, port: int, limit_s: float, known: HopTable | None
    ) -> TcpTrace | None:
        try:
            flow = self._network.open_syn_flow(address, port)
        except (OSError, ProbeUnavailableError):
            return None
        try:
            tcp = TcpTrace(flow, address, self._clock, limit_s, known)
            await tcp.run()
        finally:
            flow.close()
        return tcp

    async def _by_tcp_alone(
        self, address: Address, port: int | None, reason: str, started_s: float
    ) -> PathResult:
        if port is None:
            return PathResult(destination=address.host, error=reason)
        limit_s = _LIMIT_S - (self._clock.monotonic() - started_s)
        tcp = await self._by_tcp(address, port, limit_s, None)
        if tcp is None:
            return PathResult(destination=address.host, protocol="tcp", error=reason)
        return _result(tcp.table, address, "tcp", tcp.error)

    def _remember(self, address: Address, table: HopTable) -> None:
        self._lengths.pop(address.host, None)
        if table.reached:
            if len(self._lengths) >= _MAX_REMEMBERED:
                del self._lengths[next(iter(self._lengths))]
            self._lengths[address.host] = table.end


def first_public_hop(path: PathResult) -> HopResult | None:
    """The first hop with an address of the public Internet: where the provider's network is seen to begin."""
    for hop in path.hops:
        if hop.address is not None and ipaddress.ip_address(hop.address).is_global:
            return hop
    return None


def _joined(tcp: TcpTrace, known: HopTable, address: Address) -> PathResult:
    found = _result(tcp.table, address, "tcp", tcp.error)
    if not tcp.joined_at:
        return found
    hops = (*known.results()[: tcp.joined_at], *found.hops[tcp.joined_at :])
    return PathResult(destination=address.host, protocol="tcp", reached=found.reached, hops=hops)


def _result(table: HopTable, address: Address, protocol: Protocol, error: str | None) -> PathResult:
    hops = table.results()
    return PathResult(
        destination=address.host,
        protocol=protocol,
        reached=table.reached,
        hops=hops,
        error=None if hops else error or NOBODY,
    )
