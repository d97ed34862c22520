"""Which redirects are followed: a page is asked for at the site that was named, and nowhere else.

What is outside could else send the agent anywhere inside, for its answers to be uploaded. There is no list of
public suffixes in here, by which two names could be told to be of one owner: what lies below the site's own
name is the site's.
"""

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from hopsight.agent.network import Address


class NotFollowedError(Exception):
    """The page is the redirect itself; says why."""


def check_redirect(start: str, url: str) -> None:
    """See that a redirect stays with the site of the first URL.

    The same host, or one below it; a first ``www.`` does not count: www.example.com may send to example.com
    and to shop.example.com, but example.com neither to com nor to example.net.

    Raises:
        NotFollowedError: it does not, or it is no web page.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if host is None or parts.scheme not in {"http", "https"}:
        raise NotFollowedError("redirected to what is no web page: not followed")
    site = (urlsplit(start).hostname or "").rstrip(".")
    host = host.rstrip(".")
    if host != site and not _is_below(host, site.removeprefix("www.")):
        raise NotFollowedError("redirected to another site: not followed")


def outside_alone(addresses: Sequence[Address]) -> list[Address]:
    """Those of the public Internet: where a page from there may send.

    Raises:
        NotFollowedError: there are none.
    """
    found = [address for address in addresses if is_public(address)]
    if not found:
        raise NotFollowedError("redirected from the Internet to an inner address: not followed")
    return found


def is_public(address: Address) -> bool:
    """Whether an address is one of the public Internet."""
    return ipaddress.ip_address(address.host).is_global


def _is_below(host: str, site: str) -> bool:
    return "." in site and not _is_address(site) and (host == site or host.endswith(f".{site}"))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
