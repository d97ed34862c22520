"""What to measure: given targets, the server's, and, when there are neither, what every machine has."""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from hopsight.errors import InvalidValueError
from hopsight.model.agents import Target

MAX_TARGETS: Final = 1_000
"""Most targets of one round."""

_DNS_PORT: Final = 53
_ACCEPTED: Final = "HOST, HOST:PORT, IPv6 address or [IPv6 address]:PORT"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def parse_target(text: str) -> Target:
    """Read ``HOST[:PORT]``; an IPv6 address with a port stands in brackets.

    Raises:
        InvalidValueError: it is none of these.
    """
    host, port = _host_and_port(text.strip())
    try:
        number = None if port is None else int(port)
        return msgspec.convert({"host": host, "port": number}, Target)
    except ValueError:
        raise InvalidValueError("target", text, _ACCEPTED) from None


def default_targets(gateway: str | None, dns_servers: Iterable[str], server_url: str) -> list[Target]:
    """The default gateway, the DNS servers and the Hopsight server, each host once."""
    found = [] if gateway is None else [Target(host=gateway)]
    for address in dns_servers:
        if address not in {target.host for target in found}:
            found.append(Target(host=address, port=_DNS_PORT))
    return [*found, server_target(server_url)]


def server_target(url: str) -> Target:
    """The Hopsight server itself, as a target.

    Raises:
        InvalidValueError: the URL names no host.
    """
    parts = urlsplit(url)
    if not parts.hostname:
        raise InvalidValueError("server URL", url, "http://HOST[:PORT] or https://HOST[:PORT]")
    return Target(host=parts.hostname, port=parts.port or _DEFAULT_PORTS.get(parts.scheme))


def distinct(targets: Sequence[Target]) -> tuple[Target, ...]:
    """Each host and port once, the first of its kind; at most ``MAX_TARGETS``."""
    seen: dict[tuple[str, int | None], Target] = {}
    for target in targets:
        seen.setdefault((target.host.lower().rstrip("."), target.port), target)
    return tuple(seen.values())[:MAX_TARGETS]


def _host_and_port(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if bracket and (not rest or rest.startswith(":")):
            return host, rest[1:] if rest else None
        raise InvalidValueError("target", text, _ACCEPTED)
    if text.count(":") > 1:
        return _ipv6(text), None
    host, colon, port = text.partition(":")
    return host, port if colon else None


def _ipv6(text: str) -> str:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        raise InvalidValueError("target", text, _ACCEPTED) from None
    return text
