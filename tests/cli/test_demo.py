"""``hopsight demo``: a first look at simulated data, which never gets among what was measured."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

COMMAND = (sys.executable, "-m", "hopsight", "demo", "--listen", "127.0.0.1:0")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("HOPSIGHT")}


def output_until(process: subprocess.Popen[str], words: str) -> str:
    """What it printed, up to a line with these words."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


def test_it_serves_a_fleet_that_is_there_at_once(tmp_path: Path) -> None:
    """One command: a server, a fleet with its history, a token that opens it; Ctrl-C ends it."""
    data = tmp_path / "demo"
    process = subprocess.Popen(
        [*COMMAND, "--data", str(data), "--agents", "2", "--hours", "0.2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=ENVIRONMENT,
    )
    try:
        told = output_until(process, "From now on a round a minute")
        assert "SIMULATED" in told
        assert "/alerts" in output_until(process, "Alert rules have looked at")
        url, token = re.findall(r"URL +(\S+)|token +(\S+)", told)[0][0], re.findall(r"token +(\S+)", told)[0]
        request = urllib.request.Request(
            f"{url}/v6/endpoint-agents", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            agents = json.load(answer)["endpointAgents"]
        assert len(agents) == 2
        assert all("SIMULATED" in agent["agentName"] for agent in agents)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


def test_it_stays_out_of_a_directory_with_measured_data(tmp_path: Path) -> None:
    """What was measured and what was made up are never in one store."""
    (tmp_path / "sessions.db").write_bytes(b"")
    run = subprocess.run(
        [*COMMAND, "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=ENVIRONMENT,
    )
    assert run.returncode == 2
    assert "hopsight demo" in run.stderr


def test_nothing_measured_goes_among_what_was_simulated(tmp_path: Path) -> None:
    """A directory of the demo is refused where this machine would be measured."""
    (tmp_path / "SIMULATED").touch()
    run = subprocess.run(
        [sys.executable, "-m", "hopsight", "up", "--data", str(tmp_path), "--listen", "127.0.0.1:0"],
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
        timeout=60,
    )
    assert run.returncode == 2
    assert "not of `hopsight demo`" in run.stderr
