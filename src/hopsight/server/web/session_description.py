"""One user session as a person reads it: numbers as texts, states as words and signs. Pure."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from hopsight.model.har import HarPage
from hopsight.model.network_documents import Evidence, NetworkProfileDocument, Ping, Segment
from hopsight.model.score import INPUTS, score_of
from hopsight.model.system import SystemMetrics
from hopsight.model.user_sessions import PassiveTraffic, SessionDetail

_GIB: Final = 1 << 30
SIGNS: Final = {"good": "✓", "degraded": "!", "failed": "✕", "unknown": "?"}
_LABELS: Final = {"lan": "LAN", "vpn": "VPN"}


class ShownSegment(Struct, frozen=True, kw_only=True):
    """A stretch of the way: what it is, how it is (a word and a sign), and why."""

    label: str
    state: str
    sign: str
    is_at_fault: bool
    target: str | None
    numbers: str | None
    reasons: list[str]


class ShownPing(Struct, frozen=True, kw_only=True):
    """A series of probes: texts in the unit of their heading; None: not measured."""

    label: str
    sent: str | None
    received: str | None
    loss: str | None
    min_rtt: str | None
    avg_rtt: str | None
    max_rtt: str | None
    deviation: str | None
    error: str | None


class ShownScore(Struct, frozen=True, kw_only=True):
    """The score, and each input: name, unit, value, quality, good, bad, weight; value None: not measured."""

    value: str
    parts: list[tuple[str, str, str | None, str | None, str, str, str]]


def segments_of(detail: SessionDetail) -> list[ShownSegment]:
    """The way, from the device on."""
    blamed = detail.verdict.result if detail.verdict is not None else None
    return [_segment(each, blamed) for each in detail.segments]


def label_of(name: str) -> str:
    """A segment's or verdict's name for people."""
    return _LABELS.get(name, name.replace("-", " ").capitalize())


def evidence_of(evidence: Sequence[Evidence]) -> list[str]:
    """Each number that speaks for a state, with its limit."""
    return [
        f"{each.metric} {_number(each.value)}, limit {_number(each.limit)} {each.unit}" for each in evidence
    ]


def probes_of(detail: SessionDetail) -> list[ShownPing]:
    """Every series of the session that there is."""
    network = detail.network
    shown = [
        _ping(label, ping)
        for label, ping in (("To the site", network.ping), ("To the gateway", network.gateway_ping))
        if ping is not None
    ]
    if network.connect is not None:
        rtt = _fixed(network.connect.rtt_ms)
        shown.append(
            ShownPing(
                label="TCP connection",
                sent=None,
                received=None,
                loss=None,
                min_rtt=None,
                avg_rtt=rtt,
                max_rtt=None,
                deviation=None,
                error=network.connect.error,
            )
        )
    return shown


def machine_of(metrics: SystemMetrics | None) -> list[tuple[str, list[str], int]]:
    """CPU (percent) and memory (GiB): name, then min, mean, median, max, deviation, and the sample count."""
    if metrics is None:
        return []
    rows = []
    if (cpu := metrics.cpu_utilization) is not None:
        values = (cpu.min, cpu.mean, cpu.median, cpu.max, cpu.std_dev)
        rows.append(("CPU, %", [f"{100 * value:.1f}" for value in values], cpu.count))
    if (memory := metrics.physical_memory_used_bytes) is not None:
        total = metrics.physical_memory_total_bytes
        label = "Memory, GiB" if total is None else f"Memory of {total / _GIB:.1f}, GiB"
        used = (memory.min, memory.mean, memory.median, memory.max, memory.std_dev)
        rows.append((label, [f"{value / _GIB:.2f}" for value in used], memory.count))
    return rows


def profile_of(profile: NetworkProfileDocument | None) -> list[tuple[str, str]]:
    """Where the machine was attached: names and values; what is not known is left out."""
    if profile is None:
        return []
    wireless, vpn, proxies = profile.wireless_profile, profile.vpn_profile, profile.proxy_profile
    rows: list[tuple[str, object]] = [
        ("Link", profile.hardware_type),
        ("Interface", profile.interface_name),
        ("Address", profile.ip_address),
        ("Subnet mask", profile.subnet_mask),
        ("Local prefix", profile.local_prefix),
        ("Gateway", profile.gateway),
        ("Name servers", ", ".join(profile.dns_servers)),
        ("Public address", profile.public_ip_address),
        ("Public range", profile.public_ip_range),
    ]
    if wireless is not None:
        rows += [
            ("Wi-Fi network", wireless.ssid),
            ("Access point", wireless.bssid),
            ("Channel", wireless.channel),
            ("Signal", _with_unit(wireless.rssi, "dBm")),
            ("Noise", _with_unit(wireless.noise, "dBm")),
            ("Quality", _with_unit(wireless.quality, "%")),
            ("Rate", _with_unit(wireless.tx_rate, "Mbit/s")),
            ("Mode", wireless.phy_mode),
            ("Made by", wireless.vendor),
        ]
    if vpn is not None:
        rows += [("VPN interface", vpn.interface_name), ("VPN address", vpn.ip_address)]
        rows += [("VPN endpoint", vpn.endpoint)]
    if proxies is not None:
        rows += [("Proxy, by", proxies.method), ("Proxy", ", ".join(each.proxy for each in proxies.proxies))]
    return [(name, str(value)) for name, value in rows if value not in {None, ""}]


def traffic_of(passive: PassiveTraffic | None) -> list[tuple[str, str]]:
    """What was watched, not probed."""
    if passive is None:
        return []
    rows: list[tuple[str, object]] = [
        ("Connections closed", passive.connections),
        ("Never established", passive.failed),
        ("Lowest RTT", _with_unit(_fixed(passive.min_rtt_ms), "ms")),
        ("Smoothed RTT", _with_unit(_fixed(passive.smoothed_rtt_ms), "ms")),
        ("Segments sent", passive.segments_sent),
        ("Segments sent again", passive.retransmits),
        ("Bytes sent", passive.bytes_sent),
        ("Bytes received", passive.bytes_received),
        ("Name from", passive.name_from),
    ]
    return [(name, str(value)) for name, value in rows if value is not None]


def shown_score(detail: SessionDetail, stored: float | None) -> ShownScore | None:
    """The stored score with what goes into it; None: it has none."""
    if stored is None:
        return None
    made = score_of(detail)
    known = {} if made is None else {part.input.name: part for part in made.parts}
    parts: list[tuple[str, str, str | None, str | None, str, str, str]] = []
    for each in INPUTS:
        part = known.get(each.name)
        value, quality = (None, None) if part is None else (f"{part.value:.1f}", f"{part.quality:.3f}")
        parts.append(
            (each.name, each.unit, value, quality, f"{each.good:g}", f"{each.bad:g}", f"{each.weight:g}")
        )
    return ShownScore(value=f"{stored:.4f}".rstrip("0").rstrip("."), parts=parts)


def page_milliseconds(page: HarPage) -> tuple[str | None, str | None]:
    """Until the content was there, and until all was; None: not measured."""
    times = (page.page_timings.on_content_load, page.page_timings.on_load)
    content, load = (None if each is None or each < 0 else f"{each:.0f}" for each in times)
    return content, load


def _segment(segment: Segment, blamed: str | None) -> ShownSegment:
    label = label_of(segment.name)
    if segment.name == "lan" and segment.link is not None:
        label = "Wi-Fi" if segment.link == "Wireless" else f"LAN ({segment.link})"
    reasons = evidence_of(segment.evidence)
    return ShownSegment(
        label=label,
        state=segment.state,
        sign=SIGNS[segment.state],
        is_at_fault=segment.name == blamed and segment.state in {"degraded", "failed"},
        target=segment.target,
        numbers=None if segment.ping is None else _in_short(segment.ping),
        reasons=[*reasons, segment.note] if segment.note else reasons,
    )


def _in_short(ping: Ping) -> str | None:
    shown = _ping("", ping)
    if shown.error is not None:
        return shown.error
    parts = []
    if shown.sent is not None:
        parts.append(f"{shown.received or 0} of {shown.sent} answered")
    if shown.avg_rtt is not None:
        parts.append(f"{shown.avg_rtt} ms")
    if shown.deviation is not None:
        parts.append(f"jitter {shown.deviation} ms")
    return ", ".join(parts) or None


def _ping(label: str, ping: Ping) -> ShownPing:
    loss = None
    if ping.pkts_sent and ping.pkts_received is not None:
        loss = f"{100 * (ping.pkts_sent - ping.pkts_received) / ping.pkts_sent:.1f}"
    return ShownPing(
        label=label,
        sent=None if ping.pkts_sent is None else f"{ping.pkts_sent}",
        received=None if ping.pkts_received is None else f"{ping.pkts_received}",
        loss=loss,
        min_rtt=_fixed(ping.min_rtt_ms),
        avg_rtt=_fixed(ping.avg_rtt_ms),
        max_rtt=_fixed(ping.max_rtt_ms),
        deviation=_fixed(ping.mean_dev_rtt_ms),
        error=ping.error,
    )


def _fixed(value: float | None, decimals: int = 1) -> str | None:
    return None if value is None else f"{value:.{decimals}f}"


def _number(value: float) -> str:
    return f"{value:.4g}"


def _with_unit(value: object, unit: str) -> str | None:
    return None if value is None else f"{value} {unit}"
