"""AS numbers, who has them, and announced prefixes."""

import ipaddress
import re
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from hopsight.maxmind.file import MaxmindFile
from hopsight.maxmind.texts import first_text

SETTING: Final = "asn-database"
_ACCEPTED: Final = "a file in the MaxMind format (.mmdb) with AS numbers"
_NUMBER: Final = re.compile(r"(?:AS)?([0-9]{1,10})")
_MAX_ASN: Final = 2**32 - 1
_ORGANIZATIONS: Final = ("autonomous_system_organization", "as_name", "name", "organization")


class AsnEntry(Struct, frozen=True, gc=False):
    """Who announces an address.

    Args:
        prefix: the network that the file's entry is for, ``192.0.2.0/24``.
        organization: who has the number; None: the file does not say.
    """

    asn: int
    prefix: str
    organization: str | None = None

    @property
    def ip_range(self) -> str:
        """The prefix as the API writes ranges: ``192.0.2.0-192.0.2.255``."""
        network = ipaddress.ip_network(self.prefix)
        return f"{network.network_address}-{network.broadcast_address}"


class AsnDatabase:
    """An open file.

    Raises:
        ConfigError: there is no such file, or it is none with AS numbers.
    """

    def __init__(self, path: Path, setting: str = SETTING, *, mapped: bool = True) -> None:
        self._file = MaxmindFile(
            path, setting, _ACCEPTED, lambda record: _number(record) is not None, mapped=mapped
        )

    def find(self, address: str) -> AsnEntry | None:
        """Who announces a public address; None: not public, not in the file, or the file is damaged there."""
        found = self._file.find(address)
        asn = _number(found.record) if found is not None else None
        if found is None or asn is None:
            return None
        return AsnEntry(asn, str(found.network), first_text(found.record, _ORGANIZATIONS))

    def close(self) -> None:
        """Let the file go."""
        self._file.close()


def _number(record: Any) -> int | None:
    """The AS number, by the name of MaxMind and DB-IP, or by that of IPinfo (``AS64500``)."""
    if not isinstance(record, dict):
        return None
    found = record.get("autonomous_system_number", record.get("asn"))
    match = _NUMBER.fullmatch(str(found))
    number = int(match[1]) if match is not None else 0
    return number if 0 < number <= _MAX_ASN else None
