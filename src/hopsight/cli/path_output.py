"""A path as text: one line a hop."""

from collections.abc import Sequence
from typing import Final

from hopsight.agent.results import HopResult, PathResult

_COLUMNS: Final = ("HOP", "ADDRESS", "NAME", "AS", "LOSS", "RTT", "MPLS")
_RIGHT: Final = {"HOP", "LOSS", "RTT"}
_SILENT: Final = "*"


def path_lines(path: PathResult) -> list[str]:
    """A heading, a row for each hop, and a last line when the destination was not reached; RTT in ms.

    Columns in which no hop has anything are left out.
    """
    by = "ICMP" if path.protocol == "icmp" else "TCP"
    heading = f"path to {path.destination} by {by}"
    if path.error is not None:
        return [f"{heading}: {path.error}"]
    rows = [_row(hop) for hop in path.hops]
    used = [column for column in range(len(_COLUMNS)) if column == 1 or any(row[column] for row in rows)]
    shown = [tuple(row[column] for column in used) for row in (_COLUMNS, *rows)]
    widths = [max(len(row[place]) for row in shown) for place in range(len(used))]
    lines = [heading, *(_aligned(row, shown[0], widths) for row in shown)]
    if not path.reached:
        lines.append("the destination did not answer")
    return lines


def _aligned(row: Sequence[str], names: Sequence[str], widths: Sequence[int]) -> str:
    cells = (
        cell.rjust(width) if name in _RIGHT else cell.ljust(width)
        for cell, name, width in zip(row, names, widths, strict=True)
    )
    return ("  " + "  ".join(cells)).rstrip()


def _row(hop: HopResult) -> tuple[str, ...]:
    lost = hop.pkts_sent - hop.pkts_received
    return (
        str(hop.number),
        hop.address or _SILENT,
        hop.name or "",
        f"AS{hop.asn}" if hop.asn is not None else "",
        f"{100 * lost / hop.pkts_sent:.0f}%" if hop.pkts_sent else "",
        f"{hop.rtt_ms:.3f}" if hop.rtt_ms is not None else "",
        " ".join(hop.mpls),
    )
