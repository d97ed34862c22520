"""The machine beside the network: CPU and memory over a session (API.md 3.1, MEASUREMENT.md)."""

import math
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

Fraction = Annotated[float, Meta(ge=0, le=1, description="fraction")]
ByteCount = Annotated[float, Meta(ge=0, description="bytes")]
Count = Annotated[int, Meta(ge=0, le=1_000_000, description="samples")]
EpochMilliseconds = Annotated[
    int, Meta(ge=0, le=253_402_300_799_999, description="milliseconds since the epoch")
]


class FractionSummary(Struct, rename="camel", frozen=True, kw_only=True, gc=False):
    """Six numbers over samples that are fractions, 0..1."""

    min: Fraction
    max: Fraction
    mean: Fraction
    median: Fraction
    std_dev: Fraction
    count: Count


class BytesSummary(Struct, rename="camel", frozen=True, kw_only=True, gc=False):
    """Six numbers over samples that are bytes."""

    min: ByteCount
    max: ByteCount
    mean: ByteCount
    median: ByteCount
    std_dev: ByteCount
    count: Count


class SystemMetrics(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The machine during one measurement window; what was not measured is absent."""

    start_time_ms: EpochMilliseconds
    end_time_ms: EpochMilliseconds
    cpu_utilization: FractionSummary | None = None
    physical_memory_used_bytes: BytesSummary | None = None
    physical_memory_total_bytes: Annotated[int, Meta(ge=0, le=2**62, description="bytes")] | None = None


class Summary(Struct, frozen=True):
    """What ``summarize`` finds, before it is given its unit."""

    min: float
    max: float
    mean: float
    median: float
    std_dev: float
    count: int


def summarize(samples: Sequence[float]) -> Summary | None:
    """Six numbers over ``samples``, in two passes: one pass loses digits at 1e10.

    The median of an even count is the mean of the middle two; the deviation is the population's.

    Returns:
        None when there are no samples.
    """
    count = len(samples)
    if count == 0:
        return None
    ordered = sorted(samples)
    mean = math.fsum(ordered) / count
    # A mean computed in floating point may step just outside the samples it is of.
    mean = min(max(mean, ordered[0]), ordered[-1])
    variance = math.fsum((sample - mean) ** 2 for sample in ordered) / count
    half = count // 2
    median = ordered[half] if count % 2 else (ordered[half - 1] + ordered[half]) / 2
    return Summary(ordered[0], ordered[-1], mean, median, math.sqrt(variance), count)
