"""Parts of results that describe a network, and how they come from what is stored.

The SDK's models take RTTs as integers alone: they are rounded here, and in full in ``/hopsight/v1``.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from hopsight.model import network_documents as stored
from hopsight.model.sessions import Destination
from hopsight.server.api.v7.numbers import loss_percent, whole

HardwareType = Literal["unknown", "wireless", "ethernet", "modem", "virtual", "loopback", "other"]
_HARDWARE: dict[str, HardwareType] = {
    "wireless": "wireless",
    "ethernet": "ethernet",
    "modem": "modem",
    "virtual": "virtual",
    "loopback": "loopback",
    "other": "other",
}
Percent = Annotated[float, Meta(ge=0, le=100)]


class NetworkMetrics(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the probes to one address found: percent, and whole milliseconds."""

    target: str
    loss: Percent | None = None
    latency: int | None = None
    jitter: int | None = None


class NetworkPing(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A series of probes to one address, whole milliseconds; or only ``error``."""

    target: str | None = None
    loss: Percent | None = None
    pkts_sent: int | None = None
    pkts_received: int | None = None
    min_rtt_ms: int | None = field(default=None, name="minRtt")
    avg_rtt_ms: int | None = field(default=None, name="avgRtt")
    max_rtt_ms: int | None = field(default=None, name="maxRtt")
    mean_dev_rtt_ms: int | None = field(default=None, name="meanDevRtt")
    error: str | None = None


class TracerouteHop(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One hop; a silent one has its number alone."""

    hop: int
    ip_address: str | None = None
    prefix: str | None = None
    asn: int | None = None
    delay: int | None = None
    mpls: tuple[str, ...] = ()
    name: str | None = None


class TracedPath(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The path to an address; or only ``error``."""

    destination: str | None = None
    hops: list[TracerouteHop] = []
    error: str | None = None


class WirelessLink(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The Wi-Fi link: dBm, percent, whole Mbit/s."""

    ssid: str | None = None
    bssid: str | None = None
    channel: int | None = None
    phy_mode: str | None = None
    rssi: int | None = None
    noise: int | None = None
    snr: int | None = None
    quality: int | None = None
    tx_rate: int | None = None
    vendor: str | None = None


class ProxySettings(Struct, frozen=True, kw_only=True, gc=False):
    """How the machine finds its proxy, and the proxies."""

    method: str
    proxies: tuple[stored.Proxy, ...] = ()


class NetworkProfile(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Where the endpoint was attached."""

    hardware_type: HardwareType | None = None
    interface_name: str | None = None
    ip_address: str | None = None
    subnet_mask: str | None = None
    local_prefix: str | None = None
    gateway: str | None = None
    dns_servers: tuple[str, ...] = ()
    public_ip_address: str | None = None
    public_ip_range: str | None = None
    wireless_profile: WirelessLink | None = None
    proxy_profile: ProxySettings | None = None


def network_metrics(destination: Destination) -> NetworkMetrics:
    """A session's destination."""
    return NetworkMetrics(
        target=destination.target,
        loss=destination.loss_percent,
        latency=destination.latency_ms,
        jitter=destination.jitter_ms,
    )


def network_ping(ping: stored.Ping | None, target: str | None = None) -> NetworkPing | None:
    """A series of probes; ``target`` where the resource tells it with the series."""
    if ping is None:
        return None
    return NetworkPing(
        target=target,
        loss=loss_percent(ping.pkts_sent, ping.pkts_received),
        pkts_sent=ping.pkts_sent,
        pkts_received=ping.pkts_received,
        min_rtt_ms=whole(ping.min_rtt_ms),
        avg_rtt_ms=whole(ping.avg_rtt_ms),
        max_rtt_ms=whole(ping.max_rtt_ms),
        mean_dev_rtt_ms=whole(ping.mean_dev_rtt_ms),
        error=ping.error,
    )


def traceroute(trace: stored.Traceroute | None) -> TracedPath | None:
    """A path."""
    if trace is None:
        return None
    hops = [
        TracerouteHop(
            hop=hop.hop,
            ip_address=hop.ip_address,
            prefix=hop.prefix,
            asn=hop.asn,
            delay=hop.delay_ms,
            mpls=hop.mpls,
            name=hop.name,
        )
        for hop in trace.hops
    ]
    return TracedPath(destination=trace.destination, hops=hops, error=trace.error)


def network_profile(profile: stored.NetworkProfileDocument | None) -> NetworkProfile | None:
    """A profile; kinds of hardware in version 7's words."""
    if profile is None:
        return None
    return NetworkProfile(
        hardware_type=hardware_type(profile.hardware_type),
        interface_name=profile.interface_name,
        ip_address=profile.ip_address,
        subnet_mask=profile.subnet_mask,
        local_prefix=profile.local_prefix,
        gateway=profile.gateway,
        dns_servers=profile.dns_servers,
        public_ip_address=profile.public_ip_address,
        public_ip_range=profile.public_ip_range,
        wireless_profile=_wireless(profile.wireless_profile),
        proxy_profile=_proxies(profile.proxy_profile),
    )


def hardware_type(text: str | None) -> HardwareType | None:
    """A kind of hardware in version 7's words; what it has no word for is ``unknown``."""
    return None if text is None else _HARDWARE.get(text.lower(), "unknown")


def _wireless(link: stored.WirelessProfile | None) -> WirelessLink | None:
    if link is None:
        return None
    return WirelessLink(
        ssid=link.ssid,
        bssid=link.bssid,
        channel=link.channel,
        phy_mode=link.phy_mode,
        rssi=link.rssi,
        noise=link.noise,
        snr=None if link.rssi is None or link.noise is None else link.rssi - link.noise,
        quality=link.quality,
        tx_rate=whole(link.tx_rate),
        vendor=link.vendor,
    )


def _proxies(profile: stored.ProxyProfile | None) -> ProxySettings | None:
    return None if profile is None else ProxySettings(method=profile.method, proxies=profile.proxies)
