"""``hopsight admin``: the exact shapes that scripts read, and the errors that people do."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from typer.testing import CliRunner

from hopsight.accounts.accounts import Accounts
from hopsight.cli.admin import app
from hopsight.errors import ConfigError, HopsightError, InvalidValueError, NotFoundError
from hopsight.model.agents import AgentInfo
from hopsight.model.connection import parse_connection_string
from hopsight.model.upload import Enrolment
from hopsight.testing import FakeClock

Run = Callable[..., str]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A directory that no server has ever seen."""
    return tmp_path / "fresh"


@pytest.fixture
def run(data: Path) -> Run:
    """Run a command of ``hopsight admin`` on ``data``; what it prints."""

    def run_command(*arguments: str) -> str:
        result = CliRunner().invoke(app, [*arguments, "--data", str(data)])
        if isinstance(result.exception, HopsightError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    return run_command


@pytest.fixture
def run_json(run: Run) -> Callable[..., Any]:
    """The same with ``--json``; the one document that it prints."""
    return lambda *arguments: json.loads(run(*arguments, "--json"))


@pytest.fixture
def aid(run: Run) -> str:
    """An account group."""
    run("org", "create", "Acme")
    run("account-group", "create", "Main")
    return "1"


def test_a_script_can_set_everything_up(run_json: Callable[..., Any], data: Path) -> None:
    """From an empty directory to a token and a connection string, by the documented shapes."""
    assert run_json("org", "create", "Acme") == {"orgId": 1}
    assert run_json("account-group", "create", "Main", "--org", "1") == {"aid": 1}
    assert run_json("account-group", "create", "More", "--org", "1") == {"aid": 2}
    groups = ("--account-group", "2", "--account-group", "1")
    user = run_json("user", "create", "Jane@example.org", "--role", "account-admin", *groups)
    assert user == {"uid": 1, "email": "jane@example.org"}
    answer = run_json("token", "create", "jane@example.org")
    assert list(answer) == ["token"]
    created = run_json(
        "connection-string", "create", "--account-group", "1", "--url", "http://127.0.0.1:8480"
    )
    assert list(created) == ["connectionString"]
    assert parse_connection_string(created["connectionString"]).url == "http://127.0.0.1:8480"
    accounts = Accounts.open(None, data, FakeClock())
    principal = accounts.authenticate_token(answer["token"], "jane@example.org")
    accounts.close()
    assert principal is not None
    assert (principal.login_aid, sorted(principal.roles)) == (2, [1, 2])


def test_it_works_while_a_server_has_the_directory(run_json: Callable[..., Any], data: Path) -> None:
    """An open database is shared, and what is deleted is gone for its other user at once."""
    accounts = Accounts.open(None, data, FakeClock())
    try:
        token = accounts.bootstrap("http://127.0.0.1:8480").token
        assert token is not None
        assert accounts.authenticate_token(token) is not None
        shown = run_json("token", "show-bootstrap")
        assert (shown["email"], shown["token"]) == ("admin@hopsight.local", token)
        run_json("token", "delete", "1")
        assert accounts.authenticate_token(token) is None
    finally:
        accounts.close()


def test_show_bootstrap_says_when_there_is_nothing_to_show(run: Run) -> None:
    """Before the first start of a server there is no token to show."""
    with pytest.raises(NotFoundError, match="no server"):
        run("token", "show-bootstrap")


def test_secrets_alone_are_printed_for_shells(run: Run, aid: str) -> None:
    """Without --json a token or connection string stands alone on its line."""
    run("user", "create", "jane@example.org", "--role", "user", "--account-group", aid)
    assert len(run("token", "create", "jane@example.org").split()) == 1
    created = run("connection-string", "create", "--account-group", aid, "--url", "http://127.0.0.1")
    assert parse_connection_string(created).fingerprint is None


def test_lists_and_deletes_mirror_what_was_made(run: Run, run_json: Callable[..., Any], aid: str) -> None:
    """Everything that was made is listed, and can be deleted from the leaves up."""
    run("user", "create", "jane@example.org", "--role", "user", "--account-group", aid)
    run("token", "create", "jane@example.org")
    run("connection-string", "create", "--account-group", aid, "--url", "http://127.0.0.1")
    target = run_json("target", "create", "example.org:443", "--account-group", aid, "--protocol", "tcp")
    assert target == {"targetId": 1}
    assert run_json("target", "list")["targets"] == [
        {
            "targetId": 1,
            "aid": 1,
            "host": "example.org",
            "port": 443,
            "protocol": "tcp",
            "intervalS": 60,
            "agentIds": [],
        }
    ]
    assert run_json("org", "list") == {"organizations": [{"orgId": 1, "name": "Acme"}]}
    assert run_json("user", "list")["users"][0]["role"] == "user"
    assert "jane@example.org" in run("token", "list")
    assert run_json("agent", "list") == {"agents": []}
    for command in ("target", "token", "connection-string"):
        run(command, "delete", "1")
    run("user", "delete", "jane@example.org")
    run("account-group", "delete", "1")
    run("org", "delete", "1")
    assert run_json("org", "list") == {"organizations": []}


def test_an_own_certificate_is_pinned(run: Run, aid: str, data: Path) -> None:
    """For https the fingerprint of the server's own certificate goes along, unless another is given."""
    (data / "tls-cert.pem").write_bytes(trustme.CA().cert_pem.bytes())
    create = ("connection-string", "create", "--account-group", aid, "--url")
    pinned = parse_connection_string(run(*create, "https://127.0.0.1")).fingerprint
    assert pinned is not None
    assert len(pinned) == 64
    given = run(*create, "https://127.0.0.1", "--fingerprint", ":".join(["AB"] * 32))
    assert parse_connection_string(given).fingerprint == "ab" * 32
    assert parse_connection_string(run(*create, "http://127.0.0.1")).fingerprint is None
    (data / "tls-cert.pem").write_text("nonsense", encoding="ascii")
    with pytest.raises(ConfigError, match="PEM"):
        run(*create, "https://127.0.0.1")


@pytest.mark.parametrize(
    ("url", "fingerprint"), [("ftp://h", "ab" * 32), ("https://h?x", "ab" * 32), ("https://h", "abc")]
)
def test_a_wrong_connection_leaves_no_key_behind(
    run: Run, run_json: Callable[..., Any], aid: str, url: str, fingerprint: str
) -> None:
    """What cannot be written as a connection string makes no key either."""
    create = ("connection-string", "create", "--account-group", aid)
    with pytest.raises(InvalidValueError, match="connection"):
        run(*create, "--url", url, "--fingerprint", fingerprint)
    assert run_json("connection-string", "list") == {"connectionStrings": []}


def test_an_unknown_agent_is_not_found(run: Run, aid: str) -> None:
    """An agent that is not there can be neither disabled nor deleted."""
    assert aid == "1"
    for command in ("enable", "disable", "delete"):
        with pytest.raises(NotFoundError, match="no agent"):
            run("agent", command, "nobody")


def test_a_wrong_role_is_wrong_usage(data: Path) -> None:
    """The command line itself refuses a role that there is not, with status 2."""
    arguments = ["user", "create", "a@b.c", "--role", "king", "--account-group", "1", "--data", str(data)]
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_a_target_has_an_interval_and_its_agents(
    run: Run, run_json: Callable[..., Any], aid: str, data: Path
) -> None:
    """How often, and by whom, can be said at once and changed later; nonsense is refused in words."""
    agent_id = enrolled(data, int(aid))
    chosen = ("--interval", "5m", "--agent", agent_id)
    run("target", "create", "example.org", "--account-group", aid, *chosen)
    (row,) = run_json("target", "list")["targets"]
    assert (row["intervalS"], row["agentIds"]) == (300, [agent_id])
    run("target", "update", "1", "--interval", "2h", "--all-agents")
    (row,) = run_json("target", "list")["targets"]
    assert (row["intervalS"], row["agentIds"]) == (7_200, [])
    assert "all" in run("target", "list")
    for words, told in (
        (("--interval", "30s"), "--interval"),
        (("--interval", "2d"), "1m to 1d"),
        (("--all-agents", "--agent", agent_id), "one of the two"),
        ((), "--all-agents"),
        (("--agent", "nobody"), "nobody"),
    ):
        with pytest.raises(HopsightError, match=told):
            run("target", "update", "1", *words)


def enrolled(data: Path, aid: int) -> str:
    """An agent that has enrolled, by its ID."""
    accounts = Accounts.open(None, data, FakeClock())
    info = AgentInfo(
        computer_name="laptop", platform="Linux", os_version="1", kernel_version="2", version="3"
    )
    enrolment = Enrolment(enrolment_id=str(uuid.uuid4()), secret="s" * 43, agent=info)
    try:
        return accounts.enrol(accounts.create_group_key(aid), enrolment, None).agent_id
    finally:
        accounts.close()


def test_agents_are_renamed_moved_and_restored_and_the_log_tells(
    run: Run, run_json: Callable[..., Any], aid: str, data: Path
) -> None:
    """Each change does what it says, and is in the log with the command line as its author."""
    key = parse_connection_string(
        run("connection-string", "create", "--account-group", aid, "--url", "https://h.example").strip()
    ).key
    info = AgentInfo(
        computer_name="laptop", platform="Linux", os_version="12", kernel_version="6", version="0"
    )
    accounts = Accounts.open(None, data, FakeClock())
    enrolment = Enrolment(enrolment_id=str(uuid.uuid4()), secret="s" * 43, agent=info)
    agent_id = accounts.enrol(key, enrolment, None).agent_id
    accounts.close()
    assert run_json("agent", "rename", agent_id, "reception")["agentName"] == "reception"
    other = str(run_json("account-group", "create", "Other")["aid"])
    assert run_json("agent", "transfer", agent_id, "--to", other) == {"agentId": agent_id, "aid": int(other)}
    run("agent", "delete", agent_id)
    run("agent", "restore", agent_id)
    (listed,) = run_json("agent", "list")["agents"]
    assert (listed["agentName"], listed["aid"]) == ("reception", int(other))
    events = [
        event
        for event in run_json("audit", "list")["auditEvents"]
        if event["event"].startswith("Endpoint agent")
    ]
    assert list(dict.fromkeys(event["event"].rpartition(" ")[2] for event in events)) == [
        "renamed",
        "transferred",
        "deleted",
        "restored",
    ]
    assert {event["user"] for event in events} == {"command line"}
    assert "reception" in events[1]["resources"]


def test_labels_are_put_on_agents_and_shown_with_them(
    run: Run, run_json: Callable[..., Any], aid: str, data: Path
) -> None:
    """Added, listed, shown with the agents for people and scripts, and removed."""
    created = run("connection-string", "create", "--account-group", aid, "--url", "http://127.0.0.1")
    info = AgentInfo(computer_name="pc", platform="Linux", os_version="12", kernel_version="6", version="0")
    accounts = Accounts.open(None, data, FakeClock())
    enrolment = Enrolment(enrolment_id=str(uuid.uuid4()), secret="s" * 43, agent=info)
    agent_id = accounts.enrol(parse_connection_string(created).key, enrolment, None).agent_id
    accounts.close()
    for label in ("sales", "Berlin"):
        assert run_json("label", "add", agent_id, label) == {"agentId": agent_id, "label": label}
    rows = [{"aid": 1, "agentId": agent_id, "label": label} for label in ("Berlin", "sales")]
    assert run_json("label", "list") == {"labels": rows}
    assert run_json("agent", "list")["agents"][0]["labels"] == ["Berlin", "sales"]
    assert "Berlin, sales" in run("agent", "list")
    for label in ("sales", "Berlin"):
        run("label", "remove", agent_id, label)
    assert run_json("label", "list", "--account-group", aid) == {"labels": []}
    assert run_json("agent", "list")["agents"][0]["labels"] == []
