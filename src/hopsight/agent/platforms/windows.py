"""Windows: what PowerShell, ``netsh`` and the registry say of the network. Not run on hardware.

``netsh`` speaks the user's language: on a system that is not English nothing is found, and nothing made up.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from hopsight.agent.platforms.reading import NetworkFacts, Run, is_address, number_in, pairs_of
from hopsight.agent.profile.proxies import (
    ProxyServer,
    ProxySettings,
    parse_bypass,
    parse_proxy,
    without_credentials,
)
from hopsight.model.network_documents import WirelessProfile

_POWERSHELL: Final = ("powershell.exe", "-NoProfile", "-NonInteractive", "-Command")
ROUTES: Final = (
    *_POWERSHELL,
    (
        "Get-NetRoute -DestinationPrefix 0.0.0.0/0,::/0 -ErrorAction SilentlyContinue | "
        "Select-Object NextHop,InterfaceAlias,RouteMetric,InterfaceMetric | ConvertTo-Json"
    ),
)
DNS: Final = (
    *_POWERSHELL,
    "Get-DnsClientServerAddress | Select-Object InterfaceAlias,ServerAddresses | ConvertTo-Json",
)
WIFI: Final = ("netsh.exe", "wlan", "show", "interfaces")

_NO_GATEWAY: Final = {"0.0.0.0", "::"}  # noqa: S104 - what Windows writes for "on the link"
_MAX_PERCENT: Final = 100


def read_facts(run: Run, registry: Mapping[str, Any]) -> NetworkFacts:
    """What this machine says of its network.

    Args:
        run: runs a command, and gives what it printed; empty when it failed.
        registry: values below ``Internet Settings`` of the user's ``CurrentVersion``.
    """
    interface, gateway = default_route(run(ROUTES))
    return NetworkFacts(
        interface=interface,
        gateway=gateway,
        dns_servers=dns_servers(run(DNS), interface),
        proxies=proxy_settings(registry),
        wireless=wireless(run(WIFI), interface),
    )


def default_route(text: str) -> tuple[str | None, str | None]:
    """Interface and gateway of the default route with the lowest metric; a tunnel has no gateway."""
    routes = [route for route in _objects(text) if isinstance(route.get("InterfaceAlias"), str)]
    if not routes:
        return None, None
    best = min(
        routes, key=lambda route: _number(route.get("RouteMetric")) + _number(route.get("InterfaceMetric"))
    )
    gateway = best.get("NextHop")
    known = isinstance(gateway, str) and gateway not in _NO_GATEWAY and is_address(gateway)
    return best["InterfaceAlias"], str(gateway).partition("%")[0] if known else None


def dns_servers(text: str, interface: str | None) -> tuple[str, ...]:
    """The name servers of an interface, of both families, each once."""
    found: list[str] = []
    for entry in _objects(text):
        addresses = entry.get("ServerAddresses")
        if entry.get("InterfaceAlias") == interface and isinstance(addresses, list):
            found += [address for address in addresses if isinstance(address, str) and is_address(address)]
    return tuple(dict.fromkeys(address.partition("%")[0] for address in found))


def proxy_settings(registry: Mapping[str, Any]) -> ProxySettings | None:
    """The user's proxy settings; None: no proxy is on."""
    on = registry.get("ProxyEnable") == 1
    text = str(registry.get("ProxyServer") or "") if on else ""
    by_scheme = {name.strip().lower(): server for name, _, server in _parts(text)}
    everything = parse_proxy(by_scheme.get("", ""))
    pac_url = without_credentials(str(registry.get("AutoConfigURL") or ""))
    settings = ProxySettings(
        method="PAC" if pac_url else "System",
        http=parse_proxy(by_scheme.get("http", "")) or everything,
        https=parse_proxy(by_scheme.get("https", "")) or everything,
        other=_socks(by_scheme.get("socks", "")),
        bypass=parse_bypass(str(registry.get("ProxyOverride") or "")) if on else (),
        pac_url=pac_url,
    )
    return settings if settings.servers or settings.pac_url else None


def wireless(text: str, interface: str | None) -> WirelessProfile | None:
    """The link of an interface in ``netsh wlan show interfaces``, on a system that speaks English."""
    for block in text.split("\n\n"):
        pairs = pairs_of(block)
        if pairs.get("Name") != interface or pairs.get("State") != "connected":
            continue
        quality = number_in(pairs.get("Signal"))
        return WirelessProfile(
            ssid=pairs.get("SSID"),
            bssid=pairs.get("BSSID") or pairs.get("AP BSSID"),
            channel=number_in(pairs.get("Channel")),
            quality=quality if quality is not None and 0 <= quality <= _MAX_PERCENT else None,
            phy_mode=pairs.get("Radio type"),
            tx_rate=_rate(pairs.get("Transmit rate (Mbps)")),
        )
    return None


def _objects(text: str) -> list[dict[str, Any]]:
    # ConvertTo-Json writes a single object without a list around it.
    try:
        found = msgspec.json.decode(text.encode())
    except msgspec.DecodeError:
        return []
    return [item for item in (found if isinstance(found, list) else [found]) if isinstance(item, dict)]


def _parts(text: str) -> list[tuple[str, str, str]]:
    found = []
    for part in text.split(";"):
        name, equals, server = part.partition("=")
        found.append((name, equals, server) if equals else ("", "", part))
    return found


def _socks(text: str) -> ProxyServer | None:
    return parse_proxy(f"socks4://{text}") if text else None


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _rate(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
