"""What a report does not tell whoever it is handed to: people, their machines, and where those are. Pure."""

import ipaddress
from collections.abc import Sequence
from typing import Final

from hopsight.server.reports.document import GivenFilter

LOCAL: Final = "local"
_LOCAL_NETWORKS: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8", "100.64.0.0/10",
            "fc00::/7", "fe80::/10", "::1/128",
        ),
    )
)  # fmt: skip
OPEN_FILTERS: Final = frozenset(
    ("connection", "destinationIp", "domain", "platform", "trigger", "type", "verdict", "visitedSite")
)
"""Filters that name no person, machine or place; what is not here is masked."""
_LEFT_OUT: Final = """\
Agents are numbered in the order of their table; their names, users and places are left out.

Local addresses (RFC 1918, shared 100.64.0.0/10, link-local, loopback, unique local) and the first hop of
every way, which is the agent's own router, are shown as local, without names.

Values of filters that name agents, networks, gateways or places are left out.
"""
LEFT_OUT: Final = tuple(" ".join(each.split()) for each in _LEFT_OUT.split("\n\n"))


def is_local(text: str) -> bool:
    """Whether it is an address that means something within one network alone; a name is none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in _LOCAL_NETWORKS)


def masked_site(site: str, *, names: bool) -> str:
    """A site as the report calls it: one that is a local address has no name."""
    return LOCAL if not names and is_local(site.strip("[]")) else site


def given_filter(key: str, values: Sequence[str], *, names: bool) -> GivenFilter:
    """A filter as the report tells it."""
    shown = tuple(values)
    if not names:
        shown = tuple(masked_site(value, names=False) for value in values)
    is_open = names or key in OPEN_FILTERS
    return GivenFilter(key=key, values=shown if is_open else None, count=len(values))
