"""Tables as CSV: RFC 4180, UTF-8, a header row; no cell that a spreadsheet takes for a formula. Pure."""

import csv
import io
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from hopsight.model.times import format_instant

Cell = str | int | float | None
"""None: not measured, or not known; written as nothing, never as zero."""

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are the first four in full width, which some spreadsheets read alike."""


class Table(Struct, frozen=True, kw_only=True):
    """A table: the names of its columns, with their units, and its rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def encode_csv(table: Table) -> bytes:
    """Write it, the names of the columns first."""
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow(table.columns)
    writer.writerows([[neutralized(cell) for cell in row] for row in table.rows])
    return written.getvalue().encode()


def neutralized(cell: Cell) -> Cell:
    """Text that a spreadsheet would run as a formula gets an apostrophe before it; numbers are numbers."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell


def instant(time_s: float | None) -> str | None:
    """Epoch seconds as ISO 8601, UTC."""
    return None if time_s is None else format_instant(time_s)


def instant_of(date: str) -> str:
    """A date as the API writes it (``2020-09-14 10:00:00``), as ISO 8601."""
    return f"{date.replace(' ', 'T')}Z"
