"""The database file: first starts, several processes, versions."""

import subprocess
import sys
import uuid
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec import structs
from sqlalchemy import text, update

from hopsight.accounts import bootstrap, schema
from hopsight.accounts.accounts import Accounts
from hopsight.accounts.alert_tables import ALERT_TABLES, outbox
from hopsight.accounts.bootstrap_file import FILE_NAME, read_bootstrap
from hopsight.accounts.browser_sessions import Device
from hopsight.accounts.cache import RevisionCache
from hopsight.accounts.database import Database
from hopsight.accounts.incidents import IncidentChange
from hopsight.errors import ConfigError, ConflictError
from hopsight.model.accounts import Role
from hopsight.model.agents import AgentInfo, Target
from hopsight.model.alerts import AlertRule, Cause, Webhook
from hopsight.model.upload import Enrolment
from hopsight.testing import FakeClock

WRITER = """
import sys
from pathlib import Path
from hopsight.accounts.accounts import Accounts
from hopsight.clock import SystemClock
for number in range(10):
    accounts = Accounts.open(next(iter(sys.argv[3:]), None), Path(sys.argv[1]), SystemClock())
    accounts.create_organization(f"{sys.argv[2]}-{number}")
    accounts.close()
"""

ALERTS = [outbox.name, *(table.name for table in reversed(ALERT_TABLES))]


def test_processes_create_and_write_at_the_same_time(data: Path, clock: FakeClock) -> None:
    """Four processes that meet on a directory that is not there yet lose nothing and lock nobody out."""
    arguments = [[sys.executable, "-c", WRITER, str(data), name] for name in "abcd"]
    writers = [subprocess.Popen(each, stderr=subprocess.PIPE) for each in arguments]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors.decode()
    accounts = Accounts.open(None, data, clock)
    try:
        assert len(accounts.organizations()) == 40
    finally:
        accounts.close()


def test_the_first_start_makes_an_account_that_works(accounts: Accounts, data: Path) -> None:
    """Later starts say the same; the file is for its owner alone."""
    made = accounts.bootstrap("http://127.0.0.1:8480")
    assert made.token is not None
    principal = accounts.authenticate_token(made.token, made.email)
    assert principal is not None
    assert principal.login_aid == made.aid
    assert accounts.bootstrap("http://127.0.0.1:8480") == made == read_bootstrap(data)
    assert (data / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_what_was_deleted_is_not_made_again(accounts: Accounts, data: Path) -> None:
    """A bootstrap token deleted by an administrator stays deleted, even when the file goes."""
    accounts.bootstrap("http://127.0.0.1:8480")
    accounts.delete_token(accounts.tokens()[0].token_id)
    accounts.delete_group_key(accounts.group_keys()[0].key_id)
    again = accounts.bootstrap("http://127.0.0.1:8480")
    assert (again.token, again.group_key) == (None, None)
    (data / FILE_NAME).unlink()
    assert accounts.bootstrap("http://127.0.0.1:8480") == again


def test_the_first_user_deleted_stays_deleted(accounts: Accounts, data: Path) -> None:
    """Once there are others, no start brings the first one back; the file no longer names its token."""
    made = accounts.bootstrap("http://127.0.0.1:8480")
    accounts.create_user("ann@example.com", Role.ORG_ADMIN, [made.aid])
    accounts.delete_user(made.email)
    again = accounts.bootstrap("http://127.0.0.1:8480")
    assert again == structs.replace(made, token=None) == read_bootstrap(data)
    assert [user.email for user in accounts.users()] == ["ann@example.com"]
    assert again.group_key is not None
    assert accounts.knows_group_key(again.group_key)


def test_a_start_that_did_not_end_is_made_good(accounts: Accounts, data: Path) -> None:
    """A file whose account was never committed is written anew."""
    lost = None
    with suppress(InterruptedError), accounts._database.write() as connection:
        lost = bootstrap.bootstrap(connection, data, "http://127.0.0.1:1", 0)
        raise InterruptedError
    assert lost is not None
    assert read_bootstrap(data) == lost
    made = accounts.bootstrap("http://127.0.0.1:1")
    assert made.token != lost.token
    assert read_bootstrap(data) == made


def test_bootstrap_joins_the_organization_that_is_there(accounts: Accounts) -> None:
    """With one organization there already, no second one comes up."""
    accounts.create_organization("Mine")
    accounts.create_account_group("Default")
    made = accounts.bootstrap("http://127.0.0.1:8480")
    group = accounts.account_group(made.aid)
    assert group is not None
    assert (group.org_name, group.name) == ("Mine", "Default 2")


def test_a_newer_database_is_left_alone(data: Path, clock: FakeClock) -> None:
    """A file that a newer version wrote is refused in words."""
    database = Database.open(None, data, clock)
    with database.write() as connection:
        connection.execute(update(schema.schema_version).values(version=99))
    database.close()
    with pytest.raises(ConfigError, match="version 99"):
        Accounts.open(None, data, clock)


def test_an_older_database_is_brought_up_to_date(data: Path, clock: FakeClock) -> None:
    """What the first version wrote is there afterwards, and may be all that is new."""
    accounts = Accounts.open(None, data, clock)
    accounts.create_organization("One")
    aid = accounts.create_account_group("Main")
    accounts.add_target(aid, Target(host="a.example", port=443))
    with accounts._database.write() as connection:
        for table in (
            "target_agents",
            "network_names",
            "audit_events",
            "agent_former_groups",
            "erased_enrolments",
            "agent_labels",
            "browser_sessions",
            "user_passwords",
            *ALERTS,
        ):
            connection.execute(text(f"DROP TABLE {table}"))
        for column in ("given_name", "deleted_s", "network_id"):
            connection.execute(text(f"ALTER TABLE agents DROP COLUMN {column}"))
        connection.execute(text("ALTER TABLE targets DROP COLUMN interval_s"))
        connection.execute(text("ALTER TABLE users DROP COLUMN created_s"))
        connection.execute(update(schema.schema_version).values(version=1))
    accounts.close()
    again = Accounts.open(None, data, clock)
    try:
        (kept,) = again.listed_targets(aid)
        assert kept.target == Target(host="a.example", port=443, interval_s=60)
        again.change_target(kept.target_id, interval_s=300)
        assert again.listed_targets(aid)[0].target.interval_s == 300
    finally:
        again.close()


def test_when_users_were_made_is_not_known_of_those_of_before(data: Path, clock: FakeClock) -> None:
    """A database that did not note it gets the column; users in it have no time, and new ones have theirs."""
    accounts = Accounts.open(None, data, clock)
    accounts.create_organization("One")
    aid = accounts.create_account_group("Main")
    accounts.create_user("before@example.com", Role.USER, [aid])
    with accounts._database.write() as connection:
        for table in ("agent_labels", "browser_sessions", "user_passwords", *ALERTS):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("ALTER TABLE users DROP COLUMN created_s"))
        connection.execute(update(schema.schema_version).values(version=6))
    accounts.close()
    again = Accounts.open(None, data, clock)
    try:
        again.create_user("after@example.com", Role.USER, [aid])
        assert [user.created_s for user in again.users_of([aid])] == [None, int(clock.now())]
    finally:
        again.close()


def test_passwords_and_sessions_come_to_a_database_of_before(data: Path, clock: FakeClock) -> None:
    """One that knew only tokens gets the tables; its users and tokens stay, and may sign in."""
    accounts = Accounts.open(None, data, clock)
    aid = accounts.create_account_group("Main", accounts.create_organization("One"))
    accounts.create_user("jane@example.com", Role.USER, [aid])
    token = accounts.create_token("jane@example.com")
    with accounts._database.write() as connection:
        for table in ("browser_sessions", "user_passwords", *ALERTS):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(update(schema.schema_version).values(version=8))
    accounts.close()
    again = Accounts.open(None, data, clock)
    try:
        secret = again.sign_ins.begin_by_token(token, Device())
        assert secret is not None
        signed_in = again.sign_ins.authenticate(secret)
        assert signed_in is not None
        assert signed_in.principal.email == "jane@example.com"
    finally:
        again.close()


def test_alerts_come_to_a_database_of_before(data: Path, clock: FakeClock) -> None:
    """One that knew no alerts gets the tables; an account group of before takes rules."""
    accounts = Accounts.open(None, data, clock)
    aid = accounts.create_account_group("Main", accounts.create_organization("One"))
    with accounts._database.write() as connection:
        for table in ALERTS:
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(update(schema.schema_version).values(version=9))
    accounts.close()
    again = Accounts.open(None, data, clock)
    try:
        again.alerts.rules.add(aid, AlertRule(name="Slow", metric="latency", threshold=100))
        assert [each.rule.name for each in again.alerts.rules.listing(aid)] == ["Slow"]
    finally:
        again.close()


def test_messages_of_alerts_are_kept_in_a_database_of_before(data: Path, clock: FakeClock) -> None:
    """One that had rules but no outbox gets it; a rule of before is told as it was."""
    accounts = Accounts.open(None, data, clock)
    aid = accounts.create_account_group("Main", accounts.create_organization("One"))
    hook = Webhook(url="https://chat.example.com/x", secret="correct horse")
    rule_id = accounts.alerts.rules.add(aid, AlertRule(name="Slow", metric="latency", webhooks=(hook,)))
    with accounts._database.write() as connection:
        connection.execute(text(f"DROP TABLE {outbox.name}"))
        old = """UPDATE alert_rules SET document = json_remove(document, '$.emails', '$.services')"""
        connection.execute(text(old))
        connection.execute(update(schema.schema_version).values(version=10))
    accounts.close()
    again = Accounts.open(None, data, clock)
    try:
        stored = again.alerts.rules.get(aid, rule_id)
        assert (stored.rule.webhooks, stored.rule.emails, stored.rule.services) == ((hook,), (), ())
        change = IncidentChange(
            rule=stored, incident_id=None, cause=Cause(), agents={"a": 1.0}, calm_rounds=0, resolved=False,
            events=(("opened", "1 agent fails."),),
        )  # fmt: skip
        again.alerts.incidents.advance(aid, 60, 120, [change])
        (waiting,) = again.alerts.outbox.claim(120, most=8, busy=())
        assert (waiting.channel, waiting.recipient) == ("webhook", hook.url)
    finally:
        again.close()


def test_where_agents_measured_is_not_known_of_those_of_before(data: Path, clock: FakeClock) -> None:
    """A database that did not note it gets the column; an agent of before has no network until it tells."""
    accounts = Accounts.open(None, data, clock)
    aid = accounts.create_account_group("Main", accounts.create_organization("One"))
    info = AgentInfo(computer_name="c", platform="Linux", os_version="1", kernel_version="1", version="0")
    asked = Enrolment(enrolment_id=str(uuid.UUID(int=1, version=4)), secret="s" * 43, agent=info)
    agent_id = accounts.enrol(accounts.create_group_key(aid), asked, None).agent_id
    with accounts._database.write() as connection:
        for table in ("agent_labels", "browser_sessions", "user_passwords", *ALERTS):
            connection.execute(text(f"DROP TABLE {table}"))
        for changed, column in (("agents", "network_id"), ("users", "created_s")):
            connection.execute(text(f"ALTER TABLE {changed} DROP COLUMN {column}"))
        connection.execute(update(schema.schema_version).values(version=5))
    accounts.close()
    told: list[str | None] = []
    for network_id in (None, "0123456789ab", None):
        again = Accounts.open(None, data, clock)
        again.agent_seen(agent_id, None, network_id=network_id)
        again.close()
        again = Accounts.open(None, data, clock)
        found = again.agent(aid, agent_id)
        again.close()
        assert found is not None
        told.append(found.network_id)
    assert told == [None, "0123456789ab", "0123456789ab"]


@pytest.mark.parametrize("url", ["nonsense", "sqlite://", "oracle+nothing://u:secret@h/d"])
def test_a_wrong_url_is_refused_without_its_password(data: Path, clock: FakeClock, url: str) -> None:
    """The message says what is wrong, but repeats no secret."""
    with pytest.raises(ConfigError) as caught:
        Accounts.open(url, data, clock)
    assert "secret" not in str(caught.value)


def test_constraints_are_kept_by_the_database(accounts: Accounts) -> None:
    """Foreign keys are on: a row without its owner is a conflict, not a fact."""
    with pytest.raises(ConflictError), accounts._database.write() as connection:
        connection.execute(schema.group_keys.insert().values(digest=b"x", aid=99, created_s=0))


def test_the_cache_is_bounded_and_valid_for_one_revision() -> None:
    """The oldest goes first; another revision empties it."""
    cache = RevisionCache[str, int](2)
    assert cache.get("a", 1) is None
    for number, key in enumerate("abc"):
        cache.put(key, number)
    assert [cache.get(key, 1) for key in "abc"] == [None, 1, 2]
    assert cache.get("c", 2) is None
