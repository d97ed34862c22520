"""What a verdict is given from: the numbers of one window, and nothing else (``docs/verdict.md``)."""

from typing import Final

from msgspec import Struct

from hopsight.agent.verdict.statistics import Count
from hopsight.model.network_documents import Evidence, SegmentName

MIN_PROBES: Final = 5
"""Fewer probes, or replies, tell nothing: not even ten in a row that all arrive prove much."""
DEVICE: Final = -1
"""The device's place in the chain: before the first stretch."""


class Series(Struct, frozen=True, kw_only=True):
    """Probes to the far end of a stretch.

    Args:
        sent: probes that the kernel accepted.
        rtts_ms: of those answered in time.
        kernel_times: the kernel's; others depend on how busy the program was, and are not judged.
        prohibited: probes answered "administratively prohibited".
    """

    sent: int
    rtts_ms: tuple[float, ...] = ()
    kernel_times: bool = True
    prohibited: int = 0

    @property
    def count(self) -> Count:
        """Lost and sent."""
        return self.sent - len(self.rtts_ms), self.sent


class Stretch(Struct, frozen=True, kw_only=True):
    """One stretch of the way, measured from the device to its far end.

    Args:
        name: two stretches may bear one: a VPN's way to its endpoint, and the tunnel.
        target: address of the far end, if it is known.
        series: None: not probed.
        answers: probes of this window's path trace that this far end, or a hop behind it, answered.
        unreliable: in earlier windows its answers were lost while those from behind it were not.
        link: kind of link, for ``lan``.
        note: why there is no series.
    """

    name: SegmentName
    target: str | None = None
    series: Series | None = None
    answers: int = 0
    unreliable: bool = False
    link: str | None = None
    note: str | None = None


class Device(Struct, frozen=True, kw_only=True):
    """The machine in the window: medians of so many samples, as fractions; None: not sampled."""

    cpu_utilization: float | None = None
    memory_used: float | None = None
    samples: int = 0


class Service(Struct, frozen=True, kw_only=True):
    """The TCP connection to a port that the target names.

    Args:
        refused: it was answered by a reset.
        unanswered_syns: how many SYNs nobody answered; 0 when somebody did.
    """

    refused: bool = False
    unanswered_syns: int = 0


class Window(Struct, frozen=True, kw_only=True):
    """One window.

    Args:
        stretches: in order; the last is where the session goes: the destination, or the proxy to it.
        service: None: no port is named, or none was tried.
        unknown_name: the name servers say that there is no such name.
        void: why the last stretch has no numbers.
    """

    device: Device | None = None
    stretches: tuple[Stretch, ...]
    service: Service | None = None
    unknown_name: bool = False
    void: str | None = None


class Finding(Struct, frozen=True, kw_only=True):
    """Something wrong, and where it may be: one place, or several that the numbers cannot tell apart.

    Args:
        suspects: places in the chain, ``DEVICE`` or indices of stretches, in order.
        evidence: for the numbers; at or over the limit, each.
    """

    suspects: tuple[int, ...]
    evidence: tuple[Evidence, ...]
