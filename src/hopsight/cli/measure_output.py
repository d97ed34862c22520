"""What ``hopsight measure`` prints: a line of JSON, or a row of a table."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from hopsight.agent.documents import destination, path_hops
from hopsight.agent.measurement import Measurement
from hopsight.agent.results import ConnectResult, PathResult, PingResult
from hopsight.cli.page_output import PageLine, page_line
from hopsight.cli.path_output import path_lines
from hopsight.model.network_documents import Evidence, PathHop, Segment, Verdict
from hopsight.model.sessions import Destination
from hopsight.model.system import SystemMetrics

_COLUMNS: Final = (
    "TARGET",
    "ADDRESS",
    "BY",
    "LOSS",
    "MIN",
    "AVG",
    "MAX",
    "MDEV",
    "CONNECT",
    "VERDICT",
    "NOTE",
)
_SEGMENT_COLUMNS: Final = ("SEGMENT", "STATE", "ADDRESS", "LOSS", "AVG", "MDEV", "WHY")
_RIGHT: Final = {"LOSS", "MIN", "AVG", "MAX", "MDEV", "CONNECT"}


class PingLine(Struct, rename="camel", kw_only=True):
    """A ping as API.md 3.3 has it; null where nothing was measured."""

    pkts_sent: int
    pkts_received: int
    min_rtt: float | None
    avg_rtt: float | None
    max_rtt: float | None
    mean_dev_rtt: float | None


class ConnectLine(Struct, rename="camel", kw_only=True):
    """The TCP connection beside the series; ``rtt`` in ms."""

    port: int
    port_guessed: bool
    rtt: float | None
    reset: bool
    retransmits: int
    error: str | None


class PathLine(Struct, rename="camel", kw_only=True):
    """The path trace; ``error`` where there is no path."""

    destination: str
    protocol: str
    reached: bool
    hops: tuple[PathHop, ...]
    error: str | None


class MeasurementLine(Struct, rename="camel", kw_only=True):
    """One measurement; every key is always there, null where nothing was measured."""

    target: str
    visited_site: str
    family: int | None
    proxied: bool
    protocol: str
    icmp_blocked: bool
    destination: Destination | None
    min_rtt: float | None
    pkts_sent: int | None
    pkts_received: int | None
    duplicates: int | None
    late: int | None
    connect: ConnectLine | None
    resolve_ms: float | None
    gateway: str | None
    gateway_ping: PingLine | None
    path: PathLine | None
    segments: tuple[Segment, ...]
    verdict: Verdict | None
    system_metrics: SystemMetrics | None
    started_at: float
    ended_at: float
    errors: tuple[str, ...]
    flags: tuple[str, ...]
    probe: str
    page: PageLine | None


def json_line(target: str, measurement: Measurement) -> str:
    """A measurement as one line of JSON; ``target`` as it was typed."""
    ping, counted = measurement.ping, not measurement.asleep
    times = ping.statistics if ping is not None else None
    line = MeasurementLine(
        target=target,
        visited_site=measurement.visited_site,
        family=measurement.family,
        proxied=measurement.proxied,
        protocol=measurement.protocol,
        icmp_blocked=measurement.icmp_blocked,
        destination=destination(measurement) if counted else None,
        min_rtt=times.min_rtt_ms if times is not None and counted else None,
        pkts_sent=ping.pkts_sent if ping is not None else None,
        pkts_received=ping.pkts_received if ping is not None else None,
        duplicates=ping.duplicates if ping is not None else None,
        late=ping.late if ping is not None else None,
        connect=_connect_line(measurement.connect),
        resolve_ms=measurement.resolve_ms,
        gateway=measurement.gateway,
        gateway_ping=_ping_line(measurement.gateway_ping),
        path=_path_line(measurement.path),
        segments=measurement.segments,
        verdict=measurement.verdict,
        system_metrics=measurement.system_metrics,
        started_at=measurement.started_at_s,
        ended_at=measurement.ended_at_s,
        errors=measurement.errors,
        flags=measurement.flags,
        probe=measurement.probe,
        page=page_line(measurement.page),
    )
    return msgspec.json.encode(line).decode()


def table(measured: Sequence[tuple[str, Measurement]]) -> str:
    """All measurements as a table; times in ms."""
    return "\n".join(_aligned([_COLUMNS, *(_row(target, measurement) for target, measurement in measured)]))


def way_text(target: str, measurement: Measurement, *, path: bool) -> str:
    """Why there is this verdict: its sentence, the segments, and the hops if they are asked for."""
    lines = [_verdict_line(target, measurement)] if measurement.verdict is not None else []
    if measurement.segments:
        rows = [_SEGMENT_COLUMNS, *map(_segment_row, measurement.segments)]
        lines += [f"  {line}" for line in _aligned(rows)]
    if path and measurement.path is not None:
        lines += path_lines(measurement.path)
    return "\n".join(lines)


def verdict_lines(measured: Sequence[tuple[str, Measurement]]) -> list[str]:
    """A sentence for each target that is not healthy."""
    return [
        _verdict_line(target, measurement)
        for target, measurement in measured
        if measurement.verdict is not None and measurement.verdict.result != "healthy"
    ]


def _verdict_line(target: str, measurement: Measurement) -> str:
    where = f"{target} ({measurement.address})" if measurement.address not in {None, target} else target
    return f"{where}: {measurement.verdict.summary if measurement.verdict is not None else '-'}"


def _segment_row(segment: Segment) -> tuple[str, ...]:
    ping = segment.ping
    lost = 100 * (1 - (ping.pkts_received or 0) / ping.pkts_sent) if ping and ping.pkts_sent else None
    return (
        segment.name,
        segment.state,
        segment.target or "-",
        f"{lost:.4g}%" if lost is not None else "-",
        _ms(ping.avg_rtt_ms) if ping is not None and ping.avg_rtt_ms is not None else "-",
        _ms(ping.mean_dev_rtt_ms) if ping is not None and ping.mean_dev_rtt_ms is not None else "-",
        "; ".join([*map(_evidence, segment.evidence), *([segment.note] if segment.note else [])]),
    )


def _evidence(evidence: Evidence) -> str:
    return f"{evidence.metric} {evidence.value:.4g} {evidence.unit} (limit {evidence.limit:.4g})"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    names = rows[0]
    widths = [max(len(row[column]) for row in rows) for column in range(len(names))]
    return [
        "  ".join(
            cell.rjust(width) if name in _RIGHT else cell.ljust(width)
            for name, cell, width in zip(names, row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _row(target: str, measurement: Measurement) -> tuple[str, ...]:
    ping, connect = measurement.ping, measurement.connect
    times = ping.statistics if ping is not None else None
    loss = ping.loss_percent if ping is not None else None
    return (
        target,
        measurement.address or "-",
        measurement.protocol.upper() if ping is not None else "-",
        f"{loss:.4g}%" if loss is not None else "-",
        *(
            (_ms(times.min_rtt_ms), _ms(times.avg_rtt_ms), _ms(times.max_rtt_ms), _ms(times.mean_dev_rtt_ms))
            if times is not None
            else ("-",) * 4
        ),
        _connect_cell(connect),
        measurement.verdict.result if measurement.verdict is not None else "-",
        _note(measurement),
    )


def _connect_cell(connect: ConnectResult | None) -> str:
    if connect is None or connect.rtt_ms is None:
        return "-"
    return f"{_ms(connect.rtt_ms)} (reset)" if connect.reset else _ms(connect.rtt_ms)


def _note(measurement: Measurement) -> str:
    notes = ["to the proxy"] if measurement.proxied else []
    notes += ["ICMP blocked"] if measurement.icmp_blocked else []
    # How to get ICMP is said once, on stderr, and not in every row.
    notes += [error for error in measurement.errors if error != measurement.icmp_unavailable]
    return "; ".join([*notes, *measurement.flags])


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.3f}"


def _ping_line(ping: PingResult | None) -> PingLine | None:
    if ping is None:
        return None
    times = ping.statistics
    return PingLine(
        pkts_sent=ping.pkts_sent,
        pkts_received=ping.pkts_received,
        min_rtt=times.min_rtt_ms if times is not None else None,
        avg_rtt=times.avg_rtt_ms if times is not None else None,
        max_rtt=times.max_rtt_ms if times is not None else None,
        mean_dev_rtt=times.mean_dev_rtt_ms if times is not None else None,
    )


def _path_line(path: PathResult | None) -> PathLine | None:
    if path is None:
        return None
    return PathLine(
        destination=path.destination,
        protocol=path.protocol,
        reached=path.reached,
        hops=path_hops(path),
        error=path.error,
    )


def _connect_line(connect: ConnectResult | None) -> ConnectLine | None:
    if connect is None:
        return None
    return ConnectLine(
        port=connect.port,
        port_guessed=connect.port_guessed,
        rtt=connect.rtt_ms,
        reset=connect.reset,
        retransmits=connect.retransmits,
        error=connect.error,
    )
