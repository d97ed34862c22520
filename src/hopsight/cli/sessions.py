"""``hopsight sessions``: read network sessions from a server, by the API that everybody else uses."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hopsight.cli.data_directory import DataOption

if TYPE_CHECKING:
    from hopsight.cli.sessions_client import SessionsClient, Wanted

INTERRUPTED = 130

FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="YYYY-mm-ddTHH:MM:SS", help="First round, UTC.", show_default=False),
]
ToOption = Annotated[
    str | None,
    typer.Option(metavar="YYYY-mm-ddTHH:MM:SS", help="Last round, UTC.", show_default=False),
]
FilterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="KEY=VALUE",
        help="Only these; repeatable. Values of one key are alternatives.",
        show_default=False,
    ),
]
FingerprintOption = Annotated[
    str | None,
    typer.Option(
        metavar="HEX",
        envvar="HOPSIGHT_FINGERPRINT",
        help="SHA-256 of the server's certificate, when it is self-signed.",
        show_default=False,
    ),
]
CaOption = Annotated[
    Path | None,
    typer.Option(
        envvar="HOPSIGHT_CA", help="PEM file of the authority that the server has.", show_default=False
    ),
]
WindowOption = Annotated[
    str | None,
    typer.Option(metavar="N[smhdw]", help="So far back. Default: the last round.", show_default=False),
]


class _Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def sessions(
    url: Annotated[
        str | None,
        typer.Option(envvar="HOPSIGHT_URL", help="Server. Default: the one on --data.", show_default=False),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="HOPSIGHT_TOKEN", help="Token. Default: the first one in --data.", show_default=False
        ),
    ] = None,
    aid: Annotated[
        int | None,
        typer.Option(help="Account group. Default: the token's own.", show_default=False),
    ] = None,
    window: WindowOption = None,
    from_: FromOption = None,
    to: ToOption = None,
    filter_: FilterOption = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values with a heading.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with new sessions as they come.")] = False,
    fingerprint: FingerprintOption = None,
    ca: CaOption = None,
    data: DataOption = None,
) -> None:
    """Print network sessions of the last round, or of the time asked for."""
    from hopsight.cli.sessions_client import Wanted, parse_filters

    if json and csv:
        raise typer.BadParameter("--json and --csv exclude each other")
    if follow and to is not None:
        raise typer.BadParameter("--follow has no end: it goes without --to")
    chosen = _Format.JSON if json else _Format.CSV if csv else _Format.TABLE
    wanted = Wanted(aid=aid, window=window, from_=from_, to=to, filters=parse_filters(filter_ or []))
    client = _client(url, token, fingerprint, ca, data)
    _run(client, wanted, chosen, follow=follow)


def _client(
    url: str | None, token: str | None, fingerprint: str | None, ca: Path | None, data: Path | None
) -> "SessionsClient":
    from hopsight.accounts.bootstrap_file import read_bootstrap
    from hopsight.cli.data_directory import data_directory
    from hopsight.cli.sessions_client import SessionsClient, tls_of
    from hopsight.clock import SystemClock
    from hopsight.errors import ConfigError
    from hopsight.pinning import own_fingerprint

    directory = data_directory(data)
    # The token of our own server is for our own server: with --url it must be given.
    known = read_bootstrap(directory) if url is None else None
    if known is not None:
        url, token = known.url, token or known.token
        if url.startswith("https:") and fingerprint is None and ca is None:
            fingerprint = own_fingerprint(directory)
    if url is None:
        raise ConfigError("server", "(none given)", f"--url, or a server's --data (none in {directory})")
    if token is None:
        raise ConfigError("token", "(none given)", "--token or HOPSIGHT_TOKEN")
    return SessionsClient(url, token, tls_of(fingerprint, ca), SystemClock())


def _run(client: "SessionsClient", wanted: "Wanted", chosen: _Format, *, follow: bool) -> None:
    import asyncio
    import os
    import sys

    from hopsight.cli.sessions_output import Printer

    try:
        asyncio.run(client.print_sessions(wanted, Printer(sys.stdout, chosen.value), follow=follow))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # The reader has had enough; what the interpreter flushes at its end must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
