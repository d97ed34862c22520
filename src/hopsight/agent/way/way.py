"""Which way a session takes: what stands between this machine and the address that is probed."""

from typing import Literal

from msgspec import Struct

from hopsight.agent.network import Address, Network
from hopsight.agent.probing import Site
from hopsight.agent.profile.profile import NetworkProfile
from hopsight.agent.profile.proxies import proxy_for
from hopsight.model.agents import Target

Ending = Literal["lan", "proxy", "destination"]


class Way(Struct, frozen=True, kw_only=True):
    """The way to one address.

    Args:
        site: what is probed: the destination, or the proxy to it.
        ending: the segment that ends there; ``lan`` when the target is the gateway itself.
        gateway: the first router; None: the site is on this machine's own network.
        endpoint: of the VPN that the way goes through; None: not known, or there is none.
        tunnelled: whether it goes through a VPN.
        interface: that packets leave by.
        link: the API's word for the kind of link to the gateway.
    """

    site: Site
    ending: Ending = "destination"
    gateway: Address | None = None
    endpoint: Address | None = None
    tunnelled: bool = False
    interface: str | None = None
    link: str | None = None

    @property
    def first_leg(self) -> str:
        """What ways that begin alike have in common."""
        return f"{self.interface}/{self.gateway.host if self.gateway is not None else ''}"


def way_to(site: Site, network: Network, profile: NetworkProfile | None, *, proxied: bool) -> Way:
    """Look the way up; sends nothing."""
    route = network.route_to(site.address)
    gateway = route.gateway if route is not None else None
    interface = route.interface if route is not None else None
    endpoint = _vpn_endpoint(profile)
    tunnelled = _is_tunnelled(interface, endpoint, profile)
    endpoint = endpoint if tunnelled else None
    if tunnelled and profile is not None:
        # The tunnel has a gateway of its own, if any: the first router is the one that carries the tunnel.
        outer = network.route_to(endpoint) if endpoint is not None else None
        gateway = outer.gateway if outer is not None else _address(profile.gateway)
    ending: Ending = "proxy" if proxied else "destination"
    if ending == "destination" and profile is not None and site.address.host == profile.gateway:
        ending = "lan"
    return Way(
        site=site,
        ending=ending,
        gateway=gateway,
        endpoint=endpoint,
        tunnelled=tunnelled,
        interface=interface,
        link=profile.connection if profile is not None else None,
    )


def _is_tunnelled(interface: str | None, endpoint: Address | None, profile: NetworkProfile | None) -> bool:
    if profile is None or interface is None or interface != profile.vpn_interface:
        return False
    # A machine that is attached by nothing but a tunnel device has no network below it to tell apart.
    return profile.interface != interface or endpoint is not None


def _vpn_endpoint(profile: NetworkProfile | None) -> Address | None:
    vpn = profile.vpn if profile is not None else None
    return _address(vpn.endpoint) if vpn is not None else None


def _address(host: str | None) -> Address | None:
    return Address(host) if host is not None else None


def proxy_to(target: Target, profile: NetworkProfile | None) -> tuple[str, int] | None:
    """Host and port of the proxy that a session with a target goes to; None: it goes to the target itself."""
    return proxy_for(profile.proxies, target.host, target.port) if profile is not None else None
