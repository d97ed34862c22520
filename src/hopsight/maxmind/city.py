"""Places of addresses: what they are called, and where on earth that is, about."""

import math
from pathlib import Path
from typing import Any, Final

from hopsight.maxmind.file import MaxmindFile
from hopsight.maxmind.texts import MAX_CHARS, clean_text, first_text
from hopsight.model.user_sessions import Coordinates

_ACCEPTED: Final = "a file in the MaxMind format (.mmdb) with cities or countries"
_MAX_LATITUDE: Final = 90.0
_MAX_LONGITUDE: Final = 180.0
_LANGUAGE: Final = "en"
# As MaxMind and DB-IP have it, then flat: IPinfo, ip-location-db.
_CITY: Final = ("city",)
_REGION: Final = ("subdivisions", "region", "state1")
_COUNTRY: Final = ("country", "country_name", "country_code")


class CityDatabase:
    """An open file.

    Raises:
        ConfigError: there is no such file, or it is none with places.
    """

    def __init__(self, path: Path, setting: str) -> None:
        self._file = MaxmindFile(
            path, setting, _ACCEPTED, lambda record: _place(record) is not None, mapped=False
        )

    def find(self, address: str) -> Coordinates | None:
        """Where a public address is; None: not public, not in the file, or the file is damaged there."""
        found = self._file.find(address)
        return None if found is None else _place(found.record)

    def close(self) -> None:
        """Let the file go."""
        self._file.close()


def _place(record: Any) -> Coordinates | None:
    """A place, in the shape of MaxMind and DB-IP, or in a flat one; None: there is none."""
    if not isinstance(record, dict):
        return None
    inside = record.get("location")
    where = inside if isinstance(inside, dict) else record
    latitude = _degrees(where.get("latitude", where.get("lat")), _MAX_LATITUDE)
    longitude = _degrees(where.get("longitude", where.get("lng")), _MAX_LONGITUDE)
    both = latitude is not None and longitude is not None
    name = _name(record)
    if not both and name is None:
        return None
    return Coordinates(
        latitude=latitude if both else None, longitude=longitude if both else None, location=name
    )


def _name(record: dict[str, Any]) -> str | None:
    """``London, England, United Kingdom``: as much of it as the record has, each name once."""
    parts = (_first_called(record, keys) for keys in (_CITY, _REGION, _COUNTRY))
    name = ", ".join(dict.fromkeys(part for part in parts if part is not None))
    return name[:MAX_CHARS] or None


def _first_called(record: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((name for key in keys if (name := _called(record.get(key))) is not None), None)


def _called(value: Any) -> str | None:
    if isinstance(value, list):
        # Subdivisions: the largest first.
        return _called(value[0]) if value and isinstance(value[0], dict) else None
    if not isinstance(value, dict):
        return clean_text(value)
    names = value.get("names")
    if not isinstance(names, dict):
        return first_text(value, ("name", "iso_code"))
    return clean_text(names.get(_LANGUAGE)) or next(
        (text for each in names.values() if (text := clean_text(each)) is not None), None
    )


def _degrees(value: Any, most: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        degrees = float(value)
    except (ValueError, OverflowError):
        return None
    return degrees if math.isfinite(degrees) and abs(degrees) <= most else None
