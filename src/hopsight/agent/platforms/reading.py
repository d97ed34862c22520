"""What the readers of tools' outputs share."""

import ipaddress
import re
from collections.abc import Callable, Sequence

from msgspec import Struct

from hopsight.agent.profile.proxies import ProxySettings
from hopsight.model.network_documents import WirelessProfile

Run = Callable[[Sequence[str]], str]
"""Runs a command, and gives what it printed; empty when it is not there or failed."""


class NetworkFacts(Struct, frozen=True, kw_only=True):
    """What a system's own tools tell of the network; None: not told.

    Args:
        interface: of the default route.
        gateway: of the default route.
        dns_servers: in the order of asking.
        proxies: None: there is none.
        wireless: of that interface; None: it is no Wi-Fi, or is not connected, or the tool may not tell.
    """

    interface: str | None = None
    gateway: str | None = None
    dns_servers: tuple[str, ...] = ()
    proxies: ProxySettings | None = None
    wireless: WirelessProfile | None = None


def pairs_of(text: str) -> dict[str, str]:
    """``name : value`` lines; the first of each name counts."""
    pairs: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            pairs.setdefault(name.strip(), value.strip())
    return pairs


def number_in(text: str | None) -> int | None:
    """The whole number that a text begins with, as in ``-52 dBm``."""
    found = re.match(r"-?\d+", text or "", re.ASCII)
    return int(found[0]) if found is not None else None


def is_address(text: str) -> bool:
    """Whether a text is an IP address, a zone allowed."""
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True
