"""AS numbers and announced prefixes from a file in the MaxMind format; none comes with us."""

import ipaddress
import re
import struct
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from hopsight.errors import ConfigError

_SETTING: Final = "asn-database"
_ACCEPTED: Final = "a file in the MaxMind format (.mmdb) with AS numbers"
_PROBE: Final = ("1.1.1.1", "2606:4700::1111")
_NUMBER: Final = re.compile(r"(?:AS)?([0-9]{1,10})")
_MAX_ASN: Final = 2**32 - 1


class AsnEntry(Struct, frozen=True, gc=False):
    """Who announces an address.

    Args:
        prefix: the network that the file's entry is for, ``192.0.2.0/24``.
    """

    asn: int
    prefix: str


class AsnDatabase:
    """An open file. Pages of it are read as they are needed; nothing else of it is kept in memory.

    Raises:
        ConfigError: there is no such file, or it is not of this format.
    """

    def __init__(self, path: Path) -> None:
        # Late: agents without such a file need not carry the reader.
        import maxminddb  # noqa: PLC0415

        # What a reader of bytes runs into when the bytes are wrong.
        self._broken: tuple[type[Exception], ...] = (
            maxminddb.InvalidDatabaseError,
            ArithmeticError,
            AttributeError,
            LookupError,
            RecursionError,
            TypeError,
            ValueError,
            struct.error,
        )
        try:
            self._reader = maxminddb.open_database(path, maxminddb.MODE_MMAP)
            for address in _PROBE[: 2 if self._reader.metadata().ip_version == 6 else 1]:  # noqa: PLR2004
                self._reader.get(address)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(_SETTING, path, f"{_ACCEPTED} that can be read: {reason}") from None
        except self._broken as error:
            raise ConfigError(_SETTING, path, f"{_ACCEPTED}: {error}") from None

    def find(self, address: str) -> AsnEntry | None:
        """Who announces a public address; None: not public, not in the file, or the file is damaged there."""
        parsed = ipaddress.ip_address(address.partition("%")[0])
        if not parsed.is_global:
            return None
        try:
            record, length = self._reader.get_with_prefix_len(parsed)
        except self._broken:
            return None
        asn = _number(record)
        if asn is None:
            return None
        return AsnEntry(asn, str(ipaddress.ip_network((parsed, length), strict=False)))

    def close(self) -> None:
        """Let the file go."""
        self._reader.close()


def _number(record: Any) -> int | None:
    """The AS number, by the name of MaxMind and DB-IP, or by that of IPinfo (``AS64500``)."""
    if not isinstance(record, dict):
        return None
    found = record.get("autonomous_system_number", record.get("asn"))
    match = _NUMBER.fullmatch(str(found))
    number = int(match[1]) if match is not None else 0
    return number if 0 < number <= _MAX_ASN else None
