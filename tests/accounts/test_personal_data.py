"""What accounts hold of a person: every row is found, and nothing of anybody else is touched."""

import uuid
from pathlib import Path

import pytest
from sqlalchemy import String

from hopsight.accounts import engines, schema
from hopsight.accounts.accounts import Accounts
from hopsight.accounts.agent_changes import Transfer
from hopsight.accounts.audit import Actor, AuditEvent
from hopsight.accounts.incidents import IncidentChange
from hopsight.accounts.personal_rows import Subject, sha256
from hopsight.errors import ConflictError, StoreUnavailableError
from hopsight.model.accounts import Role
from hopsight.model.agents import AgentInfo, Target
from hopsight.model.alerts import AlertRule, Cause
from hopsight.model.upload import Enrolment
from hopsight.testing import FakeClock

SECRET = "s" * 43


@pytest.fixture
def aid(accounts: Accounts) -> int:
    """An account group."""
    accounts.create_organization("Acme")
    return accounts.create_account_group("Main")


def enrolment(number: int, *user_names: str) -> Enrolment:
    """What an agent asks for that reports these users."""
    info = AgentInfo(
        computer_name=f"laptop-{number}",
        platform="Linux",
        os_version="1",
        kernel_version="1",
        version="0",
        user_names=user_names,
    )
    return Enrolment(enrolment_id=str(uuid.UUID(int=number, version=4)), secret=SECRET, agent=info)


def enrol(accounts: Accounts, aid: int, number: int, *user_names: str) -> str:
    """A new agent's ID."""
    key = accounts.create_group_key(aid)
    return accounts.enrol(key, enrolment(number, *user_names), "192.0.2.9").agent_id


def log(accounts: Accounts) -> list[AuditEvent]:
    """All events."""
    return accounts.audit_events(None, first_s=0, last_s=1 << 40)


def bytes_of(data: Path) -> bytes:
    """All that is in the database and beside it."""
    return b"".join(path.read_bytes() for path in data.glob("accounts.db*"))


def test_agents_are_found_by_exactly_the_name_that_they_report(accounts: Accounts, aid: int) -> None:
    """Neither by a part of it, nor in another case; deleted agents are found as well."""
    found = enrol(accounts, aid, 1, "jane", "john")
    enrol(accounts, aid, 2, "jane.doe", "Jane")
    accounts.delete_agent(aid, found)
    (agent,) = accounts.personal_data.agents_of("jane")
    assert (agent.agent_id, agent.user_names) == (found, ("jane", "john"))
    assert accounts.personal_data.agents_of("doe") == []


def test_every_table_is_counted(accounts: Accounts, aid: int) -> None:
    """All that the schema has, by name; what is not there counts as 0."""
    counts = accounts.personal_data.count(Subject(agent_ids=(enrol(accounts, aid, 1),)))
    assert counts.keys() == set(schema.metadata.tables)
    assert {table for table, rows in counts.items() if rows} == {"agents", "audit_events"}


def test_a_row_that_names_an_agent_anywhere_is_counted(accounts: Accounts, aid: int) -> None:
    """Also where no key says so: the count would find what erasing had not thought of."""
    agent_id = enrol(accounts, aid, 1)
    accounts.create_account_group(f"group of {agent_id.upper()}")
    subject = Subject(agent_ids=(agent_id,))
    accounts.personal_data.erase(subject)
    left = {table for table, rows in accounts.personal_data.count(subject).items() if rows}
    assert left == {"account_groups"}


def test_erasing_leaves_nothing_and_nobody_else_loses_anything(accounts: Accounts, aid: int) -> None:
    """Agent, former account groups, choice of targets, names in the log; a target of its own goes, too."""
    agent_id, other_id = enrol(accounts, aid, 1), enrol(accounts, aid, 2)
    elsewhere = accounts.create_account_group("Elsewhere")
    for number, chosen in enumerate(([agent_id], [agent_id, other_id], [])):
        accounts.add_target(aid, Target(host=f"{number}.example"), chosen)
    subject = Subject(agent_ids=(agent_id,))
    assert accounts.personal_data.count(subject)["targets"] == 1
    accounts.personal_data.erase(subject)
    assert not any(accounts.personal_data.count(subject).values())
    assert [(each.target.host, each.agent_ids) for each in accounts.listed_targets(aid)] == [
        ("1.example", (other_id,)),
        ("2.example", ()),
    ]
    assert accounts.personal_data.count(Subject(agent_ids=(other_id,)))["agents"] == 1
    moved = enrol(accounts, aid, 3)
    accounts.transfer_agents([Transfer(moved, aid, elsewhere)])
    subject = Subject(agent_ids=(moved,))
    assert accounts.personal_data.count(subject)["agent_former_groups"] == 1
    accounts.personal_data.erase(subject)
    assert not any(accounts.personal_data.count(subject).values())


def test_an_erased_agent_is_a_stranger(accounts: Accounts, aid: int) -> None:
    """Its secret opens nothing, and its enrolment is refused with the key of any account group."""
    agent_id = enrol(accounts, aid, 1)
    assert accounts.authenticate_agent(agent_id, SECRET) is not None
    accounts.personal_data.erase(Subject(agent_ids=(agent_id,)))
    assert accounts.authenticate_agent(agent_id, SECRET) is None
    accounts.agent_seen(agent_id, "192.0.2.9", enrolment(1).agent)
    accounts.flush()
    assert accounts.agents(aid) == []
    for _ in range(2):
        with pytest.raises(ConflictError, match="enrol again with a new one"):
            enrol(accounts, aid, 1)
    assert enrol(accounts, aid, 2)


def test_the_log_loses_the_name_and_nothing_else(accounts: Accounts, aid: int) -> None:
    """Who did what and when stays, to ``erased``; the address that the agent enrolled from goes."""
    agent_id, other_id = enrol(accounts, aid, 1), enrol(accounts, aid, 2)
    by = Actor(who="ann@example.com", uid=7, ip_address="192.0.2.7")
    accounts.rename_agent(aid, agent_id, "Jane's laptop", by=by)
    before = log(accounts)
    accounts.personal_data.erase(Subject(agent_ids=(agent_id,)), by=by)
    after = log(accounts)
    assert [each.event for each in after[:-1]] == [each.event for each in before]
    renamed = next(each for each in after if each.event == "Endpoint agent renamed")
    assert (renamed.who, renamed.uid, renamed.ip_address) == ("ann@example.com", 7, "192.0.2.7")
    assert [each.name for each in renamed.resources] == ["erased"]
    first, second = (each for each in after if each.event == "Endpoint agent enrolled")
    assert (first.resources[0].name, first.ip_address) == ("erased", None)
    assert other_id in second.resources[0].name
    assert second.ip_address == "192.0.2.9"
    assert (after[-1].event, after[-1].aid, after[-1].who) == ("Personal data erased", aid, "ann@example.com")
    assert after[-1].resources[0].name == f"sha256:{sha256(agent_id)}"


def test_a_user_is_erased_under_all_addresses_that_were_theirs(accounts: Accounts, aid: int) -> None:
    """As the one who did something and as the one to whom it was done; names that only look alike stay."""
    emails = ("ann@example.com", "joann@example.com", "ann@example.com.au")
    for email in emails:
        accounts.create_user(email, Role.USER, [aid], "Ann")
        accounts.create_token(email)
    subject = accounts.personal_data.user_of(" Ann@Example.com ")
    assert subject == Subject(email="ann@example.com", uids=frozenset({1}))
    by = Actor(who="ann@example.com", uid=1, ip_address="192.0.2.7")
    renamed = Actor(who="was.ann@example.com", uid=1)
    accounts.add_target(aid, Target(host="a.example"), by=by)
    accounts.add_target(aid, Target(host="b.example"), by=renamed)
    counts = accounts.personal_data.count(subject)
    assert {table: counts[table] for table in ("users", "memberships", "tokens", "audit_events")} == {
        "users": 1,
        "memberships": 1,
        "tokens": 1,
        "audit_events": 4,
    }
    receipt = accounts.personal_data.erase(subject)
    assert not any(accounts.personal_data.count(subject).values())
    assert [user.email for user in accounts.users()] == list(emails[1:])
    events = log(accounts)
    theirs = [each for each in events if each.event == "Endpoint target created"]
    assert {(each.who, each.uid, each.ip_address) for each in theirs} == {("erased", None, None)}
    assert sum("joann@example.com (2)" in repr(each.resources) for each in events) == 2
    assert sum("ann@example.com.au (3)" in repr(each.resources) for each in events) == 2
    assert receipt.digests == (sha256(f"{receipt.salt}:ann@example.com"),)
    assert receipt.salt is not None
    assert receipt.salt not in repr(events)


def test_alerts_forget_an_address(accounts: Accounts, aid: int) -> None:
    """Counted, given out and erased in rules and in what waits, however it is spelled; others are told on."""
    rules = accounts.alerts.rules
    rule = AlertRule(name="ann@example.com", metric="loss", emails=("Ann@Example.com", "joann@example.com"))
    rule_id = rules.add(aid, rule)
    change = IncidentChange(
        rule=rules.get(aid, rule_id), incident_id=None, cause=Cause(), agents={}, calm_rounds=0,
        resolved=False, events=(("opened", "Opened."),),
    )  # fmt: skip
    accounts.alerts.incidents.advance(aid, 60, 60, [change])
    subject = accounts.personal_data.user_of("ann@example.com")
    counts = accounts.personal_data.count(subject)
    assert (counts["alert_rules"], counts["alert_outbox"]) == (1, 1)
    exported = list(accounts.personal_data.export(subject))
    assert sorted(table for table, _ in exported) == ["alert_outbox", "alert_rules"]
    assert not any("secrets" in row for _, row in exported)
    accounts.personal_data.erase(subject)
    assert not any(accounts.personal_data.count(subject).values())
    assert rules.get(aid, rule_id).rule.emails == ("joann@example.com",)
    waiting = accounts.alerts.outbox.claim(60, most=8, busy=())
    assert [each.recipient for each in waiting] == ["joann@example.com"]


def test_who_was_deleted_is_found_in_the_log(accounts: Accounts, aid: int) -> None:
    """The account is gone, but events still name it, and can be rid of it."""
    accounts.create_user("ann@example.com", Role.USER, [aid])
    accounts.delete_user("ann@example.com")
    subject = accounts.personal_data.user_of("ann@example.com")
    assert subject.uids == {1}
    assert accounts.personal_data.count(subject)["audit_events"] == 2
    accounts.personal_data.erase(subject)
    assert "ann@example.com" not in repr(log(accounts))


def test_rows_are_given_out_without_secrets(accounts: Accounts, aid: int) -> None:
    """Every row that counts, and none of the digests that stand for secrets."""
    agent_id = enrol(accounts, aid, 1, "jane")
    accounts.add_target(aid, Target(host="a.example"), [agent_id])
    subject = Subject(agent_ids=(agent_id,))
    rows = list(accounts.personal_data.export(subject))
    counts = accounts.personal_data.count(subject)
    for table, rows_of_table in counts.items():
        assert sum(each == table for each, _ in rows) == rows_of_table, table
    assert all(not name.endswith("digest") for _, row in rows for name in row)


@pytest.mark.parametrize("accounts_url", ["sqlite"], indirect=True)
def test_no_byte_is_left_after_a_sweep(accounts: Accounts, aid: int, data: Path) -> None:
    """Neither in the database nor in its log, while it is open; another process that reads is said."""
    agent_id = enrol(accounts, aid, 1, "jane.doe")
    for number in range(50):
        accounts.rename_agent(aid, agent_id, f"desk {number} of jane.doe")
    accounts.personal_data.erase(Subject(agent_ids=(agent_id,)))
    assert accounts.personal_data.sweep()
    left = bytes_of(data)
    for gone in (agent_id, "jane.doe", "laptop-1"):
        assert gone.encode() not in left, gone


@pytest.mark.parametrize("accounts_url", ["sqlite"], indirect=True)
def test_a_database_in_use_cannot_be_swept(
    accounts: Accounts, aid: int, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one who reads all the while is said, and the next sweep is whole."""
    agent_id = enrol(accounts, aid, 1)
    other = accounts
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_MS", 100)
    accounts = Accounts.open(None, data, FakeClock())
    with other._database.read() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM agents")
        accounts.personal_data.erase(Subject(agent_ids=(agent_id,)))
        with pytest.raises(StoreUnavailableError):
            accounts.personal_data.sweep()
    assert accounts.personal_data.sweep()
    assert agent_id.encode() not in bytes_of(data)
    accounts.close()


def test_whatever_holds_an_agent_or_a_user_says_so_in_its_columns() -> None:
    """Erasing goes by the names of columns: a table that points to agents or users has to use them."""
    for table in schema.metadata.tables.values():
        for column in table.c:
            for key in column.foreign_keys:
                if key.column.table.name in {"agents", "users"}:
                    assert column.name == key.column.name in {"agent_id", "uid"}
    assert isinstance(schema.target_agents.c.agent_id.type, String)
