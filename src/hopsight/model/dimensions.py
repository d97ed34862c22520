"""What a record can be filtered by, and the filters themselves (API.md section 2).

``Dimensions`` is stored beside every record. ``FILTERS`` is the one table of filter keys: v6, v7, the
command line, the stores and the documentation all read it. A new filter is one row there, and one field
here (with a migration per store) when it asks for something that was not kept before.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct


class Dimensions(Struct, frozen=True, kw_only=True, gc=False):
    """The values that filters compare, in the spelling in which they are stored; None: not known."""

    agent_id: str
    destination_ip: str | None = None
    visited_site: str | None = None
    domain: str | None = None
    trigger: str | None = None
    platform: str | None = None
    connection: str | None = None
    location: str | None = None
    gateway: str | None = None
    proxy_target: str | None = None
    vpn_target: str | None = None
    network_id: str | None = None
    ssid: str | None = None
    bssid: str | None = None
    verdict: str | None = None
    target_kind: str | None = None


NETWORK_SESSIONS: Final = "network-sessions"
USER_SESSIONS: Final = "user-sessions"
WEB_SESSIONS: Final = "web-sessions"
NETWORK_PROBES: Final = "network-probes"
AGENT_STATES: Final = "agent-states"

_SESSIONS: Final = frozenset({NETWORK_SESSIONS, USER_SESSIONS, WEB_SESSIONS})
_ALL: Final = _SESSIONS | {NETWORK_PROBES, AGENT_STATES}


class FilterKey(Struct, frozen=True):
    """One key that a POST may filter by.

    Args:
        key: its name in v6 and v7.
        column: the field of ``Dimensions`` that it compares.
        kinds: the kinds of record that take it.
        meaning: one line for the documentation.
        normalize: brings a given value to the stored spelling (the same value where spelling is exact).
    """

    key: str
    column: str
    kinds: frozenset[str]
    meaning: str
    normalize: Callable[[str], str] = str


def _one_of(*values: str) -> Callable[[str], str]:
    # Enumerated values compare without regard to case: v6 documents `Wireless`, v7 sends `wireless`.
    stored = {value.lower(): value for value in values}

    def normalize(value: str) -> str:
        return stored.get(value.lower(), value)

    return normalize


CONNECTIONS: Final = ("Ethernet", "Loopback", "Wireless", "Modem", "Virtual", "Other")
PLATFORMS: Final = ("Mac", "Windows", "Linux")
TRIGGERS: Final = ("auto", "user")

_ROWS: Final = (
    FilterKey("agentId", "agent_id", _ALL, "agent that measured, by ID", str.lower),
    FilterKey("location", "location", _ALL, "the agent's location name, exact"),
    FilterKey("connection", "connection", _ALL, " or ".join(CONNECTIONS), _one_of(*CONNECTIONS)),
    FilterKey("trigger", "trigger", _ALL, " or ".join(TRIGGERS), _one_of(*TRIGGERS)),
    FilterKey("platform", "platform", _ALL, " or ".join(PLATFORMS), _one_of(*PLATFORMS)),
    FilterKey("gateway", "gateway", _ALL, "default gateway, IP address"),
    FilterKey("proxyTarget", "proxy_target", _ALL, "proxy, IP address"),
    FilterKey("vpnTarget", "vpn_target", _ALL, "VPN endpoint, IP address"),
    FilterKey("networkId", "network_id", _ALL, "network, by ID"),
    FilterKey("ssid", "ssid", _ALL, "Wi-Fi network name, exact"),
    FilterKey("bssid", "bssid", _ALL, "Wi-Fi access point, exact"),
    FilterKey("domain", "domain", _SESSIONS, "base domain of the visited site", str.lower),
    FilterKey("visitedSite", "visited_site", _SESSIONS, "domain of the visited site, exact", str.lower),
    FilterKey("destinationIp", "destination_ip", _SESSIONS, "address of the visited site"),
    FilterKey("type", "target_kind", frozenset({NETWORK_PROBES}), "gateway, proxy or vpn", str.lower),
    FilterKey("verdict", "verdict", frozenset({USER_SESSIONS}), "segment at fault (ours: docs/verdict.md)"),
)

FILTERS: Final = {row.key: row for row in _ROWS}
