"""Proxies that a Linux machine is told system-wide, in files that anybody may read.

What a person chose for one desktop session is not here: the agent is no part of that session.
"""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from hopsight.agent.profile.proxies import (
    ProxySettings,
    parse_bypass,
    parse_proxy,
    proxies_of_variables,
    without_credentials,
)

_ROOT: Final = Path("/")
_MAX_FILE_BYTES: Final = 65_536
_MAX_FILES: Final = 64
_QUOTED: Final = re.compile(r"""'([^']*)'|"([^"]*)\"""")
_KDE_MANUAL, _KDE_PAC = "1", "2"

Sections = dict[str, dict[str, str]]


def read_system_proxies(root: Path = _ROOT) -> ProxySettings | None:
    """The settings of this machine; None: it has none.

    Those of desktops come first: they are what browsers look at. Blocks for a few small files.
    """
    readers: tuple[Callable[[Path], ProxySettings | None], ...] = (_gnome, _kde, _environment, _systemd)
    return next((found for found in (read(root) for read in readers) if found is not None), None)


def _gnome(root: Path) -> ProxySettings | None:
    """What an administrator gave dconf (``org.gnome.system.proxy``); a later file wins."""
    merged: Sections = {}
    for path in _listed(root / "etc/dconf/db", "*.d/*"):
        for name, values in _sections(path).items():
            merged[name] = merged.get(name, {}) | values
    top = merged.get("system/proxy", {})
    mode = _unquoted(top.get("mode", ""))
    if mode == "auto":
        pac_url = without_credentials(_unquoted(top.get("autoconfig-url", "")))
        return ProxySettings(method="PAC", pac_url=pac_url)
    if mode != "manual":
        return None

    def server(name: str, scheme: str = "http") -> str:
        values = merged.get(f"system/proxy/{name}", {})
        host, port = _unquoted(values.get("host", "")), values.get("port", "0")
        return f"{scheme}://{host}:{port}" if host and port != "0" else ""

    return _some(
        ProxySettings(
            method="System",
            http=parse_proxy(server("http")),
            https=parse_proxy(server("https")),
            other=parse_proxy(server("socks", "socks5")),
            bypass=parse_bypass(" ".join(a or b for a, b in _QUOTED.findall(top.get("ignore-hosts", "")))),
        )
    )


def _kde(root: Path) -> ProxySettings | None:
    """What an administrator gave KDE for everybody."""
    values = _sections(root / "etc/xdg/kioslaverc").get("Proxy Settings", {})
    kind = values.get("ProxyType", "")
    if kind == _KDE_PAC:
        return ProxySettings(method="PAC", pac_url=without_credentials(values.get("Proxy Config Script", "")))
    if kind != _KDE_MANUAL:
        return None

    def server(name: str) -> str:
        # Written with a space before the port, which is how old versions had it, or with a colon.
        return re.sub(r"\s+(?=[0-9]+$)", ":", values.get(name, "").strip())

    return _some(
        ProxySettings(
            method="System",
            http=parse_proxy(server("httpProxy")),
            https=parse_proxy(server("httpsProxy")),
            other=parse_proxy(server("socksProxy")),
            bypass=parse_bypass(values.get("NoProxyFor", "")),
        )
    )


def _environment(root: Path) -> ProxySettings | None:
    """What every login gets (``pam_env``, ``environment.d``)."""
    variables: dict[str, str] = {}
    for path in (root / "etc/environment", *_listed(root / "etc/environment.d", "*.conf")):
        variables |= dict(_assignments(path))
    return proxies_of_variables(variables, "System")


def _systemd(root: Path) -> ProxySettings | None:
    """What every service gets (``DefaultEnvironment=``)."""
    variables: dict[str, str] = {}
    directory = root / "etc/systemd"
    for path in (directory / "system.conf", *_listed(directory / "system.conf.d", "*.conf")):
        for word in _words(_sections(path).get("Manager", {}).get("DefaultEnvironment", "")):
            name, _, value = word.partition("=")
            variables[name] = value
    return proxies_of_variables(variables, "System")


def _some(settings: ProxySettings) -> ProxySettings | None:
    return settings if settings.servers else None


def _assignments(path: Path) -> Iterator[tuple[str, str]]:
    for line in _lines(path):
        name, equals, value = line.removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            yield name.strip(), _unquoted(value.strip())


def _sections(path: Path) -> Sections:
    found: Sections = {}
    section: dict[str, str] = {}
    for line in _lines(path):
        if line.startswith("[") and line.endswith("]"):
            section = found.setdefault(line[1:-1], {})
            continue
        name, equals, value = line.partition("=")
        if equals and not line.startswith(("#", ";")):
            # KDE marks what users may not change: ``httpProxy[$i]=``.
            section[name.partition("[")[0].strip()] = value.strip()
    return found


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return []


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text


def _listed(directory: Path, pattern: str) -> list[Path]:
    return sorted(directory.glob(pattern))[:_MAX_FILES]


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FILE_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines()]
