"""The profile of this machine, whichever system it runs."""

from collections.abc import Mapping

from msgspec import structs

from hopsight.agent.machine import platform_name
from hopsight.agent.network import Address, Network, Route
from hopsight.agent.platforms.profile import platform_profile
from hopsight.agent.profile.profile import NetworkProfile, read_network_profile
from hopsight.agent.profile.proxies import proxies_of_variables
from hopsight.agent.profile.reading import addresses_of


def read_profile(
    network: Network, variables: Mapping[str, str], proxy_addresses: Mapping[str, str]
) -> NetworkProfile:
    """Read it by what the system has for that; arguments as of ``read_network_profile``."""
    found = platform_profile(platform_name())
    if found is None:
        return read_network_profile(network, variables=variables, proxy_addresses=proxy_addresses)
    return _completed(found, variables, proxy_addresses)


def _completed(
    found: NetworkProfile, variables: Mapping[str, str], proxy_addresses: Mapping[str, str]
) -> NetworkProfile:
    """With what is read in the same way everywhere: own addresses, and the environment's proxies."""
    gateway = Address(found.gateway) if found.gateway is not None else None
    address, netmask, prefix = addresses_of(Route(interface=found.interface, gateway=gateway))
    return structs.replace(
        found,
        address=found.address or address,
        netmask=found.netmask or netmask,
        local_prefix=found.local_prefix or prefix,
        proxies=proxies_of_variables(variables) or found.proxies,
        proxy_addresses=proxy_addresses,
    )
