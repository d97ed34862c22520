"""Whether there is any way out of this machine: without one, nothing that is measured would mean anything."""

import ipaddress
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from hopsight.agent.network import IPV4, IPV6, Address, Network

_LOCALHOST: Final = "localhost"


def attached(
    network: Network, hosts: Iterable[str], links: Callable[[], Mapping[str, bool] | None] | None = None
) -> bool:
    """Whether packets can leave for anywhere that matters.

    A default route, or one that somebody made, through a link that is up is a way; so is any route to one of
    ``hosts``: a network without a router still has neighbours. The prefix of a bridge that containers use is
    none. Where routes cannot be asked for, a link that is up and has an address will do.

    Args:
        network: asked for routes.
        hosts: what is to be measured, and the name servers; only addresses are looked at.
        links: name of each link that is up (loopback left out) -> whether it has an address that reaches
            further than the link; None: cannot be told, all count as up.
    """
    up = (links or read_links)()
    routes = [*network.routes(IPV4), *network.routes(IPV6)]
    if not routes:
        return up is None or any(up.values())

    def is_up(interface: str | None) -> bool:
        return interface is None or up is None or interface in up

    if any(
        is_up(found.route.interface) and (found.prefix_length == 0 or not found.from_kernel)
        for found in routes
    ):
        return True
    return any(_has_route(network, host, is_up) for host in hosts)


def is_loopback(host: str) -> bool:
    """Whether measuring this host needs no network at all."""
    name = host.lower().rstrip(".")
    if name == _LOCALHOST or name.endswith("." + _LOCALHOST):
        return True
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


def read_links() -> Mapping[str, bool] | None:
    """The links of this machine, as ``attached`` wants them."""
    import psutil  # noqa: PLC0415 - as in ``system``

    try:
        states, addresses = psutil.net_if_stats(), psutil.net_if_addrs()
    except (OSError, psutil.Error):
        return None
    return {
        name: any(_reaches_further(address.family, address.address) for address in addresses.get(name, []))
        for name, state in states.items()
        if state.isup and "loopback" not in state.flags.split(",")
    }


def _has_route(network: Network, host: str, is_up: Callable[[str | None], bool]) -> bool:
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        return False
    if parsed.is_loopback:
        return False
    route = network.route_to(Address(host))
    return route is not None and is_up(route.interface)


def _reaches_further(family: int, text: str) -> bool:
    if family not in (socket.AF_INET, socket.AF_INET6):
        return False
    address = ipaddress.ip_address(text.partition("%")[0])
    return not address.is_loopback and not address.is_link_local
