"""Targets as people write them: ``HOST``, ``HOST:PORT``, ``[IPV6]:PORT``, or a bare IPv6 address."""

import re
from typing import Final, Literal

import msgspec

from hopsight.errors import InvalidValueError
from hopsight.model.agents import Target

_ACCEPTED: Final = "HOST, HOST:PORT, [IPV6]:PORT or an IPv6 address; PORT from 1 to 65535"
_BRACKETED: Final = re.compile(r"\[([0-9A-Fa-f:.%\w-]+)\](?::([0-9]{1,5}))?", re.ASCII)
_PLAIN: Final = re.compile(r"([0-9A-Za-z_.-]+)(?::([0-9]{1,5}))?", re.ASCII)


def parse_target(text: str, protocol: Literal["auto", "icmp", "tcp"] = "auto") -> Target:
    """Read a target.

    Raises:
        InvalidValueError: it is none.
    """
    from hopsight.agent.system_network import parse_address  # noqa: PLC0415

    if ":" in text and not text.startswith("[") and parse_address(text) is not None:
        return Target(host=text, protocol=protocol)
    match = _BRACKETED.fullmatch(text) if text.startswith("[") else _PLAIN.fullmatch(text)
    if match is None or (text.startswith("[") and parse_address(match[1]) is None):
        raise InvalidValueError("target", text, _ACCEPTED)
    try:
        return msgspec.convert(
            {"host": match[1], "port": match[2] and int(match[2]), "protocol": protocol}, Target
        )
    except msgspec.ValidationError:
        raise InvalidValueError("target", text, _ACCEPTED) from None
