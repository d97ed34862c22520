"""macOS: what its own tools print about the network (``route``, ``scutil``, ``wdutil``). Not run on hardware.

``system_profiler`` is not asked about Wi-Fi: it lists other networks, too, and may scan for them.
"""

import ipaddress
import re
from typing import Final

from hopsight.agent.platforms.reading import NetworkFacts, Run, is_address, number_in, pairs_of
from hopsight.agent.profile.proxies import ProxyServer, ProxySettings
from hopsight.model.network_documents import WirelessProfile

ROUTE: Final = ("/sbin/route", "-n", "get", "default")
DNS: Final = ("/usr/sbin/scutil", "--dns")
PROXY: Final = ("/usr/sbin/scutil", "--proxy")
WIFI: Final = ("/usr/bin/wdutil", "info")

_NAME_SERVER: Final = re.compile(r"^\s*nameserver\[\d+\] : (\S+)\s*$", re.MULTILINE)
_SCOPED: Final = "DNS configuration (for scoped queries)"
_ENTRY: Final = re.compile(r"^\s*(\w+) : (.+?)\s*$", re.MULTILINE)
_ARRAY: Final = re.compile(r"ExceptionsList : <array> \{(.*?)\}", re.DOTALL)
_HIDDEN: Final = {"", "None", "<redacted>"}


def read_facts(run: Run) -> NetworkFacts:
    """What this machine says of its network.

    Args:
        run: runs a command, and gives what it printed; empty when it failed.
    """
    interface, gateway = default_route(run(ROUTE))
    return NetworkFacts(
        interface=interface,
        gateway=gateway,
        dns_servers=dns_servers(run(DNS)),
        proxies=proxy_settings(run(PROXY)),
        wireless=wireless(run(WIFI), interface),
    )


def default_route(text: str) -> tuple[str | None, str | None]:
    """Interface and gateway, as ``route -n get default`` prints them; a tunnel has no gateway."""
    pairs = pairs_of(text)
    gateway = pairs.get("gateway", "").partition("%")[0]
    return pairs.get("interface"), gateway if is_address(gateway) else None


def dns_servers(text: str) -> tuple[str, ...]:
    """The name servers of ``scutil --dns``, each once; not those of single interfaces, repeated below."""
    found = _NAME_SERVER.findall(text.partition(_SCOPED)[0])
    return tuple(dict.fromkeys(server.partition("%")[0] for server in found if is_address(server)))


def proxy_settings(text: str) -> ProxySettings | None:
    """The settings of ``scutil --proxy``; None: no proxy is on."""
    array = _ARRAY.search(text)
    bypass = [value for _, value in _ENTRY.findall(array[1])] if array is not None else []
    entries = dict(_ENTRY.findall(_ARRAY.sub("", text)))
    pac_on = entries.get("ProxyAutoConfigEnable") == "1"
    pac_url = entries.get("ProxyAutoConfigURLString") if pac_on else None
    settings = ProxySettings(
        method="PAC" if pac_url else "System",
        http=_proxy(entries, "HTTP", "http"),
        https=_proxy(entries, "HTTPS", "http"),
        other=_proxy(entries, "SOCKS", "socks5"),
        bypass=tuple(rule.lower() for rule in bypass),
        pac_url=pac_url,
    )
    return settings if settings.servers or settings.pac_url else None


def wireless(text: str, interface: str | None) -> WirelessProfile | None:
    """The link of ``wdutil info`` (which takes root); names that the system hides are absent."""
    pairs = pairs_of(text.partition("WIFI")[2].partition("BLUETOOTH")[0])
    if pairs.get("Interface Name") != interface or pairs.get("RSSI") is None:
        return None
    channel = re.search(r"\d+", pairs.get("Channel", "").partition("g")[2] or pairs.get("Channel", ""))
    return WirelessProfile(
        ssid=_told(pairs.get("SSID")),
        bssid=_told(pairs.get("BSSID")),
        channel=int(channel[0]) if channel is not None else None,
        rssi=number_in(pairs.get("RSSI")),
        noise=number_in(pairs.get("Noise")),
        phy_mode=_told(pairs.get("PHY Mode")),
        tx_rate=_rate(pairs.get("Tx Rate")),
    )


def without_ip_header(packet: bytes) -> bytes:
    """An ICMP message as macOS gives it on datagram sockets: IPv4's header stands in front."""
    if not packet or packet[0] >> 4 != ipaddress.IPV4LENGTH // 8:
        return b""
    return packet[(packet[0] & 0x0F) * 4 :]


def _proxy(entries: dict[str, str], kind: str, scheme: str) -> ProxyServer | None:
    host, port = entries.get(f"{kind}Proxy"), entries.get(f"{kind}Port", "")
    if entries.get(f"{kind}Enable") != "1" or not host or not port.isdecimal():
        return None
    return ProxyServer(scheme, host, int(port))


def _told(text: str | None) -> str | None:
    return None if text is None or text in _HIDDEN else text


def _rate(text: str | None) -> float | None:
    found = re.match(r"[0-9.]+", text or "")
    return float(found[0]) if found is not None else None
