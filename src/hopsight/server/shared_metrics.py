"""What the server counts about what it shares; only one that shares something shows it."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class SharedMetrics:
    """A gauge and a counter, in the registry given."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._up = Gauge(
            "hopsight_shared_up",
            "1: servers count together through Redis; 0: it is away, and each counts for itself.",
            registry=registry,
        )
        self._failures = Counter(
            "hopsight_shared_failures", "Questions to Redis that it did not answer.", registry=registry
        )

    def found(self) -> None:
        """Redis is there."""
        self._up.set(1)

    def lost(self) -> None:
        """Redis did not answer."""
        self._up.set(0)
        self._failures.inc()
