"""Names of list items in XML: ``networkSessions`` holds ``networkSession`` elements (API.md section 1)."""

from typing import Final

# What the rules below would get wrong.
_IRREGULAR: Final = {"mpls": "label", "vpnClientNetworkRange": "range"}


def singular(key: str) -> str:
    """The element name of one item of the array ``key``."""
    if key in _IRREGULAR:
        return _IRREGULAR[key]
    for plural, ending in (("ies", "y"), ("sses", "ss"), ("s", "")):
        if key.endswith(plural) and key != plural:
            return key.removesuffix(plural) + ending
    return "item"


def capitalized(key: str) -> str:
    """A key as the beginning of a type's name: ``networkSessions`` gives ``NetworkSessions``."""
    return key[:1].upper() + key[1:]
