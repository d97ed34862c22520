"""Where our files are: the option that says so."""

from pathlib import Path
from typing import Annotated

import typer

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="HOPSIGHT_DATA",
        file_okay=False,
        help="Directory of what Hopsight keeps. Default: hopsight in the user's data directory.",
        show_default=False,
    ),
]


def data_directory(chosen: Path | None) -> Path:
    """The directory asked for, or the user's own."""
    if chosen is not None:
        return chosen
    import platformdirs

    return platformdirs.user_data_path("hopsight")
