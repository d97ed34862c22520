"""The name servers that a machine asks."""

import ipaddress
from pathlib import Path
from typing import Final

_RESOLV_CONF: Final = Path("/etc/resolv.conf")
_RESOLVED_CONF: Final = Path("/run/systemd/resolve/resolv.conf")
_STUBS: Final = {"127.0.0.53", "127.0.0.54"}
_MAX_DNS_SERVERS: Final = 16
_MAX_FILE_BYTES: Final = 65_536


def read_dns_servers(
    resolv_conf: Path = _RESOLV_CONF, resolved_conf: Path = _RESOLVED_CONF
) -> tuple[str, ...]:
    """The name servers in use; behind systemd-resolved's local stub, those that it asks."""
    servers = _name_servers(resolv_conf)
    if _STUBS & set(servers):
        real = [server for server in _name_servers(resolved_conf) if server not in _STUBS]
        servers = real or servers
    return tuple(dict.fromkeys(servers))[:_MAX_DNS_SERVERS]


def _name_servers(path: Path) -> list[str]:
    found = []
    for line in _text(path).splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver" and _is_address(words[1].partition("%")[0]):
            found.append(words[1].partition("%")[0])
    return found


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_FILE_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
