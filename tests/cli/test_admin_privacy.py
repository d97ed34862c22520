"""``hopsight admin export|erase`` beside a real server: what goes out, what goes away, and what proves it."""

import hashlib
import json
import random
import stat
import subprocess
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import msgspec
import pytest
from typer.testing import CliRunner

from hopsight.cli.admin import app
from hopsight.errors import StoreUnavailableError
from hopsight.model.agents import AgentInfo
from hopsight.model.connection import parse_connection_string
from hopsight.model.upload import (
    Enrolment,
    EnrolmentAnswer,
    MeasurementContext,
    NetworkSessionRecord,
    UploadBatch,
    UserSessionRecord,
)
from hopsight.storage import sqlite_agent
from hopsight.storage.sqlite_file import open_reader
from hopsight.testing import sample_session, sample_user_session_record

Run = Callable[..., "subprocess.CompletedProcess[str]"]

SECRET = "s" * 43
JANE, JOHN = "jane.doe", "john.roe"
HOST = "laptop-of-jane-doe"
TABLES = {
    "network_sessions",
    "user_sessions",
    "user_sessions_detail",
    "web_sessions",
    "web_sessions_detail",
    "network_probes",
    "network_probes_detail",
    "agent_states",
}


class Machine:
    """An agent without a program: what it would send, sent by hand."""

    def __init__(self, served: Any, number: int, host: str, *user_names: str) -> None:
        self.served, self.host = served, host
        info = AgentInfo(
            computer_name=host,
            platform="Linux",
            os_version="12",
            kernel_version="6",
            version="0",
            user_names=user_names,
        )
        self.enrolment = Enrolment(
            enrolment_id=str(uuid.UUID(int=number, version=4)), secret=SECRET, agent=info
        )
        self.rng = random.Random(number)
        answer = self.enrol()
        assert answer.status_code == 200, answer.text
        known = msgspec.json.decode(answer.content, type=EnrolmentAnswer)
        self.agent_id, self.aid = known.agent_id, known.aid

    def enrol(self) -> httpx.Response:
        """Ask to be known."""
        key = parse_connection_string(self.served.connection_string).key
        return self._post("enrol", f"Bearer {key}", msgspec.json.encode(self.enrolment))

    def upload(self, count: int = 3) -> httpx.Response:
        """Send so many network sessions and a user session with its detail, of now."""
        round_id = int(datetime.now(UTC).timestamp()) // 60 * 60 - 600
        made = sample_user_session_record(self.rng, aid=self.aid, round_id=round_id, agent_id=self.agent_id)
        user_session = UserSessionRecord(
            document=made.document, detail=made.detail, context=0, destination_ip=made.destination_ip
        )
        batch = UploadBatch(
            upload_id=str(uuid.uuid4()),
            contexts=[MeasurementContext(platform="Linux", ssid=f"home of {self.host}")],
            user_sessions=[user_session],
            network_sessions=[
                NetworkSessionRecord(
                    document=sample_session(
                        self.rng, aid=self.aid, round_id=round_id, agent_id=self.agent_id
                    ),
                    context=0,
                )
                for _ in range(count)
            ],
        )
        return self._post("upload", self._basic(), msgspec.json.encode(batch))

    def configuration(self) -> httpx.Response:
        """Ask what to measure."""
        url = f"{self.served.url}/agent/v1/configuration"
        return httpx.get(url, headers={"Authorization": self._basic()})

    def _basic(self) -> str:
        return aiohttp.encode_basic_auth(self.agent_id, SECRET)

    def _post(self, path: str, authorization: str, body: bytes) -> httpx.Response:
        headers = {"Authorization": authorization, "Content-Type": "application/json"}
        return httpx.post(f"{self.served.url}/agent/v1/{path}", content=body, headers=headers)


@pytest.fixture
def admin(served: Any, hopsight: Run) -> Run:
    """Run a command of ``hopsight admin`` on the data of the server that runs."""
    return lambda *arguments: hopsight("admin", *arguments, "--data", str(served.data))


@pytest.fixture
def jane(served: Any) -> Machine:
    """The machine of a person, with records."""
    machine = Machine(served, 1, HOST, JANE)
    assert machine.upload().json()["stored"] == 4
    return machine


@pytest.fixture
def john(served: Any) -> Machine:
    """Somebody else's."""
    machine = Machine(served, 2, "laptop-of-john-roe", JOHN)
    assert machine.upload().json()["stored"] == 4
    return machine


def files(data: Path) -> bytes:
    """Every byte of the databases and what is beside them."""
    return b"".join(path.read_bytes() for path in sorted(data.glob("*.db*")))


def counted(answer: "subprocess.CompletedProcess[str]") -> dict[str, tuple[int, int | None]]:
    """The table that was printed: before and after."""
    rows = json.loads(answer.stdout)["tables"]
    return {row["table"]: (row["foundBefore"], row["foundAfter"]) for row in rows}


def test_an_erased_machine_is_in_no_table_and_no_byte(
    served: Any, admin: Run, jane: Machine, john: Machine
) -> None:
    """While the server runs: counted to nothing, gone from all files, and the others have lost nothing."""
    admin("agent", "rename", jane.agent_id, f"desk of {HOST}")
    admin("target", "create", "nas.example:443", "--account-group", "1", "--agent", jane.agent_id)
    before = counted(admin("erase", "--agent", john.agent_id, "--dry-run", "--json"))
    assert HOST.encode() in files(served.data)
    answer = admin("erase", "--agent", jane.agent_id, "--yes", "--json")
    assert answer.returncode == 0, answer.stderr
    tables = counted(answer)
    assert tables["network_sessions"] == (3, 0)
    assert tables["user_sessions"] == tables["user_sessions_detail"] == (1, 0)
    for table in ("accounts.agents", "accounts.target_agents", "accounts.targets"):
        assert tables[table] == (1, 0)
    assert tables["accounts.audit_events"][0] > 1
    assert {after for _, after in tables.values()} == {0}
    left = files(served.data).lower()
    for gone in (jane.agent_id, jane.agent_id[:8], HOST, JANE):
        assert gone.encode() not in left
    assert counted(admin("erase", "--agent", john.agent_id, "--dry-run", "--json")) == before
    assert john.upload().json()["stored"] == 4
    assert json.loads(admin("target", "list", "--json").stdout)["targets"] == []


def test_an_erased_agent_is_refused_and_does_not_come_back(admin: Run, jane: Machine) -> None:
    """Its secret opens nothing in the server that runs, and the same enrolment is refused."""
    assert admin("erase", "--agent", jane.agent_id, "--yes").returncode == 0
    assert jane.upload().status_code == 401
    assert jane.configuration().status_code == 401
    assert jane.enrol().status_code == 409
    assert json.loads(admin("agent", "list", "--json").stdout) == {"agents": []}
    again = admin("erase", "--agent", jane.agent_id, "--yes")
    assert again.returncode == 1
    assert "There is nothing here of agent" in again.stderr


def test_records_of_all_account_groups_are_found(admin: Run, jane: Machine) -> None:
    """Also of those in which the agent was before it was transferred, and of an agent that was deleted."""
    admin("account-group", "create", "Other")
    admin("agent", "transfer", jane.agent_id, "--to", "2")
    first, jane.aid = jane.aid, 2
    assert jane.upload().json()["stored"] == 4
    admin("agent", "delete", jane.agent_id)
    exported = [json.loads(line) for line in admin("export", "--agent", jane.agent_id).stdout.splitlines()]
    assert {line["aid"] for line in exported if "roundId" in line} == {first, 2}
    tables = counted(admin("erase", "--agent", jane.agent_id, "--yes", "--json"))
    assert tables["network_sessions"] == (6, 0)
    assert {after for _, after in tables.values()} == {0}


def test_the_log_keeps_that_it_was_done_but_not_of_whom(admin: Run, jane: Machine) -> None:
    """Who and when, under a digest; what was done to the agent before names it no more."""
    admin("agent", "disable", jane.agent_id)
    answer = json.loads(admin("erase", "--agent", jane.agent_id, "--yes", "--json").stdout)
    events = json.loads(admin("audit", "list", "--json").stdout)["auditEvents"]
    last = events[-1]
    assert (last["event"], last["user"], last["aid"]) == ("Personal data erased", "command line", 1)
    digest = hashlib.sha256(jane.agent_id.encode()).hexdigest()
    assert answer["digests"] == [digest]
    assert last["resources"] == f"endpoint agent sha256:{digest}"
    about = {each["event"]: each for each in events if "erased" in each["resources"]}
    assert about["Endpoint agent disabled"]["resources"] == "endpoint agent erased"
    assert about["Endpoint agent enrolled"]["ipAddress"] is None
    assert jane.agent_id not in json.dumps(events)


def test_an_export_holds_every_row_that_erasing_would_take(
    admin: Run, jane: Machine, john: Machine, tmp_path: Path
) -> None:
    """One JSON document a line, whole records, a last line that says how many; for its owner alone."""
    path = tmp_path / "jane.jsonl"
    made = admin("export", "--user", JANE, "--output", str(path))
    assert made.returncode == 0, made.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    head, *rows, end = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert head["agentIds"] == [jane.agent_id]
    assert end == {"end": True, "rows": len(rows)}
    assert john.agent_id not in path.read_text("utf-8")
    assert SECRET not in path.read_text("utf-8")
    counts = {
        table: found
        for table, (found, _) in counted(admin("erase", "--user", JANE, "--dry-run", "--json")).items()
    }
    for table in ("network_sessions", "user_sessions", "accounts.agents"):
        assert sum(row["table"] == table for row in rows) == counts[table]
    (session,) = [row for row in rows if row["table"] == "user_sessions"]
    assert session["document"]["agentId"] == jane.agent_id
    assert session["detail"]["network"]
    assert session["dimensions"]["ssid"] == f"home of {HOST}"
    again = admin("export", "--user", JANE, "--output", str(path))
    assert again.returncode == 1
    assert "is there already" in again.stderr
    events = json.loads(admin("audit", "list", "--json").stdout)["auditEvents"]
    assert [each["event"] for each in events].count("Personal data exported") == 1


def test_nothing_happens_without_consent(served: Any, admin: Run, jane: Machine) -> None:
    """A dry run only counts; without --yes one is asked, and no answer is no; JSON cannot ask."""
    dry = admin("erase", "--agent", jane.agent_id, "--dry-run")
    assert dry.returncode == 0
    assert "would be erased" in dry.stdout
    assert admin("erase", "--agent", jane.agent_id).returncode == 1
    assert admin("erase", "--agent", jane.agent_id, "--json").returncode == 2
    assert jane.upload().status_code == 200
    assert jane.agent_id.encode() in files(served.data)


def test_a_shared_machine_is_not_taken_unasked(served: Any, admin: Run, jane: Machine) -> None:
    """Records do not tell whose they are, so that the operator has to decide."""
    shared = Machine(served, 3, "kiosk", JANE, JOHN)
    for command in ("export", "erase"):
        refused = admin(command, "--user", JANE)
        assert refused.returncode == 1
        assert shared.agent_id in refused.stderr
        assert JOHN in refused.stderr
        assert jane.agent_id not in refused.stderr
    answer = admin("erase", "--user", JANE, "--include-shared", "--yes", "--json")
    assert sorted(json.loads(answer.stdout)["agentIds"]) == sorted([jane.agent_id, shared.agent_id])
    assert JANE.encode() not in files(served.data)


def test_a_user_of_the_server_is_erased_by_address(served: Any, admin: Run) -> None:
    """Account, roles, tokens and the name in the log go; the digest is salted with what is printed once."""
    for email in ("ann@example.com", "joann@example.com"):
        admin("user", "create", email, "--role", "user", "--account-group", "1", "--name", "Ann Example")
        admin("token", "create", email)
    answer = admin("erase", "--user", "ann@example.com", "--yes", "--json")
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert told["digests"] == [hashlib.sha256(f"{told['salt']}:ann@example.com".encode()).hexdigest()]
    left = files(served.data)
    assert left.count(b"ann@example.com") == left.count(b"joann@example.com") > 0
    users = json.loads(admin("user", "list", "--json").stdout)["users"]
    assert [user["email"] for user in users] == ["admin@hopsight.local", "joann@example.com"]
    assert len(json.loads(admin("token", "list", "--json").stdout)["tokens"]) == 2


def test_what_is_left_is_shown_and_ends_with_1(admin: Run, jane: Machine) -> None:
    """A place that erasing does not reach, a name that somebody chose, is found by the count afterwards."""
    admin("account-group", "create", f"only {jane.agent_id}")
    answer = admin("erase", "--agent", jane.agent_id, "--yes", "--json")
    assert answer.returncode == 1
    assert "1 row(s) are left" in answer.stderr
    left = {table: after for table, (_, after) in counted(answer).items() if after}
    assert left == {"accounts.account_groups": 1}


def test_what_was_broken_off_is_finished_by_the_next_run(
    served: Any, admin: Run, jane: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody reads for long the bytes cannot go: that is said, with how to go on."""
    monkeypatch.setattr(sqlite_agent, "SWEEP_WAIT_MS", 100)
    reader = open_reader(served.data / "sessions.db")
    reader.execute("BEGIN; SELECT count(*) FROM network_sessions").fetchall()
    erase = ["erase", "--agent", jane.agent_id, "--yes", "--data", str(served.data)]
    with pytest.raises(
        StoreUnavailableError, match=f"Go on with: hopsight admin erase --agent {jane.agent_id}"
    ):
        CliRunner().invoke(app, erase, catch_exceptions=False)
    reader.close()
    assert jane.upload().status_code == 401
    assert admin("erase", "--agent", jane.agent_id, "--yes").returncode == 0
    assert jane.agent_id.encode() not in files(served.data)


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        ((), 2, "one of --agent AGENTID and --user NAME"),
        (("--agent", "x", "--user", "y"), 2, "one of --agent"),
        (("--agent", "x"), 2, "UUID"),
        (("--agent", "1dc785bb-d391-47e1-8b33-1ba47bcd3315"), 1, "nothing here of agent"),
        (("--user", "nobody"), 1, "No agent reports a user"),
        (("--user", "jane", "--store", "memory:"), 2, "memory"),
        (("--user", "jane", "--store", "sqlite:/nonexistent/sessions.db"), 2, "a server that has run"),
    ],
)
def test_what_is_wrong_is_said(admin: Run, arguments: tuple[str, ...], status: int, told: str) -> None:
    """Whoever mistypes a name is not told that everything is erased."""
    for command in (("export",), ("erase", "--yes")):
        answer = admin(*command, *arguments)
        assert (answer.returncode, told in answer.stderr) == (status, True), answer.stderr


def test_a_simulated_fleet_loses_one_agent_of_all_kinds(served: Any, hopsight: Run, admin: Run) -> None:
    """Web pages, probes and states with their details go as well; the rest of the fleet is untouched."""
    simulate = ("simulate", "--connection-string", served.connection_string, "--agents", "3", "--hours", "48")
    assert hopsight(*simulate).returncode == 0
    name = "simulated-user-00001"
    rest = counted(admin("erase", "--user", "simulated-user-00002", "--dry-run", "--json"))
    answer = admin("erase", "--user", name, "--yes", "--json")
    assert answer.returncode == 0, answer.stderr
    tables = counted(answer)
    for table in TABLES:
        assert tables[table][0] > 0, table
    assert {after for _, after in tables.values()} == {0}
    left = files(served.data)
    for gone in (*json.loads(answer.stdout)["agentIds"], "SIMULATED-PC-00001", "SIMULATED-Home-00001", name):
        assert gone.encode() not in left, gone
    assert counted(admin("erase", "--user", "simulated-user-00002", "--dry-run", "--json")) == rest
