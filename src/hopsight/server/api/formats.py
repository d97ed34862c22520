"""JSON or XML: suffix, then ``Accept``, then ``format=``, then JSON (API.md section 1)."""

import re
from enum import StrEnum
from typing import Final

from litestar.exceptions import HTTPException

from hopsight.errors import InvalidValueError


class Format(StrEnum):
    """How an answer is written."""

    JSON = "json"
    XML = "xml"


SUFFIXES: Final = {".json": Format.JSON, ".xml": Format.XML}

_EXPLICIT, _PARTIAL, _ANY = 3, 2, 1
# Media range -> the formats that it names, and how precisely.
_RANGES: Final = {
    "application/json": ((Format.JSON,), _EXPLICIT),
    "application/hal+json": ((Format.JSON,), _EXPLICIT),
    "text/xml": ((Format.XML,), _EXPLICIT),
    "application/xml": ((Format.XML,), _EXPLICIT),
    "application/*": ((Format.JSON, Format.XML), _PARTIAL),
    "text/*": ((Format.XML,), _PARTIAL),
    "*/*": ((Format.JSON, Format.XML), _ANY),
}
_WEIGHT: Final = re.compile(r"q\s*=\s*([0-9](?:\.[0-9]*)?)", re.ASCII | re.IGNORECASE)
_NO_PREFERENCE: Final = frozenset({"", "*/*"})


def choose_format(suffix: Format | None, accept: str, asked: str | None) -> Format:
    """Decide how to answer.

    Args:
        suffix: what the path ended with.
        accept: the ``Accept`` header; empty: none.
        asked: the ``format`` parameter; None or empty: none.

    Raises:
        InvalidValueError: ``format`` is neither ``json`` nor ``xml``, even where it would not have decided.
        HTTPException: 406, ``Accept`` admits neither.
    """
    if asked and asked not in {"json", "xml"}:
        raise InvalidValueError("format", asked, "json or xml, in lower case")
    preferred = suffix or _preferred(accept)
    return preferred or (Format(asked) if asked else Format.JSON)


def _preferred(accept: str) -> Format | None:
    """What ``Accept`` prefers; None: no preference."""
    if accept in _NO_PREFERENCE:
        return None
    weights = {Format.JSON: (0, 0.0), Format.XML: (0, 0.0)}
    for entry in accept.split(","):
        media_range, _, parameters = entry.partition(";")
        formats, precision = _RANGES.get(media_range.strip().lower(), ((), 0))
        for format_ in formats:
            weights[format_] = max(weights[format_], (precision, _weight(parameters)))
    # A more precise range overrules the others for its format; then the weight decides, then precision.
    json, xml = ((weight, precision) for precision, weight in weights.values())
    if not json[0] and not xml[0]:
        accepted = "application/json, application/hal+json, text/xml, application/xml"
        raise HTTPException(status_code=406, detail=f"Accept admits no format of ours; accepted: {accepted}")
    if json == xml:
        return None
    return Format.JSON if json > xml else Format.XML


def _weight(parameters: str) -> float:
    match = _WEIGHT.search(parameters) if parameters else None
    return min(1.0, float(match[1])) if match else 1.0
