"""The network that an endpoint is on (API.md 3.3 ``networkProfile``): what is known, and how it is told.

What is read from where, and what is not, is in ``docs/network-profile.md``.
"""

import hashlib
import ipaddress
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from hopsight.agent.network import Address, Network
from hopsight.agent.profile.dns import read_dns_servers
from hopsight.agent.profile.links import Links
from hopsight.agent.profile.proxies import ProxySettings, proxies_of_variables, proxy_document, proxy_for
from hopsight.agent.profile.reading import (
    SYSTEM,
    ProfileSources,
    default_route,
    own_address,
    read_attachment,
    read_routes,
)
from hopsight.agent.profile.vpn import read_vpn, vpn_interface
from hopsight.model.network_documents import NetworkProfileDocument, VpnProfile, WirelessProfile
from hopsight.model.upload import MeasurementContext

__all__ = [
    "SYSTEM",
    "NetworkProfile",
    "ProfileSources",
    "default_route",
    "network_id_of",
    "profile_document",
    "read_dns_servers",
    "read_network_profile",
]

_NETWORK_ID_CHARS: Final = 12
_IPV6_SUBNET_BITS: Final = 64
_NO_NAMES: Final[Mapping[str, str]] = {}


class NetworkProfile(Struct, frozen=True, kw_only=True):
    """Where the endpoint is attached; None: not known, or there is none.

    Args:
        connection: ``Ethernet``, ``Wireless``, ``Loopback``, ``Virtual``, ``Modem`` or ``Other``.
        link_type: how frames are addressed: Wi-Fi is ``Ethernet`` there, too.
        interface: of the default route.
        address: of that interface.
        netmask: of that address, as IPv4 writes it; IPv6 has only the prefix.
        local_prefix: the network's address, without its length (API.md 3.6).
        gateway: of the default route.
        gateway_scope: interface of a link-local IPv6 gateway, else 0.
        dns_servers: those really asked, not a local stub.
        wireless: its link, when it is Wi-Fi.
        proxies: what the machine is told of proxies.
        proxy_addresses: of those among them that are names, as far as they are known.
        vpn: the tunnel that routes go through.
        vpn_interface: its name.
        public_address: as the server sees it.
        public_ip_range: that address belongs to, first-last.
    """

    connection: str
    link_type: str | None = None
    interface: str | None = None
    address: str | None = None
    netmask: str | None = None
    local_prefix: str | None = None
    gateway: str | None = None
    gateway_scope: int = 0
    dns_servers: tuple[str, ...] = ()
    wireless: WirelessProfile | None = None
    proxies: ProxySettings | None = None
    proxy_addresses: Mapping[str, str] = _NO_NAMES
    vpn: VpnProfile | None = None
    vpn_interface: str | None = None
    public_address: str | None = None
    public_ip_range: str | None = None

    @property
    def attachment(self) -> tuple[str | None, str | None, str | None]:
        """What makes it this network and no other."""
        return self.interface, self.gateway, self.local_prefix

    @property
    def gateway_address(self) -> Address | None:
        """The gateway as packets can be sent to it."""
        return Address(self.gateway, self.gateway_scope) if self.gateway is not None else None

    @property
    def network_id(self) -> str | None:
        """Twelve hexadecimal digits (``network_id_of``); None without a network."""
        if self.local_prefix is None:
            return None
        return network_id_of(self.local_prefix, self.public_ip_range or _shared(self.public_address))

    @property
    def proxy(self) -> str | None:
        """Address of the proxy that most sites are reached by."""
        servers = self.proxies.servers if self.proxies is not None else ()
        return self._address_of(servers[0].host) if servers else None

    @property
    def proxy_port(self) -> int | None:
        """Its port."""
        servers = self.proxies.servers if self.proxies is not None else ()
        return servers[0].port if servers else None

    def proxy_to(self, host: str, port: int | None) -> tuple[str, int] | None:
        """Address and port of the proxy between this machine and a site; None: none, or it is not known."""
        found = proxy_for(self.proxies, host, port)
        address = self._address_of(found[0]) if found is not None else None
        return (address, found[1]) if found is not None and address is not None else None

    def context(self, platform: str, location: str | None = None) -> MeasurementContext:
        """What the records of an upload have in common."""
        wireless = self.wireless
        return MeasurementContext(
            platform=platform,
            connection=self.connection,
            location=location,
            gateway=self.gateway,
            proxy_target=self.proxy,
            vpn_target=self.vpn.endpoint if self.vpn is not None else None,
            network_id=self.network_id,
            ssid=wireless.ssid if wireless is not None else None,
            bssid=wireless.bssid if wireless is not None else None,
        )

    def _address_of(self, host: str) -> str | None:
        try:
            return str(ipaddress.ip_address(host))
        except ValueError:
            return self.proxy_addresses.get(host)


def _shared(public_address: str | None) -> str | None:
    """What the machines of one network have in common of it: in IPv6 each has addresses of its own."""
    if public_address is None or ":" not in public_address:
        return public_address
    try:
        subnet = ipaddress.ip_network((public_address, _IPV6_SUBNET_BITS), strict=False)
    except ValueError:
        return public_address
    return str(subnet.network_address)


def network_id_of(local_prefix: str, public: str | None) -> str:
    """One pair of local prefix and public range (or address, where no range is known) has one ID."""
    pair = f"{local_prefix}|{public or ''}"
    return hashlib.sha256(pair.encode()).hexdigest()[:_NETWORK_ID_CHARS]


def read_network_profile(
    network: Network,
    sources: ProfileSources = SYSTEM,
    *,
    variables: Mapping[str, str] = _NO_NAMES,
    proxy_addresses: Mapping[str, str] = _NO_NAMES,
) -> NetworkProfile:
    """Read the profile; a machine with loopback alone has one, too. Nothing is sent.

    Args:
        network: asked for routes.
        sources: where all the rest is read.
        variables: the environment that proxies are looked for in.
        proxy_addresses: what proxies' names resolved to.
    """
    routes, links = read_routes(network), Links(sources.sys_net)
    attachment = read_attachment(routes, links)
    tunnel = vpn_interface(routes, links, attachment.interface)
    wireless = attachment.connection == "Wireless" and attachment.interface is not None
    return NetworkProfile(
        connection=attachment.connection,
        link_type=attachment.link_type,
        interface=attachment.interface,
        address=attachment.address,
        netmask=attachment.netmask,
        local_prefix=attachment.local_prefix,
        gateway=attachment.gateway,
        gateway_scope=attachment.gateway_scope,
        dns_servers=sources.dns_servers(),
        wireless=sources.wireless(attachment.interface or "") if wireless else None,
        proxies=proxies_of_variables(variables) or sources.system_proxies(),
        proxy_addresses=proxy_addresses,
        vpn=read_vpn(routes, tunnel, own_address(tunnel), links, sources.link_of) if tunnel else None,
        vpn_interface=tunnel,
    )


def profile_document(profile: NetworkProfile) -> NetworkProfileDocument:
    """As the API has it."""
    return NetworkProfileDocument(
        hardware_type=profile.connection,
        type=profile.link_type,
        interface_name=profile.interface,
        ip_address=profile.address,
        subnet_mask=profile.netmask,
        local_prefix=profile.local_prefix,
        gateway=profile.gateway,
        dns_servers=profile.dns_servers,
        public_ip_address=profile.public_address,
        public_ip_range=profile.public_ip_range,
        proxy_profile=proxy_document(profile.proxies),
        wireless_profile=profile.wireless,
        vpn_profile=profile.vpn,
    )
