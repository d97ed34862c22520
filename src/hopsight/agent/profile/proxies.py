"""Proxies: what a machine's settings say, and what they mean for one destination.

Settings may hold a user's password. It is dropped where they are read: nothing in here has a place for it.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Final, Literal
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct

from hopsight.model.network_documents import Proxy, ProxyProfile
from hopsight.model.user_sessions import SITE_PROTOCOLS

Method = Literal["Environment", "System", "PAC"]

VARIABLES: Final = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
"""What programs look for in the environment, in either case; the lower one wins."""
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "socks": 1080, "socks4": 1080, "socks4a": 1080}
_DEFAULT_PORT: Final = 1080
_MAX_BYPASS: Final = 256
_MAX_TEXT_CHARS: Final = 2_048
_MAX_HOST_CHARS: Final = 253
_MAX_SCHEME_CHARS: Final = 16
_MAX_PORT: Final = 65_535
_OCTETS: Final = 4
_UNPRINTABLE: Final = re.compile(r"[\x00-\x20\x7f\ud800-\udfff\ufffe\uffff]")


class ProxyServer(Struct, frozen=True):
    """One proxy.

    Args:
        scheme: how it is spoken to: ``http``, ``https``, ``socks5``, ...
    """

    scheme: str
    host: str
    port: int

    @property
    def url(self) -> str:
        """As settings write it, without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


class ProxySettings(Struct, frozen=True, kw_only=True):
    """What a machine is told of proxies.

    Args:
        method: where it says so.
        http: for plain web sites.
        https: for the others.
        other: for everything else, and for those two where they have none.
        bypass: what goes past all of them, as ``bypasses`` reads it.
        pac_url: of the script that decides (it is not run, so nobody knows what it says).
    """

    method: Method
    http: ProxyServer | None = None
    https: ProxyServer | None = None
    other: ProxyServer | None = None
    bypass: tuple[str, ...] = ()
    pac_url: str | None = None

    @property
    def servers(self) -> tuple[ProxyServer, ...]:
        """Each once, the one for most sites first."""
        found = (self.https, self.http, self.other)
        return tuple(dict.fromkeys(server for server in found if server is not None))


def proxies_of_variables(
    variables: Mapping[str, str], method: Method = "Environment"
) -> ProxySettings | None:
    """What the variables that programs look at say; None: nothing."""
    values = {name: variables.get(name) or variables.get(name.upper()) or "" for name in VARIABLES}
    settings = ProxySettings(
        method=method,
        http=parse_proxy(values["http_proxy"]),
        https=parse_proxy(values["https_proxy"]),
        other=parse_proxy(values["all_proxy"]),
        bypass=parse_bypass(values["no_proxy"]),
    )
    return settings if settings.servers else None


def proxy_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Of an environment what ``proxies_of_variables`` reads, without users and passwords."""
    found = {}
    for name in VARIABLES:
        value = environment.get(name) or environment.get(name.upper()) or ""
        server = parse_proxy(value)
        if name == "no_proxy":
            found[name] = value
        elif server is not None:
            found[name] = server.url
    return {name: value for name, value in found.items() if value}


def parse_proxy(text: str) -> ProxyServer | None:
    """Read ``[SCHEME://][USER:PASSWORD@]HOST[:PORT]``; None: it is no proxy."""
    text = text.strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    scheme = parts.scheme or "http"
    if not host or port == 0 or len(host) > _MAX_HOST_CHARS or len(scheme) > _MAX_SCHEME_CHARS:
        return None
    if _UNPRINTABLE.search(host):
        return None
    return ProxyServer(scheme, host, port or _DEFAULT_PORTS.get(scheme, _DEFAULT_PORT))


def parse_bypass(text: str) -> tuple[str, ...]:
    """Take a list of exceptions apart: commas, semicolons, bars and spaces all separate."""
    return tuple(rule.lower() for rule in re.split(r"[,;|\s]+", text) if rule)[:_MAX_BYPASS]


def without_credentials(url: str) -> str | None:
    """A URL as it may be told; None: it is none."""
    try:
        parts = urlsplit(url.strip())
        host = parts.netloc.rpartition("@")[2]
        told = urlunsplit((parts.scheme, host, parts.path, parts.query, parts.fragment))
    except ValueError:
        return None
    return _UNPRINTABLE.sub("", told)[:_MAX_TEXT_CHARS] or None


def proxy_for(settings: ProxySettings | None, host: str, port: int | None) -> tuple[str, int] | None:
    """The proxy between this machine and a site; None: it is reached directly, or nobody can tell.

    What names no port is pinged, and pings go through no proxy. Neither does anything on this machine.

    Returns:
        Host (name or address) and port.
    """
    server = proxy_server_for(settings, host, port)
    return (server.host, server.port) if server is not None else None


def proxy_server_for(
    settings: ProxySettings | None, host: str, port: int | None, protocol: str | None = None
) -> ProxyServer | None:
    """The same, and how that proxy is spoken to; ``protocol`` (of a URL) wins over what the port is for."""
    if settings is None or port is None or _is_local(host):
        return None
    spoken = protocol or SITE_PROTOCOLS.get(port, "")
    own = {"http": settings.http, "https": settings.https}.get(spoken)
    server = own or settings.other
    return None if server is None or bypasses(settings.bypass, host, port) else server


def bypasses(rules: Iterable[str], host: str, port: int) -> bool:
    """Whether a rule lets a site past the proxy.

    ``*`` all; ``example.com`` and ``.example.com`` it and what is below it; ``*.example.com`` (and any
    pattern) what it fits; ``<local>`` names without a dot; addresses; networks (``10.0.0.0/8``,
    ``169.254/16``); any of them with ``:PORT`` for that port alone.
    """
    name = host.lower().rstrip(".")
    return any(_fits(rule, name, port) for rule in rules)


def proxy_document(settings: ProxySettings | None) -> ProxyProfile | None:
    """As the API has it; None: there is no proxy."""
    if settings is None:
        return None
    bypass = ";".join(_UNPRINTABLE.sub("", rule) for rule in settings.bypass)
    while len(bypass) > _MAX_TEXT_CHARS:
        bypass = bypass.rpartition(";")[0]
    return ProxyProfile(
        method=settings.method,
        proxies=tuple(Proxy(proxy=server.url, bypass=bypass or None) for server in settings.servers),
        pac_url=settings.pac_url,
    )


def _fits(rule: str, host: str, port: int) -> bool:
    rule, only_port = _without_port(rule)
    if only_port is not None and only_port != port:
        return False
    if rule == "<local>":
        return "." not in host and ":" not in host
    address, network = _address(host), _network(rule)
    if network is not None:
        return address is not None and address.version == network.version and address in network
    if "*" in rule:
        return fnmatchcase(host, rule)
    suffix = rule.lstrip(".").rstrip(".")
    return bool(suffix) and (host == suffix or host.endswith("." + suffix))


def _without_port(rule: str) -> tuple[str, int | None]:
    if rule.startswith("[") and "]" in rule:
        inner, _, rest = rule[1:].partition("]")
        return inner, _port(rest.removeprefix(":"))
    before, colon, after = rule.rpartition(":")
    if colon and ":" not in before and _port(after) is not None:
        return before, _port(after)
    return rule, None


def _port(text: str) -> int | None:
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or int(text) > _MAX_PORT:
        return None
    return int(text)


def _network(rule: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    address, slash, length = rule.partition("/")
    if slash and ":" not in address:
        octets = [octet for octet in address.split(".") if octet]
        address = ".".join([*octets, *["0"] * (_OCTETS - len(octets))])
    try:
        return ipaddress.ip_network(f"{address}/{length}" if slash else address, strict=False)
    except ValueError:
        return None


def is_address(host: str) -> bool:
    """Whether a host is an address, and no name."""
    return _address(host) is not None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _is_local(host: str) -> bool:
    name = host.lower().rstrip(".")
    address = _address(name)
    if address is not None:
        return address.is_loopback
    return name == "localhost" or name.endswith(".localhost")
