"""The simulated records: from an agent and a round to network sessions, by closed forms rather than samples.

Statistics hold together as those of real samples do: with ``n`` values, none lies further than
``stdDev * sqrt(n - 1)`` from their mean, and the furthest no nearer than ``stdDev / sqrt(n - 1)``.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from hopsight.model.ids import SESSION_ROUND_S
from hopsight.model.sessions import Destination, ProbedNetworkSession
from hopsight.model.system import BytesSummary, FractionSummary, SystemMetrics
from hopsight.model.times import format_utc
from hopsight.model.upload import NetworkSessionRecord
from hopsight.simulation.conditions import OUTAGE_BLOCK_S, Outage, load_at, local_hour, outage_in, works_at
from hopsight.simulation.draws import Draw, draws_of, exponential, uniform
from hopsight.simulation.fleet import SimulatedAgent
from hopsight.simulation.pings import PROBES, loss_of, vpn_ping
from hopsight.simulation.world import SITES, Site

WINDOW_MS: Final = 10_000
BAD_AIR_LOSS: Final = 0.06
BAD_AIR_JITTER: Final = 8.0
_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS: Final = tuple(first + second for first in _BASE62 for second in _BASE62)
_FURTHEST: Final = tuple(math.sqrt(max(count - 1, 0)) for count in range(PROBES + 1))
_SCALE: Final = 1 / (1 << 32)


class Moment(Struct, frozen=True):
    """What one round has in common for all of an agent's sessions.

    Args:
        round_id: epoch seconds.
        load: how busy the lines are, 0..1.
        outage: the one that may be going on.
    """

    round_id: int
    load: float
    outage: Outage


class Sessions:
    """Makes the sessions of a fleet.

    Args:
        seed: decides everything.
        aid: account group, as part of the IDs.
    """

    def __init__(self, seed: int, aid: int) -> None:
        self._seed = seed
        self._prefix = f"{aid:05d}:"
        self._draw: Draw = draws_of(seed, "session")

    def history(
        self, agent: SimulatedAgent, agent_id: str, rounds: Iterable[int]
    ) -> Iterator[NetworkSessionRecord]:
        """The records of one agent over rounds, oldest first."""
        outage = Outage(-1, 0, 0)
        block = -1
        for round_id in rounds:
            if not works_at(agent, round_id):
                continue
            if round_id // OUTAGE_BLOCK_S != block:
                block = round_id // OUTAGE_BLOCK_S
                outage = outage_in(self._seed, round_id)
            load = load_at(local_hour(agent.place, round_id), at_home=agent.at_home)
            yield from self._round(agent, agent_id, Moment(round_id, load, outage))

    def _round(self, agent: SimulatedAgent, agent_id: str, moment: Moment) -> Iterator[NetworkSessionRecord]:
        numbers = self._draw(b"%d:%d" % (agent.index, moment.round_id))
        start_ms = moment.round_id * 1_000 + agent.offset_ms + numbers[0] % 1_000
        date = format_utc(start_ms // 1_000)
        system = _system_metrics(agent, moment, start_ms, numbers)
        vpn = _vpn(agent)
        favourites = agent.favourites
        chosen = {favourites[number % len(favourites)] for number in numbers[1 : 2 + numbers[4] % 3]}
        for index in sorted(chosen):
            draw = self._draw(b"%d:%d:%d" % (agent.index, moment.round_id, index))
            site = SITES[index]
            document = ProbedNetworkSession(
                user_session_id=f"{self._prefix}{moment.round_id}:{suffix_of(draw[0], draw[1])}",
                agent_id=agent_id,
                round_id=moment.round_id,
                date=date,
                destination=_destination(agent, site, moment, draw),
                system_metrics=system,
                vpn=vpn,
            )
            yield NetworkSessionRecord(document=document, context=0, visited_site=site.host)


def rounds_until(end_s: int, hours: float) -> range:
    """The rounds of the last ``hours`` before ``end_s`` whose windows are over by then."""
    last = (end_s - 60 - WINDOW_MS // 1_000) // SESSION_ROUND_S * SESSION_ROUND_S
    count = max(1, int(hours * 3_600) // SESSION_ROUND_S)
    return range(last - (count - 1) * SESSION_ROUND_S, last + 1, SESSION_ROUND_S)


def _vpn(agent: SimulatedAgent) -> Destination | None:
    target = agent.context.vpn_target
    if target is None:
        return None
    ping = vpn_ping(agent)
    return Destination(
        target=target,
        loss_percent=loss_of(ping),
        latency_ms=int((ping.avg_rtt_ms or 0.0) + 0.5),
        jitter_ms=int((ping.mean_dev_rtt_ms or 0.0) + 0.5),
    )


def _destination(agent: SimulatedAgent, site: Site, moment: Moment, draw: tuple[int, ...]) -> Destination:
    outage = moment.outage
    if site.provider == outage.provider and outage.start_s <= moment.round_id < outage.end_s:
        return Destination(target=site.address, loss_percent=100.0)
    access, load = agent.access, moment.load
    loss = access.loss * (1 + 3 * load) + (BAD_AIR_LOSS * load if agent.bad_air else 0)
    received = PROBES - _lost(draw[2] * _SCALE, loss)
    jitter_ms = access.jitter_ms * (0.5 + 1.5 * load) * (BAD_AIR_JITTER if agent.bad_air else 1)
    base_ms = site.rtt_ms[agent.place.region] + access.rtt_ms + agent.extra_rtt_ms
    average_ms = round(base_ms + jitter_ms * exponential(draw[3]), 3)
    if received == 0:
        return Destination(target=site.address, loss_percent=100.0)
    furthest = _FURTHEST[received]
    spread_ms = min(jitter_ms * (0.2 + 0.8 * exponential(draw[4])), 0.8 * average_ms)
    deviation_ms = round(spread_ms, 3) if furthest else 0.0
    maximum_ms = average_ms + deviation_ms * min(uniform(draw[5], 1.3, 2.7), furthest)
    return Destination(
        target=site.address,
        loss_percent=100.0 * (PROBES - received) / PROBES,
        latency_ms=int(average_ms + 0.5),
        jitter_ms=int(deviation_ms + 0.5),
        avg_rtt_ms=average_ms,
        max_rtt_ms=maximum_ms,
        mean_dev_rtt_ms=deviation_ms,
    )


def _lost(chance: float, loss: float) -> int:
    """How many of the probes are lost: the binomial distribution, turned around."""
    probability = (1 - loss) ** PROBES
    lost = 0
    while chance > probability and lost < PROBES:
        chance -= probability
        probability *= (PROBES - lost) / (lost + 1) * loss / (1 - loss)
        lost += 1
    return lost


def _system_metrics(
    agent: SimulatedAgent, moment: Moment, start_ms: int, numbers: tuple[int, ...]
) -> SystemMetrics:
    mean = min(0.85, agent.cpu + 0.25 * moment.load + 0.06 * exponential(numbers[5]))
    deviation = min(mean, 1 - mean) * uniform(numbers[6], 0.05, 0.4)
    used = agent.memory_bytes * (0.35 + 0.35 * moment.load + uniform(numbers[7], 0, 0.08))
    spread = agent.memory_bytes * uniform(numbers[8], 0.0001, 0.003)
    return SystemMetrics(
        start_time_ms=start_ms,
        end_time_ms=start_ms + WINDOW_MS,
        cpu_utilization=FractionSummary(
            min=mean - deviation * uniform(numbers[9], 1.1, 1.8),
            max=mean + deviation * uniform(numbers[10], 1.3, 2.4),
            mean=mean,
            median=mean + deviation * uniform(numbers[11], -0.5, 0.3),
            std_dev=deviation,
            count=PROBES,
        ),
        physical_memory_used_bytes=BytesSummary(
            min=used - spread * 1.6,
            max=used + spread * 1.7,
            mean=used,
            median=used + spread * uniform(numbers[12], -0.4, 0.4),
            std_dev=spread,
            count=PROBES + 1,
        ),
        physical_memory_total_bytes=agent.memory_bytes,
    )


def suffix_of(first: int, second: int) -> str:
    """Eight base-62 characters from 64 bits, two at a time."""
    pairs = len(_PAIRS)
    return (
        _PAIRS[first % pairs]
        + _PAIRS[first // pairs % pairs]
        + _PAIRS[second % pairs]
        + _PAIRS[second // pairs % pairs]
    )
