"""One open file in the MaxMind format: what it says of an address, whatever its bytes are like."""

import ipaddress
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from hopsight.errors import ConfigError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Spread over what is public: of a file that is not for a handful of networks, some of these are in it.
_SAMPLE_IPV4: Final = tuple(f"{first}.1.1.1" for first in range(1, 224))
_SAMPLE_IPV6: Final = (
    "2606:4700::1111",
    "2001:4860::1",
    "2400::1",
    "2600::1",
    "2800::1",
    "2a00::1",
    "2c0f::1",
)


class Entry(NamedTuple):
    """What a file has of an address, and the network that it says that of."""

    record: Any
    network: Network


class MaxmindFile:
    """Nothing of the file is kept in memory; looking up never raises, however damaged it is.

    Args:
        path: where it is.
        setting: what names it to the operator.
        accepted: what it should be, for the error.
        fits: whether a record is of the kind that is looked for.
        mapped: read through the page cache directly. Cheaper; but if somebody writes over the file instead of
            replacing it, the process ends: for short lives only.

    Raises:
        ConfigError: there is no such file, it is not of this format, or it has other things in it.
    """

    def __init__(
        self, path: Path, setting: str, accepted: str, fits: Callable[[Any], bool], *, mapped: bool
    ) -> None:
        # Late: who has no such file need not carry the reader.
        import maxminddb  # noqa: PLC0415

        # What a reader of bytes runs into when the bytes are wrong.
        self._broken: tuple[type[Exception], ...] = (
            maxminddb.InvalidDatabaseError,
            ArithmeticError,
            AttributeError,
            LookupError,
            OSError,
            RecursionError,
            TypeError,
            ValueError,
            struct.error,
        )
        try:
            if path.exists() and not path.is_file():
                raise ConfigError(setting, path, f"{accepted}: this is no file")
            self._reader = maxminddb.open_database(
                path, maxminddb.MODE_MMAP if mapped else maxminddb.MODE_FILE
            )
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(setting, path, f"{accepted} that can be read: {reason}") from None
        except self._broken as error:
            raise ConfigError(setting, path, f"{accepted}: {error}") from None
        fault = self._fault(fits)
        if fault is not None:
            self.close()
            raise ConfigError(setting, path, f"{accepted}: {fault}") from None

    def find(self, address: str) -> Entry | None:
        """What is known of a public address; None: not public, not in the file, or it is damaged there.

        Raises:
            ValueError: that is no address.
        """
        parsed = ipaddress.ip_address(address.partition("%")[0])
        if not parsed.is_global:
            return None
        try:
            record, length = self._reader.get_with_prefix_len(parsed)
            if record is None:
                return None
            return Entry(record, ipaddress.ip_network((parsed, length), strict=False))
        except self._broken:
            return None

    def close(self) -> None:
        """Let the file go."""
        self._reader.close()

    def _fault(self, fits: Callable[[Any], bool]) -> str | None:
        """What is wrong with the file as a whole: bytes that are none of this format, or another content."""
        seen = False
        try:
            both = self._reader.metadata().ip_version == 6  # noqa: PLR2004
            for address in (*_SAMPLE_IPV4, *(_SAMPLE_IPV6 if both else ())):
                record = self._reader.get(address)
                if fits(record):
                    return None
                seen = seen or record is not None
            kind = self._reader.metadata().database_type
        except self._broken as error:
            return str(error)
        # A small file, of somebody's own networks, may have nothing for any of these, and be right.
        return f"this one is of type {kind}" if seen else None
