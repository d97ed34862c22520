"""Options that every bench takes, and the folder in which benches of one run share what they built."""

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path

from benchmarks.report import Bench, run
from benchmarks.servers import split_cores

MILLION = 1_000_000


def parser(description: str) -> argparse.ArgumentParser:
    """The options of a bench."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--json", action="store_true", help="one JSON object for each bench, on stdout")
    options.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default: 5)")
    options.add_argument(
        "--seconds", type=float, default=5.0, help="length of one load in a round (default: 5)"
    )
    options.add_argument("--records", type=int, default=MILLION, help="size of the large store (default: 1M)")
    options.add_argument(
        "--agents", type=int, default=70, help="agents that the large store's records are of"
    )
    options.add_argument(
        "--sessions", type=int, default=MILLION, help="size of the dashboard's store (default: 1M)"
    )
    options.add_argument("--store", type=Path, help="keep the dashboard's store here, or use what is there")
    options.add_argument("--seed", type=int, default=1, help="of the data (default: 1)")
    return options


def run_alone(bench: Bench, description: str | None) -> None:
    """Run one bench as a program."""
    run_all([bench], parser(description or "").parse_args())


def run_all(benches: Iterable[Bench], arguments: argparse.Namespace) -> None:
    """Run benches one after the other, with a core for servers and a folder that is gone afterwards."""
    arguments.core, arguments.load_core = split_cores()
    with tempfile.TemporaryDirectory(prefix="hopsight-bench-") as folder:
        arguments.workspace = Path(folder)
        for bench in benches:
            run(bench, arguments)
