"""``hopsight agent install`` and ``uninstall``: the agent as a systemd service."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hopsight.cli.agent_options import ConnectionStringOption

if TYPE_CHECKING:
    from hopsight.agent.install import Service

RootOption = Annotated[
    Path | None,
    typer.Option(
        file_okay=False, help="Write below this directory: for images. Needs no root.", show_default=False
    ),
]

_NOT_SETTINGS: Final = {"once", "stop_with_stdin", "data"}


def install(
    context: typer.Context,
    connection_string: ConnectionStringOption = None,
    print_: Annotated[
        bool, typer.Option("--print", help="Show what would be written, secrets excepted; write nothing.")
    ] = False,
    user: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Run as this user. Default: one that systemd makes.", show_default=False
        ),
    ] = None,
    program: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="The hopsight program to run. Default: this one.", show_default=False
        ),
    ] = None,
    root: RootOption = None,
) -> None:
    """Write a systemd unit with only the rights that the agent needs, and a file with its settings.

    Settings are given as for running, in front: `hopsight agent --passive --redact ssid install`. They go
    into a file that only root reads, the connection string with them. Without any, the file that is there
    stays as it is.
    """
    from hopsight.agent.install import (
        ENVIRONMENT_PATH,
        SECRET_VARIABLE,
        UNIT_PATH,
        environment_text,
        unit_text,
        write_files,
    )

    settings = _given(context)
    if connection_string:
        settings[SECRET_VARIABLE] = connection_string
    service = _service(program, user, settings)
    unit, place = unit_text(service), root or Path("/")
    if print_:
        typer.echo(f"# {place / UNIT_PATH}\n{unit}\n# {place / ENVIRONMENT_PATH} (mode 0600)")
        typer.echo(environment_text(settings, show_secrets=False), nl=False)
        return
    _require_root(root, "install")
    _check_settings(context, connection_string)
    keep = not settings and (place / ENVIRONMENT_PATH).exists()
    again = (place / UNIT_PATH).exists()
    for path in write_files(place, unit, None if keep else environment_text(settings)):
        typer.echo(f"written: {path}")
    if keep:
        typer.echo(f"kept: {place / ENVIRONMENT_PATH}")
    elif SECRET_VARIABLE not in settings:
        typer.echo(f"Put {SECRET_VARIABLE}=... into {place / ENVIRONMENT_PATH} before the first start.")
    if root is None:
        then = "restart" if again else "enable --now"
        typer.echo(f"Next: systemctl daemon-reload && systemctl {then} hopsight-agent")


def uninstall(root: RootOption = None) -> None:
    """Remove unit and settings file. What the agent keeps stays, until you remove it."""
    from hopsight.agent.install import STATE_NAME, remove_files

    _require_root(root, "uninstall")
    removed = remove_files(root or Path("/"))
    for path in removed:
        typer.echo(f"removed: {path}")
    if not removed:
        typer.echo("nothing was installed")
    elif root is None:
        typer.echo(
            "Next: systemctl disable --now hopsight-agent; systemctl daemon-reload. "
            f"Identity and waiting records are in /var/lib/{STATE_NAME}"
        )


def _given(context: typer.Context) -> dict[str, str]:
    """The settings that were given to the agent by flags or variables, by the names of their variables."""
    group = context.parent
    if group is None:
        return {}
    settings: dict[str, str] = {}
    for parameter in group.command.params:
        name, variable = parameter.name or "", parameter.envvar
        source = group.get_parameter_source(name)
        if name in _NOT_SETTINGS or not isinstance(variable, str) or source is None:
            continue
        value: Any = group.params.get(name)
        if source.name in {"COMMANDLINE", "ENVIRONMENT"} and value not in (None, False, (), []):
            settings[variable] = _as_variable(value)
    return settings


def _as_variable(value: Any) -> str:
    # The command line library splits variables of repeatable options at white space.
    if isinstance(value, list | tuple):
        return " ".join(str(item) for item in value)
    if isinstance(value, Path):
        # A service starts elsewhere.
        return str(value.resolve())
    return "1" if value is True else str(value)


def _check_settings(context: typer.Context, connection_string: str | None) -> None:
    """What a start would refuse is refused now, while somebody is looking."""
    from hopsight.agent.delivery.server_route import route_to
    from hopsight.agent.passive.sites import SiteFilter
    from hopsight.agent.privacy.redaction import Redaction
    from hopsight.agent.surroundings import check_targets
    from hopsight.cli.agent_options import agent_config
    from hopsight.maxmind.asn import AsnDatabase
    from hopsight.model.connection import parse_connection_string

    if context.parent is None:
        return
    config = agent_config(Path(), context.parent.params)
    check_targets(config.targets)
    Redaction(config.redact)
    SiteFilter.parse(config.passive_include, config.passive_exclude)
    if config.asn_database is not None:
        AsnDatabase(config.asn_database).close()
    route_to("https://localhost", config)
    text = connection_string or config.connection_string
    if text is not None:
        parse_connection_string(text)


def _service(program: Path | None, user: str | None, settings: dict[str, str]) -> "Service":
    from hopsight.agent.install import Service, check_command, needs_raw

    command = _command(program)
    check_command(command[0])
    passive = "HOPSIGHT_PASSIVE" in settings
    raw = passive or needs_raw(user)
    return Service(command=(*command, "agent"), user=user, raw=raw, packets=passive)


def _command(program: Path | None) -> tuple[str, ...]:
    import sys

    if program is not None:
        return (str(program.absolute()),)
    script = Path(sys.argv[0]).absolute()
    if script.name == "hopsight" and script.is_file():
        return (str(script),)
    return (sys.executable, "-m", "hopsight")


def _require_root(root: Path | None, action: str) -> None:
    import os

    from hopsight.errors import HopsightError

    if root is None and hasattr(os, "geteuid") and os.geteuid() != 0:
        alternative = "; --print shows what would be written" if action == "install" else ""
        raise HopsightError(f"To {action} a service takes root: run it again with sudo{alternative}")
