"""What the server counts about itself, for Prometheus. Labels never name a tenant, an agent or a person."""

import platform
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from hopsight import __version__
from hopsight.server.agent_metrics import AgentMetrics
from hopsight.server.shared_metrics import SharedMetrics

EXPOSITION_TYPE: Final = CONTENT_TYPE_LATEST
UNROUTED: Final = "(none)"
"""The route label of requests that no route took: their paths are the asker's, and unbounded."""

_PAGE_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class Metrics:
    """Counters of one server, in a registry of their own so that several servers fit one process.

    ``agents`` counts what agents say of themselves.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "hopsight_requests", "Requests answered.", ("route", "status"), registry=registry
        )
        self._records = Counter(
            "hopsight_ingest_records", "Records uploaded.", ("kind", "outcome"), registry=registry
        )
        self._batches = Counter("hopsight_ingest_batches", "Batches acknowledged.", registry=registry)
        self._bytes = Counter(
            "hopsight_ingest_bytes", "Bytes of upload bodies.", ("encoding",), registry=registry
        )
        self._store_errors = Counter(
            "hopsight_store_errors", "Calls that the store refused.", registry=registry
        )
        self._pruned = Counter(
            "hopsight_pruned_records", "Records deleted for their age.", ("kind",), registry=registry
        )
        self._page_seconds = Histogram(
            "hopsight_page_seconds", "Time to build one page.", buckets=_PAGE_BUCKETS_S, registry=registry
        )
        self._live_streams = Gauge(
            "hopsight_live_streams", "Pages that wait for new rounds.", registry=registry
        )
        self.agents = AgentMetrics(registry)
        Gauge("hopsight_build_info", "Always 1.", ("version", "python"), registry=registry).labels(
            __version__, platform.python_version()
        ).set(1)

    def shared(self) -> SharedMetrics:
        """Add what a server counts that shares something with others; called once at most."""
        return SharedMetrics(self._registry)

    def answered(self, route: str, status: int) -> None:
        """Count an answer by route template (``UNROUTED`` when there is none) and status."""
        self._requests.labels(route, str(status)).inc()

    def page_built(self, duration_s: float) -> None:
        """Count a page of records and the seconds that it took."""
        self._page_seconds.observe(duration_s)

    def body_received(self, wire_bytes: int, decoded_bytes: int) -> None:
        """Count the bytes of an upload as they came, and after decompression."""
        self._bytes.labels("wire").inc(wire_bytes)
        self._bytes.labels("decoded").inc(decoded_bytes)

    def ingested(self, kind: str, *, stored: int, duplicates: int, refused: int) -> None:
        """Count the records of one kind in an acknowledged batch by what became of them."""
        self._records.labels(kind, "stored").inc(stored)
        self._records.labels(kind, "duplicate").inc(duplicates)
        self._records.labels(kind, "refused").inc(refused)

    def batch_acknowledged(self) -> None:
        """Count a batch."""
        self._batches.inc()

    def store_failed(self) -> None:
        """Count a call that ended in ``StoreUnavailableError``."""
        self._store_errors.inc()

    def live_streams(self, count: int) -> None:
        """Tell how many streams are open."""
        self._live_streams.set(count)

    def pruned(self, kind: str, records: int) -> None:
        """Count records that went for their age."""
        self._pruned.labels(kind).inc(records)

    def expose(self) -> bytes:
        """Write everything in Prometheus' text format (``EXPOSITION_TYPE``)."""
        return generate_latest(self._registry)
