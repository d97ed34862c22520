"""The segments of a window, each with its state and what says so (``docs/verdict.md``, "States")."""

from collections.abc import Sequence
from typing import Final

from hopsight.agent.results import rtt_statistics
from hopsight.agent.verdict.loss import limits_its_answers, loss_evidence
from hopsight.agent.verdict.window import DEVICE, MIN_PROBES, Device, Finding, Series, Stretch
from hopsight.model.network_documents import Evidence, Ping, Segment, SegmentState

MIN_SAMPLES: Final = 3
"""Fewer samples of the machine say nothing about the window."""
_SITE_METRICS: Final = {"unknownName", "refusedConnections", "unansweredSyns"}


def device_segment(device: Device | None, findings: Sequence[Finding]) -> Segment:
    """The device's own segment."""
    if device is None or device.samples < MIN_SAMPLES:
        return Segment(name="device", state="unknown", note=f"fewer than {MIN_SAMPLES} samples")
    evidence = _evidence_at(DEVICE, findings)
    return Segment(name="device", state="degraded" if evidence else "good", evidence=evidence)


def way_segments(stretches: Sequence[Stretch], findings: Sequence[Finding]) -> list[Segment]:
    """The segments behind the device."""
    # A tunnel whose far end nobody knows takes part in the reasoning, but there is nothing to show of it.
    return [
        _segment(stretches, index, findings)
        for index, stretch in enumerate(stretches)
        if stretch.target is not None or stretch.name != "vpn" or index == len(stretches) - 1
    ]


def _segment(stretches: Sequence[Stretch], index: int, findings: Sequence[Finding]) -> Segment:
    stretch = stretches[index]
    evidence = (*loss_evidence(stretches, index), *_evidence_at(index, findings))
    evidence = tuple(dict.fromkeys(item for item in evidence if item.metric != "likelihoodRatio"))
    state, note = _state(stretches, index, evidence)
    return Segment(
        name=stretch.name,
        state=state,
        target=stretch.target,
        link=stretch.link,
        ping=_ping(stretch.series),
        evidence=evidence,
        note=note,
    )


def _state(
    stretches: Sequence[Stretch], index: int, evidence: Sequence[Evidence]
) -> tuple[SegmentState, str | None]:
    series = stretches[index].series
    if _SITE_METRICS & {item.metric for item in evidence}:
        return "failed", None
    unknown = _why_unknown(stretches, index)
    if unknown is not None:
        return "unknown", unknown
    if series is None or not series.rtts_ms:
        return "failed", None
    if evidence:
        return "degraded", None
    return "good", None if series.kernel_times else "times are the program's own: only loss was judged"


def _why_unknown(stretches: Sequence[Stretch], index: int) -> str | None:
    stretch, series = stretches[index], stretches[index].series
    if series is None or series.sent == 0:
        return stretch.note or "not probed"
    if limits_its_answers(stretches, index):
        return "it answers pings less well than what lies behind it, or not at all"
    return f"fewer than {MIN_PROBES} probes" if series.sent < MIN_PROBES else None


def _evidence_at(place: int, findings: Sequence[Finding]) -> tuple[Evidence, ...]:
    return tuple(
        item
        for finding in findings
        if finding.suspects == (place,)
        for item in finding.evidence
        # Loss that begins elsewhere is told by each segment's own numbers.
        if item.metric not in {"loss", "prohibited"}
    )


def _ping(series: Series | None) -> Ping | None:
    return ping_of(series.sent, series.rtts_ms) if series is not None and series.sent else None


def ping_of(sent: int, rtts_ms: Sequence[float]) -> Ping:
    """The API's ping: probes sent, and the times of those answered."""
    times = rtt_statistics(rtts_ms)
    return Ping(
        pkts_sent=sent,
        pkts_received=len(rtts_ms),
        min_rtt_ms=times.min_rtt_ms if times is not None else None,
        avg_rtt_ms=times.avg_rtt_ms if times is not None else None,
        max_rtt_ms=times.max_rtt_ms if times is not None else None,
        mean_dev_rtt_ms=times.mean_dev_rtt_ms if times is not None else None,
    )
