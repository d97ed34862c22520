"""The parts of API documents that describe a network (API.md sections 3.3 and 3.5): names are the API's.

A field that was not measured is absent, never zero.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from hopsight.model.agents import Text
from hopsight.model.sessions import IpAddressText, Milliseconds

PacketCount = Annotated[int, Meta(ge=0, le=1_000_000, description="packets")]
Port = Annotated[int, Meta(ge=0, le=65_535)]
LongText = Annotated[str, Meta(max_length=2_048)]
Asn = Annotated[int, Meta(ge=0, le=2**32 - 1, description="autonomous system number")]

MAX_HOPS = 64
MAX_LISTED = 64
"""Most entries of any list in these documents that is not of hops."""


class Ping(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A series of probes to one address; or only ``error``. Times in ms."""

    pkts_sent: PacketCount | None = None
    pkts_received: PacketCount | None = None
    min_rtt_ms: Milliseconds | None = field(default=None, name="minRtt")
    avg_rtt_ms: Milliseconds | None = field(default=None, name="avgRtt")
    max_rtt_ms: Milliseconds | None = field(default=None, name="maxRtt")
    mean_dev_rtt_ms: Milliseconds | None = field(default=None, name="meanDevRtt")
    error: Text | None = None


class Connect(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One TCP connection beside the series."""

    rtt_ms: Milliseconds | None = field(default=None, name="rtt")
    error: Text | None = None


class PathHop(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One hop of a trace; a silent one has its number alone.

    Args:
        hop: the time to live that reached it, from 1.
        delay_ms: lowest RTT, whole ms, as the API has it.
        rtt_ms: the same, unrounded. Ours.
        name: by reverse look-up; the address where there is none.
        prefix: announced prefix, for public addresses, when the operator gives a database (as ``asn``).
        mpls: ``L=301472,E=0,S=1,T=1``: label, experimental, bottom of stack, time to live.
    """

    hop: Annotated[int, Meta(ge=1, le=255)]
    delay_ms: Annotated[int, Meta(ge=0, le=10**9)] | None = field(default=None, name="delay")
    rtt_ms: Milliseconds | None = field(default=None, name="rtt")
    ip_address: IpAddressText | None = None
    name: Text | None = None
    prefix: Text | None = None
    asn: Asn | None = None
    mpls: Annotated[tuple[Text, ...], Meta(max_length=16)] = ()


class Traceroute(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The path to the destination; or only ``error``."""

    destination: IpAddressText | None = None
    hops: Annotated[tuple[PathHop, ...], Meta(max_length=MAX_HOPS)] = ()
    error: Text | None = None


class WirelessProfile(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The current Wi-Fi link, as the system tells it without a scan.

    ``rssi`` and ``noise`` in dBm, ``quality`` in percent, ``tx_rate`` in Mbit/s.
    """

    ssid: Text | None = None
    bssid: Text | None = None
    channel: Annotated[int, Meta(ge=0, le=1_000)] | None = None
    rssi: Annotated[int, Meta(ge=-200, le=100)] | None = None
    noise: Annotated[int, Meta(ge=-200, le=100)] | None = None
    quality: Annotated[int, Meta(ge=0, le=100)] | None = None
    phy_mode: Text | None = None
    tx_rate: Annotated[float, Meta(ge=0, le=1e6)] | None = None
    vendor: Text | None = None


class Proxy(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One proxy, and what goes past it; ``<direct>`` stands for none."""

    proxy: LongText
    bypass: LongText | None = None


class ProxyProfile(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How the machine finds its proxy: ``System``, ``Environment``, ``PAC`` (named, not run)."""

    method: Text
    proxies: Annotated[tuple[Proxy, ...], Meta(max_length=MAX_LISTED)] = ()
    pac_url: LongText | None = None


class VpnProfile(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The tunnel that routes go through. Ours; addresses where the system tells them."""

    interface_name: Text
    hardware_type: Text | None = None
    ip_address: IpAddressText | None = None
    endpoint: IpAddressText | None = None
    default_route: bool | None = None


class NetworkProfileDocument(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """``networkProfile``: where the endpoint is attached."""

    hardware_type: Text | None = None
    type: Text | None = None
    interface_name: Text | None = None
    ip_address: IpAddressText | None = None
    subnet_mask: IpAddressText | None = None
    local_prefix: IpAddressText | None = None
    gateway: IpAddressText | None = None
    dns_servers: Annotated[tuple[IpAddressText, ...], Meta(max_length=MAX_LISTED)] = ()
    public_ip_address: IpAddressText | None = None
    public_ip_range: Text | None = None
    proxy_profile: ProxyProfile | None = None
    wireless_profile: WirelessProfile | None = None
    vpn_profile: VpnProfile | None = None


SegmentName = Literal["device", "lan", "vpn", "proxy", "provider", "destination"]
SegmentState = Literal["good", "degraded", "failed", "unknown"]
VerdictResult = Literal["healthy", "device", "lan", "vpn", "proxy", "provider", "destination", "no-verdict"]


class Evidence(Struct, rename="camel", frozen=True, kw_only=True, gc=False):
    """One number that speaks for a segment's state, and the limit that it was held against.

    Args:
        metric: ``cpuUtilization``, ``loss``, ``jitter``, ``excessRtt``, ... (``docs/verdict.md`` has all).
        unit: ``fraction``, ``percent``, ``ms``, ``probes``.
    """

    metric: Text
    value: float
    limit: float
    unit: Text


class Segment(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One stretch of the way, measured in the session's window. Ours (``docs/verdict.md``).

    Args:
        link: the API's word for the kind of link (``Wireless``, ``Ethernet``, ...), for ``lan``.
        evidence: what made it degraded or failed.
        note: why it is unknown.
    """

    name: SegmentName
    state: SegmentState
    target: IpAddressText | None = None
    link: Text | None = None
    ping: Ping | None = None
    evidence: Annotated[tuple[Evidence, ...], Meta(max_length=MAX_LISTED)] = ()
    note: Text | None = None


class Verdict(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The first segment that is at fault; ``healthy`` when none is; ``no-verdict`` on thin evidence. Ours.

    Args:
        rules: version of the rules in ``docs/verdict.md`` that gave it.
        summary: one sentence for a person.
    """

    result: VerdictResult
    rules: Annotated[int, Meta(ge=1, le=1_000)]
    summary: Text
    evidence: Annotated[tuple[Evidence, ...], Meta(max_length=MAX_LISTED)] = ()
