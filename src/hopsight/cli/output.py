"""Printing for people and for scripts: the same facts, as a line, a table, or one JSON document."""

from collections.abc import Mapping, Sequence

import typer


def printable(value: object) -> str:
    """A value as a terminal may show it: what came from elsewhere cannot move the cursor."""
    if value is None:
        return "-"
    return "".join(char if char.isprintable() else "?" for char in str(value))


def print_json(document: object) -> None:
    """One JSON document, on one line."""
    import msgspec

    typer.echo(msgspec.json.encode(document))


def print_result(document: Mapping[str, object], sentence: str, *, as_json: bool) -> None:
    """What a command did."""
    if as_json:
        print_json(document)
    else:
        typer.echo(sentence)


def print_listing(name: str, rows: Sequence[Mapping[str, object]], *, as_json: bool) -> None:
    """What there is: ``{name: rows}``, or a table whose columns are the keys of the rows."""
    if as_json:
        print_json({name: rows})
    elif rows:
        _print_table(list(rows[0]), [[printable(value) for value in row.values()] for row in rows])
    else:
        typer.echo(f"no {name}", err=True)


def _print_table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    widths = [max(len(cell) for cell in column) for column in zip(columns, *lines, strict=True)]
    for line in (columns, *lines):
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        typer.echo("  ".join(padded).rstrip())
