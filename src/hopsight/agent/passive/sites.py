"""Which sites and networks are watched: what ``passive_include`` and ``passive_exclude`` say."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from hopsight.errors import ConfigError

Net = ipaddress.IPv4Network | ipaddress.IPv6Network

_ACCEPTED: Final = (
    "a name (www.example.com), all names below one (*.example.com), "
    "an address, or a network without host bits (192.0.2.0/24, 2001:db8::/32)"
)
_NAME: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_MAX_ENTRIES: Final = 1_000


class SiteList(Struct, frozen=True):
    """One list: exact names, endings (with their dot in front), and networks."""

    names: frozenset[str]
    endings: tuple[str, ...]
    networks: tuple[Net, ...]

    def __bool__(self) -> bool:
        return bool(self.names or self.endings or self.networks)

    @property
    def has_names(self) -> bool:
        """Whether there is anything but networks in it."""
        return bool(self.names or self.endings)

    def has_name(self, name: str) -> bool:
        """Whether a name is in it; case and a dot at the end do not count."""
        plain = name.lower().removesuffix(".")
        return plain in self.names or plain.endswith(self.endings)

    def has_address(self, address: str) -> bool:
        """Whether an address is in one of the networks."""
        if not self.networks:
            return False
        parsed = ipaddress.ip_address(address)
        return any(parsed in network for network in self.networks)


class SiteFilter(Struct, frozen=True):
    """Include and exclude lists; exclude wins, and without an include list all is included."""

    include: SiteList
    exclude: SiteList

    @classmethod
    def parse(cls, include: Sequence[str], exclude: Sequence[str]) -> "SiteFilter":
        """Read both lists.

        Raises:
            ConfigError: an entry is neither a name nor a network.
        """
        return cls(parse_list("passive_include", include), parse_list("passive_exclude", exclude))

    def may_admit(self, address: str) -> bool:
        """Whether any name could make this address admitted: else nobody need ask for one."""
        if self.exclude.has_address(address):
            return False
        return not self.include or self.include.has_names or self.include.has_address(address)

    def admits(self, address: str, name: str | None, other_names: Iterable[str] = ()) -> bool:
        """Whether a site may be watched; any name that is known of an address can exclude it."""
        names = [name] if name is not None else []
        if self.exclude.has_address(address) or any(map(self.exclude.has_name, [*names, *other_names])):
            return False
        return not self.include or self.include.has_address(address) or any(map(self.include.has_name, names))


def parse_list(setting: str, entries: Sequence[str]) -> SiteList:
    """Read one list.

    Raises:
        ConfigError: an entry is neither a name nor a network, or there are too many.
    """
    if len(entries) > _MAX_ENTRIES:
        raise ConfigError(setting, f"{len(entries)} entries", f"at most {_MAX_ENTRIES} entries")
    names: set[str] = set()
    endings: list[str] = []
    networks: list[Net] = []
    for entry in entries:
        network = _network(entry)
        name = entry.lower().removesuffix(".")
        if network is not None:
            networks.append(network)
        elif name.startswith("*.") and _is_name(name[2:]):
            endings.append(name[1:])
        elif _is_name(name):
            names.add(name)
        else:
            raise ConfigError(setting, entry, _ACCEPTED)
    return SiteList(frozenset(names), tuple(endings), tuple(networks))


def _is_name(text: str) -> bool:
    # A last label of digits alone is a mistyped address, and no name in use.
    return _NAME.fullmatch(text) is not None and not text.rpartition(".")[2].isdigit()


def _network(text: str) -> Net | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None
