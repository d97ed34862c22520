"""``hopsight simulate`` against a real server."""

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from hopsight.model.connection import ConnectionString, format_connection_string

Run = Callable[..., "subprocess.CompletedProcess[str]"]
# Young enough to be kept, and the same for all runs of the test.
KINDS = ("network sessions", "user sessions", "web sessions", "network probes", "states of agents")
END = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S")


def _simulated(served: Any, hopsight: Run, *more: str) -> "subprocess.CompletedProcess[str]":
    return hopsight(
        "simulate",
        "--connection-string",
        served.connection_string,
        "--agents",
        "12",
        "--seed",
        "5",
        "--end",
        END,
        "--json",
        *more,
    )


def test_a_fleet_is_stored_once(served: Any, hopsight: Run) -> None:
    """Run again it stores nothing; run longer, only what is new; the same agents all the while."""
    first = _simulated(served, hopsight, "--hours", "24")
    assert first.returncode == 0, first.stderr
    summary = json.loads(first.stdout)
    assert summary["simulated"] is True
    assert summary["stored"] > 500
    assert (summary["duplicates"], summary["refused"]) == (0, 0)
    assert "SIMULATED" in first.stderr
    names = ("networkSessions", "userSessions", "webSessions", "networkProbes", "agentStates")
    kinds = [summary[key] for key in names]
    assert kinds[0] == kinds[1] > 250
    assert min(kinds) > 0
    assert sum(kinds) == summary["stored"]
    for count, kind in zip(kinds, KINDS, strict=True):
        assert f"{count} {kind}" in first.stderr

    again = json.loads(_simulated(served, hopsight, "--hours", "24").stdout)
    assert (again["stored"], again["duplicates"]) == (0, summary["stored"])
    longer = json.loads(_simulated(served, hopsight, "--hours", "48").stdout)
    assert longer["stored"] > 0
    assert longer["duplicates"] == summary["stored"]
    assert _agent_names(served) == [f"SIMULATED-{index:05d}" for index in range(12)]


def test_what_was_simulated_is_served_whole(served: Any, hopsight: Run) -> None:
    """By a real server from its file: verdicts, details, probes and states; counts agree with lists."""
    summary = json.loads(_simulated(served, hopsight, "--hours", "24").stdout)
    window = "window=30h"
    counts = _get(served, f"/hopsight/v1/verdicts?{window}")
    assert counts["sessions"] == summary["userSessions"]
    assert sum(item["sessions"] for item in counts["verdicts"]) == counts["sessions"]
    first = _get(served, f"/hopsight/v1/user-sessions?{window}&expand=detail")["userSessions"]
    assert len(first) == 100
    for session in (first[0], first[-1]):
        assert session == _get(served, f"/hopsight/v1/user-sessions/{session['userSessionId']}")
        assert (session["probe"], session["sourceAddr"]) == ("simulated", "127.0.0.1")
    lists = {"network-probes": "networkProbes", "agent-states": "agentStates"}
    for path, key in lists.items():
        page = _get(served, f"/hopsight/v1/{path}?{window}")
        assert len(page[key]) == min(1_000, summary[key])


def _get(served: Any, path: str) -> Any:
    bootstrap = json.loads((served.data / "bootstrap.json").read_text())
    answer = httpx.get(f"{served.url}{path}", auth=(bootstrap["email"], bootstrap["token"]))
    assert answer.status_code == 200, answer.text
    return answer.json()


def _agent_names(served: Any) -> list[str]:
    listed = _get(served, "/v6/endpoint-agents.json")["endpointAgents"]
    return sorted(agent["agentName"] for agent in listed)


def test_refused_records_fail_it_with_the_reason(served: Any, hopsight: Run) -> None:
    """A history older than what the server keeps is of no use."""
    done = hopsight(
        *("simulate", "--connection-string", served.connection_string),
        *("--agents", "2", "--hours", "24", "--end", "2020-03-04T14:00:00"),
    )
    assert done.returncode == 1
    assert "the server refused records: " in done.stderr.splitlines()[-1]


def test_a_wrong_key_is_one_line_and_status_1(served: Any, hopsight: Run) -> None:
    """At once: a person is watching."""
    wrong = format_connection_string(ConnectionString(url="http://127.0.0.1:9", key="x" * 43))
    done = hopsight("simulate", "--url", served.url, "--connection-string", wrong, "--agents", "2")
    assert done.returncode == 1
    assert "401" in done.stderr.splitlines()[-1]
    assert "x" * 43 not in done.stderr


def test_wrong_values_are_named(hopsight: Run) -> None:
    """Status 2, with what is accepted."""
    good = format_connection_string(ConnectionString(url="http://127.0.0.1:9", key="x" * 43))
    for arguments, named in (
        (("--connection-string", "nonsense"), "connection string"),
        (("--connection-string", good, "--end", "yesterday"), "yesterday"),
        (("--connection-string", good, "--url", "ftp://h"), "ftp://h"),
        (("--connection-string", good, "--agents", "0"), "--agents"),
        ((), "--connection-string"),
    ):
        done = hopsight("simulate", *arguments)
        assert done.returncode == 2, done.stderr
        assert named in done.stderr
