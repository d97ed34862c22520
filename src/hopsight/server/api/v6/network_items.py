"""What version 6 shows of a network: the API's own fields (API.md sections 3.3 and 3.5), and none of ours.

More is stored, for our own API. A record is decoded into these, and what they do not name stays behind.
"""

from typing import Annotated

from msgspec import Meta, Struct, field

from hopsight.model.agents import Text
from hopsight.model.network_documents import (
    MAX_HOPS,
    MAX_LISTED,
    Asn,
    Connect,
    Ping,
    Proxy,
    WirelessProfile,
)
from hopsight.model.sessions import IpAddressText
from hopsight.model.system import SystemMetrics


class HopItem(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """One hop of a trace; a silent one has its number alone. ``delay`` in whole ms."""

    hop: Annotated[int, Meta(ge=1, le=255)]
    delay_ms: Annotated[int, Meta(ge=0, le=10**9)] | None = field(default=None, name="delay")
    ip_address: IpAddressText | None = None
    name: Text | None = None
    prefix: Text | None = None
    asn: Asn | None = None
    mpls: Annotated[tuple[Text, ...], Meta(max_length=16)] = ()


class TracerouteItem(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """The path to the destination; or only ``error``."""

    destination: IpAddressText | None = None
    hops: Annotated[tuple[HopItem, ...], Meta(max_length=MAX_HOPS)] = ()
    error: Text | None = None


class ProxyProfileItem(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """How the machine finds its proxy."""

    method: Text
    proxies: Annotated[tuple[Proxy, ...], Meta(max_length=MAX_LISTED)] = ()


class NetworkProfileItem(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """Where the endpoint is attached."""

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
    proxy_profile: ProxyProfileItem | None = None
    wireless_profile: WirelessProfile | None = None


class SessionNetworkItem(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """``network`` of a user session: with ``errors``, also when there are none."""

    network_profile: NetworkProfileItem | None = None
    system_metrics: SystemMetrics | None = None
    gateway_ping: Ping | None = None
    ping: Ping | None = None
    traceroute: TracerouteItem | None = None
    connect: Connect | None = None
    icmp_blocked: bool | None = None
    # A factory: a default that a callable makes is never left out.
    errors: tuple[Text, ...] = field(default_factory=lambda: ())
