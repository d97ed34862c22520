"""One path, hop by hop, as places in a drawing: a row of hops with a bar of the RTT over each. Pure."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from hopsight.model.network_documents import PathHop

HOP_WIDTH: Final = 150
HEIGHT: Final = 190
LINE_Y: Final = 96
BAR_HEIGHT: Final = 62
MAX_CHARS: Final = 21
MAX_MPLS: Final = 2


class DrawnHop(Struct, frozen=True, kw_only=True):
    """One hop.

    Args:
        hop: its time to live.
        x: of its middle.
        is_silent: it did not answer.
        rtt: ms; None: silent, or not timed.
        bar_y: top of its bar; ``bar_height`` 0: none.
        name: what it is called, in full; the address where it has no name.
        address: empty when silent.
        short_name: as much of the name as fits.
        asn: ``AS64500``, with the prefix in the table.
        mpls: each label.
    """

    hop: int
    x: int
    is_silent: bool
    rtt: str | None
    bar_y: float
    bar_height: float
    name: str
    address: str
    short_name: str
    asn: str
    prefix: str
    mpls: tuple[str, ...]


class PathDrawing(Struct, frozen=True, kw_only=True):
    """A path: its hops in order, and the size of the drawing."""

    width: int
    hops: list[DrawnHop]

    @property
    def silent(self) -> int:
        """How many hops did not answer."""
        return sum(hop.is_silent for hop in self.hops)


def draw_path(hops: Sequence[PathHop]) -> PathDrawing:
    """Lay hops out from left to right."""
    longest_ms = max((rtt for hop in hops if (rtt := rtt_of(hop)) is not None), default=0.0)
    drawn = [_drawn(hop, index, longest_ms) for index, hop in enumerate(hops)]
    return PathDrawing(width=HOP_WIDTH * max(1, len(drawn)), hops=drawn)


def rtt_of(hop: PathHop) -> float | None:
    """Its lowest RTT, ms: unrounded where that is known."""
    return hop.rtt_ms if hop.rtt_ms is not None else hop.delay_ms


def shortened(text: str, most: int = MAX_CHARS) -> str:
    """Text that fits; what is left out is said by an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _drawn(hop: PathHop, index: int, longest_ms: float) -> DrawnHop:
    rtt_ms = rtt_of(hop)
    height = 0.0 if rtt_ms is None or longest_ms <= 0 else max(2.0, BAR_HEIGHT * rtt_ms / longest_ms)
    name = hop.name or hop.ip_address or ""
    return DrawnHop(
        hop=hop.hop,
        x=index * HOP_WIDTH + HOP_WIDTH // 2,
        is_silent=hop.ip_address is None,
        rtt=None if rtt_ms is None else f"{rtt_ms:.1f}",
        bar_y=LINE_Y - 10 - height,
        bar_height=height,
        name=name,
        address=hop.ip_address or "",
        short_name=shortened(name),
        asn="" if hop.asn is None else f"AS{hop.asn}",
        prefix=hop.prefix or "",
        mpls=hop.mpls,
    )
