"""A verdict in words, for a person."""

from collections.abc import Sequence
from typing import Final

from hopsight.model.network_documents import Evidence, SegmentName

_MAX_CHARS: Final = 255
_PERCENT: Final = 100
_CALLED: Final[dict[SegmentName, str]] = {
    "device": "this machine",
    "lan": "the local network",
    "vpn": "the VPN",
    "proxy": "the proxy",
    "provider": "the provider's network",
    "destination": "the destination, or the way from the provider to it",
}


def fault_text(name: SegmentName, evidence: Sequence[Evidence], others: Sequence[str]) -> str:
    """Which segment, and why; and which others are at fault besides."""
    besides = f"; also at fault: {list_text(others, 'and')}" if others else ""
    return f"{_CALLED[name]} is at fault: {evidence_text(evidence)}{besides}"[:_MAX_CHARS]


def evidence_text(evidence: Sequence[Evidence]) -> str:
    """The numbers, in words."""
    texts = [_text(item) for item in evidence if item.metric != "likelihoodRatio"]
    return list_text(texts, "and") or "losses"


def list_text(items: Sequence[str], last: str) -> str:
    """``a, b and c``."""
    *before, final = items or [""]
    return f"{', '.join(before)} {last} {final}" if before else final


def _text(item: Evidence) -> str:
    texts = {
        "cpuUtilization": f"processors {_PERCENT * item.value:.0f} % busy",
        "memoryUsed": f"memory {_PERCENT * item.value:.0f} % used",
        "loss": f"{item.value:.4g} % of its probes lost",
        "prohibited": f"{item.value:.0f} probes prohibited",
        "excessRtt": f"it adds {item.value:.0f} ms",
        "excessJitter": f"it adds {item.value:.0f} ms of jitter",
        "refusedConnections": "it refuses connections",
        "unansweredSyns": f"{item.value:.0f} attempts to connect unanswered",
        "unknownName": "its name does not exist",
    }
    return texts.get(item.metric, f"{item.metric} {item.value:.4g} {item.unit}")
