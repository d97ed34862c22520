"""Laboratories for tests, where the machine can have one."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from tests.netlab.lab import Lab, possible
from tests.netlab.world import World

OpenLab = Callable[[World], Lab]


@pytest.fixture
def open_lab(require: Callable[[bool, str], None]) -> Iterator[OpenLab]:
    """Opens a laboratory that ends with the test."""
    require(possible(), "needs root, ip and /dev/net/tun")
    with ExitStack() as opened:
        yield lambda world: opened.enter_context(Lab(world))


@pytest.fixture
def measure() -> Callable[..., dict[str, dict[str, Any]]]:
    """Measures targets in a laboratory, by the command; what it found, by target."""

    def run(lab: Lab, *words: str) -> dict[str, dict[str, Any]]:
        done = lab.run("python", "-m", "hopsight", "measure", "--json", "--no-path", *words)
        assert done.returncode == 0, done.stderr
        return lines_by_target(done.stdout)

    return run


def lines_by_target(output: str) -> dict[str, dict[str, Any]]:
    """Lines of ``hopsight measure --json``, by target."""
    found = [json.loads(line) for line in output.splitlines()]
    return {line["target"]: line for line in found}
