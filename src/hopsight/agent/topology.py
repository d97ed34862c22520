"""Network topology (API.md 3.5): every 300 s, probes to the gateway, the proxy and the VPN's other end."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from msgspec import Struct

from hopsight.agent.documents import ping_document
from hopsight.agent.network import Address
from hopsight.agent.pacing import ClockReading
from hopsight.agent.probing import Findings, Site
from hopsight.agent.profile.profile import NetworkProfile, profile_document
from hopsight.agent.results import ProbeOptions
from hopsight.agent.states.states import EARLIEST_S
from hopsight.agent.system import SystemSampler
from hopsight.agent.way.segments import NO_ICMP
from hopsight.agent.way.shared_pings import SharedPings
from hopsight.clock import Clock
from hopsight.model.ids import round_of
from hopsight.model.network_documents import Ping
from hopsight.model.system import SystemMetrics
from hopsight.model.times import format_utc
from hopsight.model.topology import (
    TOPOLOGY_ROUND_S,
    NetworkProbe,
    NetworkProbeDetail,
    TargetKind,
    network_probe_id,
)
from hopsight.model.upload import NetworkProbeRecord

OPTIONS: Final = ProbeOptions()
CHECK_S: Final = 15.0
_MINUTE_S: Final = 60
# Sessions start with the minute: topology keeps to the part of it in which they are over.
_EARLIEST_SECOND, _LATEST_SECOND = 15.0, 48.0

_log = structlog.get_logger()


class ProbeTarget(Struct, frozen=True, kw_only=True):
    """One piece of the local infrastructure.

    Args:
        port: where TCP is tried when ICMP is silent; None: nobody knows of one.
    """

    kind: TargetKind
    address: Address
    port: int | None = None


class TopologyWork(Struct, frozen=True, kw_only=True):
    """What a round is made of besides its probes.

    Args:
        look: reads the network now; None: nothing is to be probed (disabled, offline).
        keep: takes the records of a round.
        cut_off_since: whether the machine was offline at or after a moment of the boot-time clock.
    """

    look: Callable[[], Awaitable[NetworkProfile | None]]
    keep: Callable[[Sequence[NetworkProbeRecord]], Awaitable[None]]
    cut_off_since: Callable[[float], bool] = lambda _: False


class Topology:
    """Probes what this machine's network is made of.

    Args:
        pings: those of the sessions: what both ask for at the same time is sent once.
        clock: says when.
        work: what a round is made of besides.
        aid: the account group.
        agent_id: the agent; its phase within the 300 s depends on it.
        options: count and pace of the probes.
        sampler: samples the machine; None: one of our own.
    """

    def __init__(
        self,
        pings: SharedPings,
        clock: Clock,
        work: TopologyWork,
        *,
        aid: int,
        agent_id: str,
        options: ProbeOptions = OPTIONS,
        sampler: SystemSampler | None = None,
    ) -> None:
        self._pings = pings
        self._clock = clock
        self._aid = aid
        self._agent_id = agent_id
        self._work = work
        self._options = options
        self._sampler = sampler or SystemSampler(clock)
        self._phase_s = phase_of(agent_id)
        self._probed: int | None = None

    async def run(self) -> None:
        """The first round at once, the others at this agent's phase; until cancelled."""
        while True:
            current = round_of(self._clock.now(), TOPOLOGY_ROUND_S)
            if current != self._probed:
                self._probed = current
                records = await self.probe_round()
                if records:
                    await self._work.keep(records)
            await self._until_next()

    async def probe_round(self) -> list[NetworkProbeRecord]:
        """Probe once, now: one record for each target; they belong to the round in which this starts.

        Returns:
            Nothing when there is nothing to probe, or when the machine slept, was offline or changed networks
            meanwhile: such a window says nothing of either.
        """
        profile = await self._work.look()
        before = ClockReading.of(self._clock)
        targets = targets_of(profile) if profile is not None else []
        if profile is None or not targets or before.wall_s < EARLIEST_S:
            return []
        findings, metrics = await self._probe_all(targets)
        after = ClockReading.of(self._clock)
        reason = await self._disturbance(profile, before, after)
        if reason is not None:
            _log.info("network probes discarded", reason=reason)
            return []
        return [
            self._record(profile, target, found, metrics, before.wall_s)
            for target, found in zip(targets, findings, strict=True)
        ]

    async def _probe_all(self, targets: Sequence[ProbeTarget]) -> tuple[list[Findings], SystemMetrics]:
        async with asyncio.TaskGroup() as tasks:
            sampling = tasks.create_task(self._sampler.sample(self._options.window_s))
            probing = [tasks.create_task(self._probe(target)) for target in targets]
        return [task.result() for task in probing], sampling.result()

    async def _probe(self, target: ProbeTarget) -> Findings:
        if target.port is not None:
            site = Site(address=target.address, port=target.port, port_guessed=False)
            return await self._pings.probe(site, self._options)
        return Findings(ping=await self._pings.ping(target.address, self._options))

    async def _disturbance(
        self, profile: NetworkProfile, before: ClockReading, after: ClockReading
    ) -> str | None:
        if before.slept_until(after):
            return "the machine slept"
        now = await self._work.look()
        if now is None or self._work.cut_off_since(before.boottime_s):
            return "the machine was offline"
        return None if now.attachment == profile.attachment else "the network changed"

    def _record(
        self,
        profile: NetworkProfile,
        target: ProbeTarget,
        found: Findings,
        metrics: SystemMetrics,
        started_s: float,
    ) -> NetworkProbeRecord:
        round_id = round_of(started_s, TOPOLOGY_ROUND_S)
        ping = ping_document(found.ping)
        document = NetworkProbe(
            network_probe_id=network_probe_id(
                self._aid, profile.network_id or "", round_id, self._agent_id, target.kind
            ),
            agent_id=self._agent_id,
            round_id=round_id,
            date=format_utc(started_s),
            target=target.address.host,
            icmp_ping=ping if ping is not None else Ping(error=NO_ICMP),
            icmp_blocked=_blocked(found),
            system_metrics=metrics,
        )
        detail = NetworkProbeDetail(network_profile=profile_document(profile), target_kind=target.kind)
        return NetworkProbeRecord(document=document, detail=detail, context=0)

    async def _until_next(self) -> None:
        """Wait for this agent's turn, in short steps: the clock may be set, the machine may sleep."""
        due_s = self._next_due_s()
        while (left_s := due_s - self._clock.now()) > 0 or left_s <= -TOPOLOGY_ROUND_S:
            if left_s > 2 * TOPOLOGY_ROUND_S or left_s <= -TOPOLOGY_ROUND_S:
                _log.info("clock set, or machine slept: waiting for the next round of network probes")
                due_s = self._next_due_s()
            await self._clock.sleep(min(max(due_s - self._clock.now(), 0.0), CHECK_S))

    def _next_due_s(self) -> float:
        now_s = self._clock.now()
        due_s = round_of(now_s, TOPOLOGY_ROUND_S) + self._phase_s
        return due_s if due_s > now_s else due_s + TOPOLOGY_ROUND_S


def phase_of(agent_id: str) -> float:
    """Seconds into each 300 s at which an agent probes: one of its own, and the same after a restart."""
    drawn = int.from_bytes(hashlib.blake2s(agent_id.encode(), digest_size=8).digest(), "big")
    minutes = TOPOLOGY_ROUND_S // _MINUTE_S
    minute, rest = drawn % minutes, (drawn // minutes) / (2**64 / minutes)
    return minute * _MINUTE_S + _EARLIEST_SECOND + rest * (_LATEST_SECOND - _EARLIEST_SECOND)


def targets_of(profile: NetworkProfile) -> list[ProbeTarget]:
    """What there is to probe on a network; nothing without one."""
    if profile.network_id is None:
        return []
    found = []
    if profile.gateway_address is not None:
        found.append(ProbeTarget(kind="gateway", address=profile.gateway_address))
    if profile.proxy is not None:
        found.append(ProbeTarget(kind="proxy", address=Address(profile.proxy), port=profile.proxy_port))
    if profile.vpn is not None and profile.vpn.endpoint is not None:
        found.append(ProbeTarget(kind="vpn", address=Address(profile.vpn.endpoint)))
    return found


def _blocked(found: Findings) -> bool | None:
    """Silence on one protocol alone proves nothing; nor does ICMP that this machine does not allow."""
    if found.ping is None or found.icmp_unavailable is not None:
        return None
    if found.icmp_blocked:
        return True
    return False if found.ping.pkts_received else None
