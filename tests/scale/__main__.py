"""A whole installation on the loopback, under load, losing one thing after the other: what that costs.

``python -m tests.scale`` prints a table; ``--json FILE`` keeps the figures. Nothing here leaves the machine.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import TextIO

from tests.scale.faults import FAULTS
from tests.scale.report import as_json, table
from tests.scale.run import Plan, run


def main() -> int:
    """Run it; 0: nothing acknowledged was lost, nothing came twice, and no page changed."""
    parser = argparse.ArgumentParser(prog="python -m tests.scale", description=__doc__)
    parser.add_argument("--agents", type=int, default=300, help="simulated agents that upload")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between uploads of an agent")
    parser.add_argument("--servers", type=int, default=3, help="Hopsight servers behind nginx")
    parser.add_argument("--down", type=float, default=15.0, help="seconds until what was killed starts again")
    parser.add_argument(
        "--frozen", type=float, default=30.0, help="seconds for which what is stopped stands still"
    )
    parser.add_argument("--calm", type=float, default=25.0, help="seconds between one fault and the next")
    parser.add_argument("--only", nargs="*", choices=sorted(FAULTS), help="these faults alone")
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--logs", type=Path, help="copy the servers' logs there")
    given = parser.parse_args()
    plan = Plan(
        agents=given.agents,
        every_s=given.every,
        servers=given.servers,
        down_s=given.down,
        frozen_s=given.frozen,
        calm_s=given.calm,
        faults=tuple(given.only or FAULTS),
    )
    outcome = asyncio.run(run(plan, lambda line: _say(line, sys.stderr), given.logs))
    _say(table(outcome), sys.stdout)
    if given.json:
        given.json.write_text(json.dumps(as_json(outcome), indent=2) + "\n")
    return 0 if outcome.is_whole else 1


def _say(line: str, where: TextIO) -> None:
    where.write(f"{line}\n")
    where.flush()


if __name__ == "__main__":
    sys.exit(main())
