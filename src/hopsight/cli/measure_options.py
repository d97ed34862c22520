"""Options of ``hopsight measure`` that say over what and how far to look."""

from pathlib import Path
from typing import Annotated

import typer

IPV4 = Annotated[bool, typer.Option("--ipv4", help="Only IPv4. Default: each family that a name has.")]
IPV6 = Annotated[bool, typer.Option("--ipv6", help="Only IPv6.")]
PATH = Annotated[
    bool | None,
    typer.Option(
        "--path/--no-path",
        help="Print segments and hops too; or do not even trace, which leaves the provider unknown. "
        "Default: trace.",
    ),
]
FETCH = Annotated[
    bool,
    typer.Option(
        "--fetch",
        help="Fetch the page / of each target with port 80, 443 or a name without one, too, and print its "
        "phases.",
    ),
]
ASN_DATABASE = Annotated[
    Path | None,
    typer.Option(
        envvar="HOPSIGHT_ASN_DATABASE", help="MaxMind-format file with AS numbers, for the hops of --path."
    ),
]
