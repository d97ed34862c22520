"""``hopsight agent install``, ``uninstall``, ``status`` and ``sent`` as people run them."""

import json
import os
import random
import stat
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from hopsight.agent.delivery.sent import SentLog
from hopsight.agent.install import ENVIRONMENT_PATH, UNIT_PATH
from hopsight.agent.status import AgentStatus, StatusFile, TargetStatus
from hopsight.cli.agent_options import agent_config
from hopsight.model.connection import ConnectionString, format_connection_string
from hopsight.model.upload import (
    AgentUsage,
    MeasurementContext,
    NetworkSessionRecord,
    UploadAnswer,
    UploadBatch,
)
from hopsight.testing import FakeClock, sample_session

Run = Callable[..., "subprocess.CompletedProcess[str]"]
STRING = format_connection_string(ConnectionString(url="https://h.example", key="k" * 32))
PROGRAM = ("--program", "/opt/hopsight/bin/hopsight")


def test_print_shows_what_install_writes(hopsight: Run, tmp_path: Path) -> None:
    """Line for line, but for the secret; and printing writes nothing."""
    root = tmp_path / "root"
    root.mkdir()
    words = (
        "agent",
        "--passive",
        "--redact",
        "ssid",
        "--redact",
        "path",
        "--name",
        'a "b"',
        "install",
        *PROGRAM,
    )
    printed = hopsight(*words, "--connection-string", STRING, "--root", str(root), "--print")
    assert printed.returncode == 0, printed.stderr
    assert list(root.iterdir()) == []
    assert STRING not in printed.stdout
    done = hopsight(*words, "--connection-string", STRING, "--root", str(root))
    assert done.returncode == 0, done.stderr
    unit, environment = root / UNIT_PATH, root / ENVIRONMENT_PATH
    shown = printed.stdout.replace("(the one given)", STRING)
    assert shown == f"# {unit}\n{unit.read_text()}\n# {environment} (mode 0600)\n{environment.read_text()}"
    assert stat.S_IMODE(environment.stat().st_mode) == 0o600
    assert STRING not in unit.read_text()
    assert "ExecStart=/opt/hopsight/bin/hopsight agent\n" in unit.read_text()
    settings = environment.read_text().splitlines()[1:]
    assert settings == [
        'HOPSIGHT_NAME="a \\"b\\""',
        'HOPSIGHT_PASSIVE="1"',
        'HOPSIGHT_REDACT="ssid path"',
        f'HOPSIGHT_CONNECTION_STRING="{STRING}"',
    ]


def test_installing_again_keeps_the_settings(hopsight: Run, tmp_path: Path) -> None:
    """An upgrade does not lose the connection string; uninstalling removes all that was written."""
    place = ("--root", str(tmp_path / "root"))
    first = hopsight("agent", "install", *PROGRAM, "--connection-string", STRING, *place)
    before = (tmp_path / "root" / ENVIRONMENT_PATH).read_text()
    again = hopsight("agent", "install", *PROGRAM, *place)
    assert (first.returncode, again.returncode) == (0, 0)
    assert "kept:" in again.stdout
    assert (tmp_path / "root" / ENVIRONMENT_PATH).read_text() == before
    removed = hopsight("agent", "uninstall", *place)
    assert removed.stdout.count("removed:") == 2
    assert not [path for path in (tmp_path / "root").rglob("*") if path.is_file()]
    assert "nothing was installed" in hopsight("agent", "uninstall", *place).stdout


def test_without_a_connection_string_it_says_where_to_put_one(hopsight: Run, tmp_path: Path) -> None:
    """The file is there, and names the variable."""
    done = hopsight("agent", "install", *PROGRAM, "--root", str(tmp_path / "root"))
    assert "Put HOPSIGHT_CONNECTION_STRING=... into" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("agent", "--redact", "sid", "install"), "Invalid redaction: 'sid'"),
        (("agent", "--target", "a b", "install"), "a b"),
        (("agent", "install", "--connection-string", "x"), "Invalid connection string"),
        (("agent", "--ca-file", "/absent.pem", "install"), "Invalid CA file: '/absent.pem'"),
        (("agent", "--proxy", "socks5://p:1", "install"), "Invalid proxy: 'socks5://p:1'"),
        (("agent", "--asn-database", "/absent.mmdb", "install"), "/absent.mmdb"),
        (("agent", "install", "--user", "no-such-user-here"), "no-such-user-here"),
    ],
)
def test_what_a_start_would_refuse_is_refused_at_once(
    hopsight: Run, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    """Status 2, one line, nothing written."""
    done = hopsight(*words, *PROGRAM, "--root", str(tmp_path / "root"))
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "root").exists()


def test_a_user_cannot_install(tmp_path: Path) -> None:
    """One clear line without root (as far as the process can tell), and nothing is written."""
    program = (
        "import os, sys; os.geteuid = lambda: 1000; from hopsight.cli.main import main; "
        f"sys.argv = ['hopsight', 'agent', 'install', *{PROGRAM!r}]; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("hopsight: To install a service takes root: run it again with sudo")
    assert "--print" in line


def written_status(directory: Path, *, started_s: float) -> AgentStatus:
    """The status of a running agent (this test), on disk."""
    status = AgentStatus(
        written_s=1.0,
        pid=os.getpid(),
        process_started_s=started_s,
        version="1.2.3",
        server="https://h.example",
        agent_id="3fde6422-f119-40e1-ae32-d08a1243c038",
        aid=7,
        waiting=11,
        dropped=12,
        refused=13,
        targets=(
            TargetStatus(target="site.example", loss_percent=10.0, avg_rtt_ms=5.25, verdict="lan"),
            TargetStatus(target="gone.example", error="does not exist"),
        ),
        missing=("ICMP is not allowed here: do this",),
        usage=AgentUsage(resident_bytes=50 << 20, cpu_fraction=0.0042),
        passive=True,
        redactions=("ssid", "path"),
    )
    directory.mkdir(parents=True)
    StatusFile(directory).write(status)
    return status


@pytest.mark.parametrize("in_front", [False, True])
def test_status_tells_all_of_it(hopsight: Run, tmp_path: Path, *, in_front: bool) -> None:
    """For people, and the same as JSON; the data directory is taken before or after the word."""
    status = written_status(tmp_path / "d" / "agent", started_s=psutil.Process().create_time())
    data = ("--data", str(tmp_path / "d"))
    words = ("agent", *data, "status") if in_front else ("agent", "status", *data)
    told = hopsight(*words)
    assert told.returncode == 0
    for fact in (
        f"running, process {os.getpid()}",
        "3fde6422-f119-40e1-ae32-d08a1243c038, account group 7",
        "https://h.example",
        "11 waiting, 12 dropped, 13 refused",
        "50.0 MiB, 0.42 % of one core",
        "passive     on",
        "ssid, path",
        "ICMP is not allowed here: do this",
        "site.example: loss 10 %, 5.2 ms, lan",
        "gone.example: does not exist",
    ):
        assert fact in told.stdout
    as_json = hopsight(*words, "--json")
    assert json.loads(as_json.stdout) == {"running": True} | json.loads(msgspec.json.encode(status))


def test_status_of_an_agent_that_ended(hopsight: Run, tmp_path: Path) -> None:
    """Status 1, with or without a file."""
    none = hopsight("agent", "status", "--data", str(tmp_path / "d"))
    assert none.returncode == 1
    assert "No agent has run with" in none.stderr
    assert json.loads(hopsight("agent", "status", "--json", "--data", str(tmp_path / "d")).stdout) == {
        "running": False
    }
    written_status(tmp_path / "d" / "agent", started_s=1.0)
    ended = hopsight("agent", "status", "--data", str(tmp_path / "d"))
    assert ended.returncode == 1
    assert "not running (last sign" in ended.stdout


def test_sent_shows_every_document(hopsight: Run, tmp_path: Path) -> None:
    """One line each, as it was sent; the same whole, as JSON; the newest when there is a limit."""
    nothing = hopsight("agent", "sent", "--data", str(tmp_path))
    assert (nothing.returncode, nothing.stdout) == (0, "")
    (tmp_path / "agent").mkdir()
    log = SentLog(tmp_path / "agent", FakeClock())
    batches = []
    for number in range(3):
        session = sample_session(random.Random(number), aid=7, round_id=60)
        record = NetworkSessionRecord(document=session, context=0, visited_site="site")
        batches.append(
            UploadBatch(
                upload_id=f"00000000-0000-4000-8000-{number:012d}",
                contexts=[MeasurementContext(ssid="ssid-0123456789ab")],
                network_sessions=[record],
            )
        )
        log.note(batches[-1], UploadAnswer(stored=1, duplicates=0, refused=[]))
    told = hopsight("agent", "sent", "--data", str(tmp_path), "--limit", "2").stdout.splitlines()
    assert next(line for line in told if line.startswith("# ")).endswith(
        "1 stored, 0 there before, 0 refused"
    )
    record_lines = [line.partition("\t")[2] for line in told if line.startswith("networkSessions\t")]
    assert record_lines == [msgspec.json.encode(batch.network_sessions[0]).decode() for batch in batches[1:]]
    assert told.count('contexts\t{"ssid":"ssid-0123456789ab"}') == 2
    (line,) = hopsight("agent", "sent", "--data", str(tmp_path), "--limit", "1", "--json").stdout.splitlines()
    assert json.loads(line)["batch"] == msgspec.to_builtins(batches[2])


def test_proxies_of_the_environment_are_known_without_their_passwords(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent knows of the proxies that the programs around it use."""
    monkeypatch.setenv("https_proxy", "http://ann:secret@proxy.example:3128")
    given: defaultdict[str, Any] = defaultdict(
        lambda: None, spool_bytes=2 << 20, spool_days=1, topology=True, passive=False
    )
    config = agent_config(tmp_path, given)
    assert config.proxy_variables["https_proxy"] == "http://proxy.example:3128"
    assert "secret" not in repr(config)
