"""CSV: what is written is what is read, and no cell is a formula."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from hopsight.server.web.export.csv_writing import Cell, Table, encode_csv, instant, neutralized

cells: st.SearchStrategy[Cell] = st.one_of(
    st.none(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=30)
)


@given(st.lists(st.lists(cells, min_size=2, max_size=2), max_size=5))
def test_what_is_written_is_read(rows: list[list[Cell]]) -> None:
    """Any reader of RFC 4180 gets every number and text back, in the same cells."""
    encoded = encode_csv(Table(columns=("a", "b"), rows=rows))
    header, *read = csv.reader(io.StringIO(encoded.decode(), newline=""))
    assert header == ["a", "b"]
    expected = [["" if cell is None else str(neutralized(cell)) for cell in row] for row in rows]
    assert read == expected
    for row, texts in zip(rows, read, strict=True):
        for cell, text in zip(row, texts, strict=True):
            if isinstance(cell, int | float):
                assert type(cell)(text) == cell


@given(st.sampled_from("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"), st.text(max_size=20))
def test_no_text_is_a_formula(start: str, rest: str) -> None:
    """A text that begins as a formula does is text for a spreadsheet; a negative number stays one."""
    (row,) = list(
        csv.reader(io.StringIO(encode_csv(Table(columns=("a",), rows=[[start + rest]])).decode(), newline=""))
    )[1:]
    assert row == [f"'{start}{rest}"]
    assert encode_csv(Table(columns=("a",), rows=[[-61], [-0.5]])) == b"a\r\n-61\r\n-0.5\r\n"


def test_bytes_are_those_of_the_rfc() -> None:
    """Commas, quotes and line ends within a cell are quoted, lines end with CRLF, letters are UTF-8."""
    table = Table(columns=("name", "value_ms"), rows=[['a, "b"\nc', None], ["Zürich", 0.0], ["x", 1.25]])
    assert encode_csv(table) == 'name,value_ms\r\n"a, ""b""\nc",\r\nZürich,0.0\r\nx,1.25\r\n'.encode()


def test_times_are_iso_8601() -> None:
    """Instants say that they are UTC; what never was is empty."""
    assert instant(1_600_041_600) == "2020-09-14T00:00:00Z"
    assert instant(None) is None
