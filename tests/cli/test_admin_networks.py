"""``hopsight admin network``: the shapes that scripts read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hopsight.cli.admin import app
from hopsight.errors import HopsightError, NotFoundError

NETWORK = "0123456789ab"


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    """Run a command with ``--json``; its document."""

    def run_command(*arguments: str) -> Any:
        result = CliRunner().invoke(app, [*arguments, "--json", "--data", str(tmp_path)])
        if isinstance(result.exception, HopsightError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run_command


def test_a_network_is_named_listed_and_unnamed(run: Callable[..., Any]) -> None:
    """South and west are numbers below zero, no options; the ID is told as it is stored."""
    run("org", "create", "Acme")
    run("account-group", "create", "Main")
    group = ("--account-group", "1")
    place = ("--location", "Santiago", "--latitude", "-33.45", "--longitude", "-70.66", "--org-name", "Acme")
    named = {"aid": 1, "networkId": NETWORK}
    assert run("network", "name", NETWORK.upper(), *group, *place) == named
    listed = named | {"location": "Santiago", "latitude": -33.45, "longitude": -70.66, "orgName": "Acme"}
    assert run("network", "list") == run("network", "list", *group) == {"networks": [listed]}
    assert run("network", "unname", NETWORK, *group) == named
    assert run("network", "list", *group) == {"networks": []}
    with pytest.raises(NotFoundError):
        run("network", "unname", NETWORK, *group)
