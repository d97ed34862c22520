"""What a store says of many records at once: for charts and ranks. Percentiles are exact.

Numbers are those that a store keeps of every record (``Record.loss_percent`` and so on). What was not
measured is in no mean and no percentile, and where nothing was, the result is None, never zero.
"""

from typing import Final, Literal

from msgspec import Struct

from hopsight.model.dimensions import Dimensions

MAX_BUCKETS: Final = 2_000
"""Most buckets that one question may ask for."""
MAX_GROUPS: Final = 1_000

GroupOrder = Literal["records", "latency", "loss", "jitter"]
"""What groups are ranked by, largest first: their count, or a number's worst."""


class Measures(Struct, frozen=True, kw_only=True, gc=False):
    """What some records come to.

    Args:
        records: how many there are.
        agents: how many agents made them.
        latency_p50_ms: median of their latencies.
        latency_p95_ms: 95th percentile (nearest rank).
        jitter_p50_ms: median of their jitters.
        loss_percent: mean of their losses.
        lossy: how many of them lost anything.
        measured: how many have a latency: the sample count of the percentiles.
    """

    records: int
    agents: int
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    jitter_p50_ms: float | None
    loss_percent: float | None
    lossy: int
    measured: int


class Bucket(Struct, frozen=True, kw_only=True, gc=False):
    """The records of one stretch of time; ``start_s`` in epoch seconds, divisible by the bucket's length."""

    start_s: int
    measures: Measures


class Group(Struct, frozen=True, kw_only=True, gc=False):
    """The records that have one value of a dimension (None: it is not known).

    Args:
        value: as stored.
        measures: over the whole range.
        trend: median latency of each of the question's buckets in order, for a spark line; None: no data.
        trend_loss: mean loss of each likewise.
    """

    value: str | None
    measures: Measures
    trend: tuple[float | None, ...]
    trend_loss: tuple[float | None, ...]


class Summary(Struct, frozen=True, kw_only=True):
    """A range in whole and in buckets; buckets without records are left out: they are gaps."""

    whole: Measures
    buckets: tuple[Bucket, ...]


class Measurement(Struct, frozen=True, gc=False):
    """One record's dimensions and numbers; None: not measured."""

    dimensions: Dimensions
    loss_percent: float | None
    latency_ms: float | None
    jitter_ms: float | None
