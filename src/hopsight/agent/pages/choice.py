"""Which targets have a page to fetch."""

import ipaddress
from typing import Final

from hopsight.model.agents import Target

_SCHEMES: Final = {80: "http", 443: "https"}


def page_url(target: Target) -> str | None:
    """The page of a target; None: it has none.

    A name without a port is a site. An address without one is a gateway or a name server as a rule: they are
    not asked for pages.
    """
    is_ipv6 = ":" in target.host
    if target.port is None:
        return None if is_ipv6 or _is_ipv4(target.host) else f"https://{target.host}/"
    scheme = _SCHEMES.get(target.port)
    host = f"[{target.host}]" if is_ipv6 else target.host
    return None if scheme is None else f"{scheme}://{host}/"


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
