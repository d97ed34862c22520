"""The commands on the pages about resources work: each is run, as it stands there, against a server."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.server.api.v7.conftest import working_day

from hopsight.accounts.accounts import Accounts
from hopsight.accounts.incidents import IncidentChange
from hopsight.clock import SystemClock
from hopsight.model.alerts import AlertRule, Cause, MaintenanceWindow

PAGES = sorted((Path(__file__).parents[1] / "docs" / "reference" / "resources").glob("*.md"))
HEADING = re.compile(r"^## (\w+) (\S+)$((?:(?!^## ).)*?)^```\n(curl .*?)\n```$", re.MULTILINE | re.DOTALL)
# What changes much is run after everything else of its page, in this order.
LAST = (
    "/disable",
    "{tokenId}/delete",
    "/delete",
    "DELETE /v6",
    "/restore",
    "/transfer",
    "DELETE /v7",
    "DELETE /hopsight",
)


def hopsight(*words: str) -> Any:
    """Run a command of ours to its end; what it prints, as JSON."""
    run = subprocess.run(
        [sys.executable, "-m", "hopsight", *words, "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def answer_of(url: str, token: str) -> Any:
    """What a resource answers."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server with a simulated fleet, and the names that the commands use for what is on it."""
    data = tmp_path_factory.mktemp("server")
    words = ["server", "--data", str(data), "--listen", "127.0.0.1:0", "--rate-limit", "10000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "hopsight", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"https?://\S+", process.stdout.readline())
        assert found is not None
        yield _variables(found[0], data)
    finally:
        process.kill()
        process.communicate()


def _variables(url: str, data: Path) -> dict[str, str]:
    here = ("--data", str(data))
    key = hopsight("admin", "connection-string", "create", "--account-group", "1", "--url", url, *here)
    plan = ("--agents", "4", "--hours", "0.3", "--end", working_day())
    hopsight("simulate", "--connection-string", key["connectionString"], *plan)
    other, spare = (
        str(hopsight("admin", "account-group", "create", name, "--org", "1", *here)["aid"])
        for name in ("Other", "Spare")
    )
    groups = ("--account-group", "1", "--account-group", other, "--account-group", spare)
    hopsight("admin", "user", "create", "ann@example.com", "--role", "org-admin", *groups, *here)
    token = hopsight("admin", "token", "create", "ann@example.com", *here)["token"]
    hopsight("admin", "user", "create", "bob@example.com", "--role", "user", "--account-group", "1", *here)
    hopsight("admin", "token", "create", "bob@example.com", *here)
    users = answer_of(f"{url}/v6/users", token)["users"]
    bob = next(user["uid"] for user in users if user["email"] == "bob@example.com")
    tokens = answer_of(f"{url}/v6/users/{bob}/tokens", token)["tokens"]
    own = f"{url}/hopsight/v1"
    page = answer_of(f"{url}/v6/endpoint-data/user-sessions/web?window=8d", token)["webSessions"][0]
    agents = [each["agentId"] for each in answer_of(f"{url}/v6/endpoint-agents", token)["endpointAgents"]]
    probe = answer_of(f"{own}/network-probes", token)["networkProbes"][0]
    rule_id, incident_id, window_id = _alerts(data, page["agentId"])
    return {
        "URL": url,
        "TOKEN": token,
        "AID": "1",
        "GROUP_ID": "1",
        "OTHER_AID": other,
        "USER_SESSION_ID": page["userSessionId"],
        "PAGE_ID": page["pageId"],
        "AGENT_ID": page["agentId"],
        "AGENT_ID_V7": next(each for each in agents if each != page["agentId"]),
        "ACCOUNT_GROUP_ID": spare,
        "ID": page["userSessionId"],
        "NETWORK_TOPOLOGY_ID": probe["networkProbeId"],
        "USER_ID": str(bob),
        "TOKEN_ID": str(tokens[0]["tokenId"]),
        "ROLE_ID": "1",
        "NETWORK_PROBE_ID": probe["networkProbeId"],
        "RULE_ID": str(rule_id),
        "INCIDENT_ID": str(incident_id),
        "WINDOW_ID": str(window_id),
    }


def _alerts(data: Path, agent_id: str) -> tuple[int, int, int]:
    """A rule, an incident of it and a maintenance window: beside the server, as its commands work."""
    accounts = Accounts.open(None, data, SystemClock())
    try:
        rule_id = accounts.alerts.rules.add(1, AlertRule(name="Slow", metric="latency", threshold=9))
        window_id = accounts.alerts.rules.add_window(1, MaintenanceWindow(name="Now", start_s=1, end_s=2))
        opened = IncidentChange(
            rule=accounts.alerts.rules.get(1, rule_id), incident_id=None, cause=Cause(),
            agents={agent_id: 10.0}, calm_rounds=0, resolved=False,
        )  # fmt: skip
        ((incident_id, _),) = accounts.alerts.incidents.advance(1, 60, 150, [opened])
    finally:
        accounts.close()
    return rule_id, incident_id, window_id


def commands(page: Path) -> list[tuple[str, str, str]]:
    """Method, path and command of each operation of a page, in an order in which all can be run."""
    found = [(method, path, command) for method, path, _, command in HEADING.findall(page.read_text())]
    return sorted(found, key=lambda each: _rank(f"{each[0]} {each[1]}"))


def _rank(operation: str) -> int:
    return next((place for place, word in enumerate(LAST, 1) if word in operation), 0)


def test_every_operation_has_a_command() -> None:
    """No heading of a page is without the command under it."""
    assert PAGES
    for page in PAGES:
        text = page.read_text()
        headings = len(re.findall(r"^## \w+ \S+$", text, re.MULTILINE))
        assert len(commands(page)) == headings - text.count("Always refused")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_work(page: Path, variables: dict[str, str]) -> None:
    """Whoever pastes one gets an answer, not an error."""
    if page.stem.endswith("-v7"):
        # Each dialect has an agent of its own to move and to delete.
        variables = variables | {"AGENT_ID": variables["AGENT_ID_V7"]}
    for method, path, command in commands(page):
        run = subprocess.run(
            ["/bin/bash", "-euc", command],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert run.returncode == 0, f"{method} {path}: {command}\n{run.stdout[:500]}{run.stderr}"
