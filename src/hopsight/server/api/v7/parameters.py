"""Parameters that several resources of version 7 read: flags, and what to expand."""

from collections.abc import Collection
from typing import Final

from hopsight.errors import InvalidValueError
from hopsight.server.api.parameters import Parameters

_BOOLEANS: Final = {"true": True, "false": False}


def flag(parameters: Parameters, name: str) -> bool:
    """A flag, in any case (``True`` is what Python clients send); absent or empty: false."""
    text = parameters.one(name) or "false"
    if text.lower() not in _BOOLEANS:
        raise InvalidValueError(name, text, "true or false")
    return _BOOLEANS[text.lower()]


def expanded(parameters: Parameters, accepted: Collection[str]) -> set[str]:
    """What ``expand`` names, separated by commas."""
    wanted = {name for name in (parameters.one("expand") or "").split(",") if name}
    unknown = wanted - set(accepted)
    if unknown:
        raise InvalidValueError("expand", ",".join(sorted(unknown)), ", ".join(sorted(accepted)))
    return wanted


def count_up_to(parameters: Parameters, name: str, most: int) -> int:
    """A number from 1 to ``most``; absent: ``most``."""
    text = parameters.one(name)
    if text is None:
        return most
    if text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most:
        return int(text)
    raise InvalidValueError(name, text, f"1 to {most}")
