"""ICMP errors as people know them: what was refused, and whether somebody forbade it.

RFC 792, RFC 1812 5.2.7.1; RFC 4443 3.1.
"""

from typing import Final

from hopsight.agent.network import Family

# The codes by which somebody says that he does not want us.
_PROHIBITED: Final = {(4, 3, 9), (4, 3, 10), (4, 3, 13), (6, 1, 1), (6, 1, 5), (6, 1, 6)}
_REASONS: Final = {
    (4, 3, 0): "network unreachable",
    (4, 3, 1): "host unreachable",
    (4, 3, 2): "protocol unreachable",
    (4, 3, 3): "port unreachable",
    (4, 3, 4): "packet too big",
    (4, 11, 0): "time to live exceeded",
    (6, 1, 0): "no route to destination",
    (6, 1, 3): "address unreachable",
    (6, 1, 4): "port unreachable",
    (6, 2, 0): "packet too big",
    (6, 3, 0): "hop limit exceeded",
}
# Redirects and the like say nothing about whether a packet arrived.
_FATAL_TYPES: Final = {4: {3, 11, 12}, 6: {1, 2, 3, 4}}


def refusal_reason(family: Family, kind: int, code: int) -> tuple[str, bool] | None:
    """What an ICMP error says in words, and whether it is a prohibition; None: it refuses nothing."""
    if kind not in _FATAL_TYPES[family]:
        return None
    if (family, kind, code) in _PROHIBITED:
        return "administratively prohibited", True
    return _REASONS.get((family, kind, code), f"ICMP error, type {kind} code {code}"), False
