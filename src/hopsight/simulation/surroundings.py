"""What simulated agents tell besides sessions: probes of their gateway and VPN, and when they were asleep."""

from collections.abc import Iterator

from hopsight.model.ids import SESSION_ROUND_S
from hopsight.model.network_documents import Ping
from hopsight.model.states import AgentState
from hopsight.model.times import format_utc
from hopsight.model.topology import (
    TOPOLOGY_ROUND_S,
    NetworkProbe,
    NetworkProbeDetail,
    TargetKind,
    network_probe_id,
)
from hopsight.model.upload import AgentStateRecord, NetworkProbeRecord
from hopsight.simulation.conditions import works_at
from hopsight.simulation.details import profile_of
from hopsight.simulation.draws import draws_of
from hopsight.simulation.fleet import SimulatedAgent
from hopsight.simulation.pings import gateway_ping, vpn_ping
from hopsight.simulation.sessions import suffix_of

_DAY_S = 86_400


class Surroundings:
    """Makes the network probes and states of a fleet.

    Args:
        seed: decides everything.
        aid: account group, as part of the IDs.
    """

    def __init__(self, seed: int, aid: int) -> None:
        self._aid = aid
        self._draw = draws_of(seed, "state")

    def probes(self, agent: SimulatedAgent, agent_id: str, rounds: range) -> Iterator[NetworkProbeRecord]:
        """Those of the rounds of 300 s that begin within ``rounds``, oldest first."""
        context = agent.context
        targets: list[tuple[TargetKind, str | None, Ping]] = [
            ("gateway", context.gateway, gateway_ping(agent, None)),
            ("vpn", context.vpn_target, vpn_ping(agent)),
        ]
        profile = profile_of(agent)
        first = -(-rounds.start // TOPOLOGY_ROUND_S) * TOPOLOGY_ROUND_S
        for round_id in range(first, rounds.stop, TOPOLOGY_ROUND_S):
            if not works_at(agent, round_id):
                continue
            for kind, address, ping in targets:
                if address is None or context.network_id is None:
                    continue
                probe = NetworkProbe(
                    network_probe_id=network_probe_id(
                        self._aid, context.network_id, round_id, agent_id, kind
                    ),
                    agent_id=agent_id,
                    round_id=round_id,
                    date=format_utc(round_id + agent.offset_ms // 1_000),
                    target=address,
                    icmp_ping=ping,
                )
                yield NetworkProbeRecord(
                    document=probe,
                    detail=NetworkProbeDetail(network_profile=profile, target_kind=kind),
                    context=0,
                )

    def states(self, agent: SimulatedAgent, agent_id: str, rounds: range) -> Iterator[AgentStateRecord]:
        """The spans that begin and end within ``rounds`` in which the machine was off; cut at midnight UTC.

        A span that had begun before is known to those who look further back.
        """
        start_s: int | None = None
        was_off = True
        for round_id in rounds:
            is_off = not works_at(agent, round_id)
            if start_s is not None and (not is_off or round_id % _DAY_S == 0):
                yield self._state(agent, agent_id, start_s, round_id)
                start_s = None
            if is_off and (not was_off or round_id % _DAY_S == 0):
                start_s = round_id
            was_off = is_off

    def _state(self, agent: SimulatedAgent, agent_id: str, start_s: int, end_s: int) -> AgentStateRecord:
        draw = self._draw(b"%d:%d" % (agent.index, start_s))
        state = AgentState(
            state_id=f"{self._aid:05d}:{start_s}:{suffix_of(draw[0], draw[1])}",
            agent_id=agent_id,
            round_id=start_s - start_s % SESSION_ROUND_S,
            date=format_utc(start_s),
            # Some machines are not put to sleep but lose their agent.
            state="asleep" if draw[2] % 8 else "stopped",
            start_ms=start_s * 1_000,
            end_ms=end_s * 1_000,
            reason="SIMULATED",
        )
        return AgentStateRecord(document=state, context=0)
