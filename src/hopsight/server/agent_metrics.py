"""What agents say they cost their machines, as figures of the whole fleet: no series names an agent.

Each upload is one observation. Agents upload about as often as each other, so the share of observations
below a bound is about the share of agents.
"""

from collections import OrderedDict
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from hopsight.model.upload import AgentUsage

AGENTS_REMEMBERED: Final = 65_536
"""Of so many agents it is known how much they had dropped before; more would cost memory."""

_MB: Final = 1_000_000
_RESIDENT_BUCKETS: Final = tuple(size * _MB for size in (20, 30, 40, 50, 60, 80, 120, 200, 400))
_CPU_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)
_WAITING_BUCKETS: Final = (0, 10, 100, 500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000)


class AgentMetrics:
    """Counters and histograms over the agents' reports, in the registry given."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._resident = Histogram(
            "hopsight_agent_resident_bytes",
            "Resident memory of agents, at each upload.",
            buckets=_RESIDENT_BUCKETS,
            registry=registry,
        )
        self._cpu = Histogram(
            "hopsight_agent_cpu_fraction",
            "Share of one core that agents used since the upload before.",
            buckets=_CPU_BUCKETS,
            registry=registry,
        )
        self._waiting = Histogram(
            "hopsight_agent_waiting_records",
            "Records that wait in agents' spools, at each upload.",
            buckets=_WAITING_BUCKETS,
            registry=registry,
        )
        self._dropped = Counter(
            "hopsight_agent_dropped_records",
            "Records that agents had to let go for want of room, as far as they said so to this process.",
            registry=registry,
        )
        self._dropped_before: OrderedDict[str, int] = OrderedDict()

    def reported(self, agent_id: str, usage: AgentUsage) -> None:
        """Count what one agent says."""
        self._resident.observe(usage.resident_bytes)
        self._cpu.observe(usage.cpu_fraction)
        self._waiting.observe(usage.waiting)
        # An agent tells its total; what it lost before this process knew it is not news.
        before = self._dropped_before.pop(agent_id, usage.dropped)
        self._dropped.inc(max(0, usage.dropped - before))
        self._dropped_before[agent_id] = usage.dropped
        if len(self._dropped_before) > AGENTS_REMEMBERED:
            self._dropped_before.popitem(last=False)
