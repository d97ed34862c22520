"""The options of the agent, and the settings that they make."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hopsight.config import DAY_S, AgentConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

SPOOL_BYTES: Final = 256 << 20
SPOOL_DAYS: Final = 30

ConnectionStringOption = Annotated[
    str | None,
    typer.Option(
        envvar="HOPSIGHT_CONNECTION_STRING",
        help="Server and account group to report to, as `hopsight admin connection-string create` prints "
        "it. Needed for the first start only; another one later enrols this machine anew.",
        show_default=False,
    ),
]
TargetOption = Annotated[
    list[str] | None,
    typer.Option(
        envvar="HOPSIGHT_TARGET",
        metavar="HOST[:PORT]",
        help="Measure this besides what the server asks for; repeatable. When nobody names a target: the "
        "default gateway, the DNS servers and the Hopsight server.",
        show_default=False,
    ),
]
OnceOption = Annotated[
    bool, typer.Option("--once", help="One round, upload, exit; status 1 when it was not delivered.")
]
LocationOption = Annotated[
    str | None,
    typer.Option(envvar="HOPSIGHT_LOCATION", help="Name of the place of this machine.", show_default=False),
]
NameOption = Annotated[
    str | None,
    typer.Option(
        envvar="HOPSIGHT_NAME",
        help="What the API calls this agent. Default: the computer's name.",
        show_default=False,
    ),
]
SpoolBytesOption = Annotated[
    int,
    typer.Option(envvar="HOPSIGHT_SPOOL_BYTES", min=2 << 20, help="Most that waiting records take on disk."),
]
SpoolDaysOption = Annotated[
    int,
    typer.Option(envvar="HOPSIGHT_SPOOL_DAYS", min=1, max=3_650, help="Days that records wait at most."),
]
TopologyOption = Annotated[
    bool,
    typer.Option(
        envvar="HOPSIGHT_TOPOLOGY",
        help="Probe the gateway, the proxy and the VPN's other end every five minutes.",
    ),
]
FetchOption = Annotated[
    bool,
    typer.Option(
        "--fetch",
        envvar="HOPSIGHT_FETCH",
        help="Fetch the page / of each target with port 80, 443 or none, after each measurement.",
    ),
]
PassiveOption = Annotated[
    bool,
    typer.Option(
        "--passive",
        envvar="HOPSIGHT_PASSIVE",
        help="Watch this machine's own TCP connections as they close, too; nothing is sent for it.",
    ),
]
PassiveIncludeOption = Annotated[
    list[str] | None,
    typer.Option(
        envvar="HOPSIGHT_PASSIVE_INCLUDE",
        metavar="SITE",
        help="Watch only these (*.example.com, 192.0.2.0/24); repeatable.",
        show_default=False,
    ),
]
PassiveExcludeOption = Annotated[
    list[str] | None,
    typer.Option(
        envvar="HOPSIGHT_PASSIVE_EXCLUDE",
        metavar="SITE",
        help="Never watch these; repeatable. Wins over include.",
        show_default=False,
    ),
]
AsnDatabaseOption = Annotated[
    Path | None,
    typer.Option(
        envvar="HOPSIGHT_ASN_DATABASE",
        help="MaxMind-format file with AS numbers, for the hops of paths.",
        show_default=False,
    ),
]
RedactOption = Annotated[
    list[str] | None,
    typer.Option(
        envvar="HOPSIGHT_REDACT",
        metavar="WHAT",
        help="Never tell this (ssid, visited-site, path, ...: docs/agent.md has all); repeatable.",
        show_default=False,
    ),
]
ProxyOption = Annotated[
    str | None,
    typer.Option(
        envvar="HOPSIGHT_PROXY",
        metavar="http://[USER:PASSWORD@]HOST:PORT",
        help="Upload through this proxy. Default: what https_proxy, http_proxy and no_proxy say.",
        show_default=False,
    ),
]
CaFileOption = Annotated[
    Path | None,
    typer.Option(
        envvar="HOPSIGHT_CA_FILE",
        help="PEM file of the authorities that the server's certificate may come from.",
        show_default=False,
    ),
]
ClientCertificateOption = Annotated[
    Path | None,
    typer.Option(
        envvar="HOPSIGHT_CLIENT_CERTIFICATE",
        help="PEM file of the certificate to show to the server (or to what stands before it).",
        show_default=False,
    ),
]
ClientKeyOption = Annotated[
    Path | None,
    typer.Option(
        envvar="HOPSIGHT_CLIENT_KEY",
        help="PEM file of its key, without a password. Default: in the same file.",
        show_default=False,
    ),
]
StopWithStdinOption = Annotated[bool, typer.Option("--stop-with-stdin", hidden=True)]


def agent_config(data: Path, given: "Mapping[str, Any]") -> AgentConfig:
    """The settings that the options make (``given`` by their names in Python)."""
    from hopsight.agent.profile.proxies import proxy_variables

    return AgentConfig(
        data=data,
        connection_string=given["connection_string"] or None,
        targets=tuple(given["target"] or ()),
        location=given["location"] or None,
        agent_name=given["name"] or None,
        spool_bytes=given["spool_bytes"],
        spool_age_s=given["spool_days"] * DAY_S,
        topology=given["topology"],
        fetch=given["fetch"],
        passive=given["passive"],
        passive_include=tuple(given["passive_include"] or ()),
        passive_exclude=tuple(given["passive_exclude"] or ()),
        asn_database=given["asn_database"],
        redact=tuple(given["redact"] or ()),
        proxy=given["proxy"] or None,
        proxy_variables=proxy_variables(os.environ),
        ca_file=given["ca_file"],
        client_certificate=given["client_certificate"],
        client_key=given["client_key"],
    )
