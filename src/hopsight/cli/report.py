"""``hopsight report``: what whoever was handed a report can do with it, without a server or a network.

Exit status of ``verify``: 0 valid, and signed with the key that was named; 3 unchanged, but no key was named;
1 not valid; 2 wrong usage.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from hopsight.server.reports.signing import Checked

UNCHECKED: Final = 3
_MAX_KEY_BYTES: Final = 8 << 10

app = typer.Typer(
    name="report", help="Signed reports of a period.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def _report() -> None:
    """Signed reports of a period."""


@app.command()
def verify(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Signed report (JSON); - for standard input.")],
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="PEM", help="Public key that must have signed it.", show_default=False),
    ] = None,
    fingerprint: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="SHA-256 of the key that must have signed it.", show_default=False),
    ] = None,
) -> None:
    """Check that a signed report is as it was signed, and by whom; needs no network.

    Exit status: 0 valid; 3 unchanged, but neither --key nor --fingerprint was given, so the signer is not
    checked; 1 not valid; 2 wrong usage.
    """
    _require_cryptography()
    from hopsight.server.reports.signing import InvalidReportError, check, read_public_key

    expected = None if fingerprint is None else _fingerprint(fingerprint)
    public = None if key is None else read_public_key(_read(str(key), _MAX_KEY_BYTES))
    try:
        checked = check(_read(file), public, expected)
    except InvalidReportError as error:
        typer.echo(f"INVALID: {_printable(error)}", err=True)
        raise typer.Exit(1) from None
    if checked.signer_checked:
        typer.echo(f"VALID: unchanged, and signed with the key {checked.fingerprint}")
    else:
        typer.echo("Unchanged since signing; signer NOT checked (give --key or --fingerprint)")
        typer.echo(f"key       {checked.fingerprint} (as the document says)")
    typer.echo(f"SHA-256   {checked.digest}")
    _describe(checked)
    if not checked.signer_checked:
        raise typer.Exit(UNCHECKED)


def _describe(checked: "Checked") -> None:
    """Say what it is of; one of a later version is as valid, but cannot be read."""
    from hopsight.errors import InvalidValueError
    from hopsight.server.reports.document import decode_report

    try:
        report = decode_report(checked.payload)
    except InvalidValueError:
        typer.echo("Another version of Hopsight has written it: its contents are not shown")
        return
    simulated = "  SIMULATED: nothing was measured" if report.simulated else ""
    group = f"{_printable(report.organization)}, account group {_printable(report.account_group)}"
    typer.echo(f"from      {group}{simulated}")
    typer.echo(f"period    {_printable(report.start)} to {_printable(report.end)}")
    typer.echo(f"made      {_printable(report.created)} by {_printable(report.software)}")
    typer.echo(f"sessions  {report.whole.sessions} of {report.whole.agents} agents")


def _printable(value: object) -> str:
    from hopsight.cli.output import printable

    return printable(value)


def _fingerprint(text: str) -> str:
    import re

    from hopsight.errors import ConfigError

    found = text.replace(":", "").lower()
    if re.fullmatch(r"[0-9a-f]{64}", found) is None:
        raise ConfigError("--fingerprint", text, "64 hexadecimal digits, with or without colons")
    return found


def _read(file: str, most: int | None = None) -> bytes:
    """A file's bytes, one more than may be at the most, for the check to refuse.

    Raises:
        ConfigError: it cannot be read.
    """
    import sys

    from hopsight.errors import ConfigError
    from hopsight.server.reports.signing import MAX_ENVELOPE_BYTES

    size = (MAX_ENVELOPE_BYTES if most is None else most) + 1
    try:
        if file == "-":
            return sys.stdin.buffer.read(size)
        with Path(file).open("rb") as stream:
            return stream.read(size)
    except OSError as error:
        raise ConfigError("file", file, f"one that can be read ({error.strerror})") from None
    except ValueError:
        raise ConfigError("file", file, "the name of a file") from None


def _require_cryptography() -> None:
    """Say what to install.

    Raises:
        ConfigError: the library is not there.
    """
    from importlib.util import find_spec

    from hopsight.errors import ConfigError

    if find_spec("cryptography") is None:
        raise ConfigError("installation", "hopsight", "the library too: pip install cryptography")
