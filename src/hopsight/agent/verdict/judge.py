"""The first segment at fault, by published rules (``docs/verdict.md``). Pure: numbers in, verdict out."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from hopsight.agent.verdict.delay import find_delay
from hopsight.agent.verdict.loss import find_loss, limits_its_answers
from hopsight.agent.verdict.segments import MIN_SAMPLES, device_segment, way_segments
from hopsight.agent.verdict.statistics import TOLERATED_LOSS
from hopsight.agent.verdict.summary import evidence_text, fault_text, list_text
from hopsight.agent.verdict.window import DEVICE, MIN_PROBES, Device, Finding, Stretch, Window
from hopsight.model.network_documents import (
    Evidence,
    Segment,
    SegmentName,
    Verdict,
    VerdictResult,
)

RULES: Final = 1
"""Version of the rules; a change of any limit is a new one."""
MAX_CPU: Final = 0.9
MAX_MEMORY: Final = 0.95
_MIN_SYNS: Final = 2


class Judgement(Struct, frozen=True, kw_only=True):
    """What the rules make of a window.

    Args:
        segments: from the device on.
        unreliable: places of the stretches whose own series was set aside.
    """

    segments: tuple[Segment, ...]
    verdict: Verdict
    unreliable: tuple[int, ...] = ()


def judge(window: Window) -> Judgement:
    """Judge a window; any numbers give a judgement."""
    findings = _findings(window)
    stretches = window.stretches
    return Judgement(
        segments=(device_segment(window.device, findings), *way_segments(stretches, findings)),
        verdict=_verdict(window, findings),
        unreliable=tuple(index for index in range(len(stretches)) if limits_its_answers(stretches, index)),
    )


def slept() -> Verdict:
    """The verdict of a window that the machine slept through."""
    return _no_verdict("the machine slept within the window")


def _findings(window: Window) -> list[Finding]:
    found = _find_device(window.device)
    loss = find_loss(window.stretches)
    if loss is not None:
        found.append(loss)
    found += find_delay(window.stretches)
    return found + _find_site(window)


def _find_device(device: Device | None) -> list[Finding]:
    if device is None or device.samples < MIN_SAMPLES:
        return []
    evidence = []
    if device.cpu_utilization is not None and device.cpu_utilization >= MAX_CPU:
        value = device.cpu_utilization
        evidence.append(Evidence(metric="cpuUtilization", value=value, limit=MAX_CPU, unit="fraction"))
    if device.memory_used is not None and device.memory_used >= MAX_MEMORY:
        value = device.memory_used
        evidence.append(Evidence(metric="memoryUsed", value=value, limit=MAX_MEMORY, unit="fraction"))
    return [Finding(suspects=(DEVICE,), evidence=tuple(evidence))] if evidence else []


def _find_site(window: Window) -> list[Finding]:
    """What the destination itself says, or fails to say, while the way to it works."""
    end = len(window.stretches) - 1
    if window.unknown_name:
        return [_one(end, Evidence(metric="unknownName", value=1.0, limit=1.0, unit="names"))]
    service = window.service
    if service is None:
        return []
    if service.refused:
        return [_one(end, Evidence(metric="refusedConnections", value=1.0, limit=1.0, unit="connections"))]
    series = window.stretches[end].series if window.stretches else None
    reached = series is not None and series.sent >= MIN_PROBES and not series.count[0]
    if reached and service.unanswered_syns >= _MIN_SYNS:
        value = float(service.unanswered_syns)
        return [_one(end, Evidence(metric="unansweredSyns", value=value, limit=_MIN_SYNS, unit="probes"))]
    return []


def _one(index: int, evidence: Evidence) -> Finding:
    return Finding(suspects=(index,), evidence=(evidence,))


def _verdict(window: Window, findings: Sequence[Finding]) -> Verdict:
    if not findings:
        thin = _why_thin(window)
        return _no_verdict(thin) if thin is not None else _healthy(window.stretches)
    first = min(
        findings, key=lambda finding: (finding.suspects[0], len(_names(window.stretches, finding.suspects)))
    )
    suspects = _names(window.stretches, first.suspects)
    if len(suspects) > 1:
        where = list_text([str(name) for name in suspects], "or")
        return _no_verdict(f"{evidence_text(first.evidence)}, but it cannot be told whether by {where}")
    place = first.suspects[0]
    evidence = tuple(
        item
        for finding in findings
        if finding.suspects[0] == place and len(_names(window.stretches, finding.suspects)) == 1
        for item in finding.evidence
    )
    others = [
        str(name)
        for name in dict.fromkeys(
            name
            for finding in findings
            if len(finding.suspects) == 1
            for name in _names(window.stretches, finding.suspects)
        )
        if name != suspects[0]
    ]
    summary = fault_text(suspects[0], evidence, others)
    return Verdict(result=suspects[0], rules=RULES, summary=summary, evidence=evidence)


def _names(stretches: Sequence[Stretch], places: Sequence[int]) -> list[SegmentName]:
    named: list[SegmentName] = ["device" if place == DEVICE else stretches[place].name for place in places]
    return list(dict.fromkeys(named))


def _why_thin(window: Window) -> str | None:
    """Why nothing wrong is not yet healthy; None: it is."""
    end = window.stretches[-1] if window.stretches else None
    series = end.series if end is not None else None
    if window.void is not None:
        return window.void
    if series is None or series.sent == 0:
        return "nothing was sent to the destination"
    lost, sent = series.count
    if sent < MIN_PROBES:
        return f"only {sent} probes were sent; it takes {MIN_PROBES} to tell"
    if lost / sent > TOLERATED_LOSS:
        return f"{lost} of {sent} probes lost, which may be chance"
    if end is not None and end.name == "proxy":
        return "nothing is wrong up to the proxy; what lies behind it is not measured"
    return None


def _healthy(stretches: Sequence[Stretch]) -> Verdict:
    series = stretches[-1].series
    lost, sent = series.count if series is not None else (0, 0)
    summary = f"no fault: {sent - lost} of {sent} probes answered, all segments within their limits"
    return Verdict(result="healthy", rules=RULES, summary=summary)


def _no_verdict(why: str) -> Verdict:
    result: VerdictResult = "no-verdict"
    return Verdict(result=result, rules=RULES, summary=f"no verdict: {why}"[:255])
