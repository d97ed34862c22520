"""The root command and its table of commands."""

import typer

app = typer.Typer(
    name="hopsight",
    help="See the network from where your users sit.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line."""
    app()
