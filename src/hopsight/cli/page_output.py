"""A fetched page, phase by phase: as JSON, or as text."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from hopsight.agent.pages.archive import title_of
from hopsight.agent.pages.exchange import Exchange, PageFetch

_COLUMNS: Final = ("URL", "STATUS", "DNS", "CONNECT", "TLS", "FIRST BYTE", "CONTENT", "TOTAL", "BYTES")


class ExchangeLine(Struct, rename="camel", kw_only=True):
    """One request; times in ms, null for a phase that did not happen.

    Args:
        status: null when there was no answer.
        blocked: lost with addresses that did not answer.
        first_byte: from the request to the first line of its answer.
        content: from there to the last byte that was read.
        total: all of them.
    """

    url: str
    address: str | None
    proxied: bool
    status: int | None
    blocked: float | None
    dns: float | None
    connect: float | None
    tls: float | None
    first_byte: float | None
    content: float | None
    total: float
    bytes: int
    truncated: bool


class PageLine(Struct, rename="camel", kw_only=True):
    """A page: its requests, redirects first; ``findings`` say what was in the way."""

    title: str | None
    exchanges: tuple[ExchangeLine, ...]
    findings: tuple[str, ...]


def page_line(page: PageFetch | None) -> PageLine | None:
    """For JSON; None: no page was fetched."""
    if page is None:
        return None
    return PageLine(
        title=(title_of(page.exchanges[-1]) or None) if page.exchanges else None,
        exchanges=tuple(map(_exchange_line, page.exchanges)),
        findings=page.findings,
    )


def page_text(target: str, page: PageFetch) -> str:
    """A heading, a row for each request, and what was in the way; times in ms."""
    line = page_line(page)
    title = f": {line.title}" if line is not None and line.title is not None else ""
    rows = [_COLUMNS, *(_row(_exchange_line(exchange)) for exchange in page.exchanges)]
    lines = _aligned(rows) if page.exchanges else []
    return "\n".join([f"page of {target}{title}", *lines, *(f"  {finding}" for finding in page.findings)])


def _exchange_line(exchange: Exchange) -> ExchangeLine:
    waited = exchange.wait_ms >= 0
    return ExchangeLine(
        url=exchange.url,
        address=exchange.address,
        proxied=exchange.proxied,
        status=exchange.status or None,
        blocked=_phase(exchange.blocked_ms),
        dns=_phase(exchange.dns_ms),
        connect=_phase(exchange.connect_ms),
        tls=_phase(exchange.tls_ms),
        first_byte=round(exchange.send_ms + exchange.wait_ms, 3) if waited else None,
        content=_phase(exchange.receive_ms),
        total=exchange.total_ms,
        bytes=exchange.body_bytes,
        truncated=exchange.truncated,
    )


def _phase(milliseconds: float) -> float | None:
    return milliseconds if milliseconds >= 0 else None


def _row(line: ExchangeLine) -> tuple[str, ...]:
    phases = (line.dns, line.connect, line.tls, line.first_byte, line.content, line.total)
    return (
        line.url,
        str(line.status or "-"),
        *("-" if phase is None else f"{phase:.3f}" for phase in phases),
        f"{line.bytes}+" if line.truncated else str(line.bytes),
    )


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
