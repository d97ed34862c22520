"""The root command: the table of commands, the settings file, and how errors end.

Exit status: 0 done; 1 it failed (one line on stderr says why); 2 wrong usage or a wrong value;
130 interrupted.
"""

from pathlib import Path
from typing import Annotated, cast

import typer

from hopsight import __version__
from hopsight.cli import admin, agent, demo, measure, report, score, server, sessions, simulate, up
from hopsight.cli.ending import end_with
from hopsight.cli.settings import Command, default_map
from hopsight.errors import HopsightError

app = typer.Typer(
    name="hopsight",
    help="See the network from where your users sit: endpoint network monitoring that you run yourself.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

app.command()(up.up)
app.command()(demo.demo)
app.command()(server.server)
app.add_typer(agent.app, name="agent")
app.command()(measure.measure)
app.command()(sessions.sessions)
app.command()(score.score)
app.command()(simulate.simulate)
app.add_typer(report.app, name="report")
app.add_typer(admin.app, name="admin")


def _print_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"hopsight {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            envvar="HOPSIGHT_CONFIG",
            help="Settings file. Default: hopsight.toml in the user's, else the system's settings directory.",
            show_default=False,
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback answers
        bool,
        typer.Option("--version", callback=lambda wanted: _print_version(wanted=wanted), is_eager=True),
    ] = False,
) -> None:
    """Flags win over HOPSIGHT_... variables, which win over the settings file."""
    context.default_map = default_map(cast(Command, context.command), config)


def main() -> None:
    """Run the command line and exit."""
    try:
        app(prog_name="hopsight")
    except HopsightError as error:
        end_with(error)
