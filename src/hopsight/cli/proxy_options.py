"""The options of ``hopsight server`` for proxies in front of it and servers beside it."""

import ipaddress
import re
from typing import Annotated, Final

import typer

from hopsight.errors import ConfigError

OPTION: Final = "--trusted-proxies"

TrustedProxiesOption = Annotated[
    str | None,
    typer.Option(
        envvar="HOPSIGHT_TRUSTED_PROXIES",
        metavar="CIDR,...",
        help="Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed: addresses and networks. "
        "Default: none.",
        show_default=False,
    ),
]


ServerNameOption = Annotated[
    str,
    typer.Option(
        envvar="HOPSIGHT_SERVER_NAME",
        metavar="NAME",
        help="What X-Server-Name says in every answer: which of several servers it was.",
    ),
]
DrainOption = Annotated[
    float,
    typer.Option(
        envvar="HOPSIGHT_DRAIN",
        metavar="SECONDS",
        min=0,
        max=3_600,
        help="After SIGTERM go on answering so long, while /readyz says 503: for proxies to go elsewhere.",
    ),
]


def checked_server_name(name: str) -> str:
    """The name, if a header can hold it.

    Raises:
        ConfigError: it cannot.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name, re.ASCII):
        raise ConfigError("--server-name", name, "1 to 64 of A-Z, a-z, 0-9, dot, hyphen and underscore")
    return name


def trusted_networks(text: str | None) -> tuple[str, ...]:
    """The networks that the option names.

    Raises:
        ConfigError: one of them is none, or is everybody.
    """
    return tuple(_network(each.strip()) for each in text.split(",")) if text else ()


def _network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        accepted = "addresses and networks with no bit set behind their length, as 10.0.0.0/8,fd00::1"
        raise ConfigError(OPTION, text, accepted) from None
    if network.prefixlen == 0:
        # Whoever comes could say to be anybody else: lockouts and the audit log would be worth nothing.
        raise ConfigError(OPTION, text, "the proxies alone, not everybody")
    return str(network)
