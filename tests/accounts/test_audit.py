"""The log of changes: nothing that changes accounts goes unnoted."""

import inspect
import uuid
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from hopsight.accounts.accounts import Accounts
from hopsight.accounts.agent_changes import Transfer
from hopsight.accounts.audit import Actor, Resource
from hopsight.accounts.browser_sessions import Device
from hopsight.accounts.listings import NetworkName
from hopsight.accounts.personal_rows import Subject
from hopsight.accounts.user_changes import UserWish
from hopsight.model.accounts import Role
from hopsight.model.agents import AgentInfo, Target
from hopsight.model.upload import Enrolment
from hopsight.testing import FakeClock

NETWORK_ID = "a1b2c3d4e5f6"
BY = Actor(who="jane@example.org", uid=1, ip_address="192.0.2.7")
INFO = AgentInfo(computer_name="laptop", platform="Linux", os_version="1", kernel_version="1", version="0")

# Written without an event, and why that is right.
NO_CHANGE_OF_ANYBODYS = {
    "agent_seen": "what an agent reports of itself, every few seconds",
    "flush": "the same, on its way to the database",
    "close": "the same, at the end",
    "sign_ins.authenticate": "that a session is in use, every minute",
    "sign_ins.end": "one's own going; the coming is in the log",
    "sign_ins.end_session": "the same",
    "sign_ins.end_others": "the same",
}


class World:
    """Accounts with one of each thing, so that every method has something to change."""

    def __init__(self, accounts_url: str | None, data: Path) -> None:
        self.accounts = Accounts.open(accounts_url, data, FakeClock())
        self.org_id = self.accounts.create_organization("Acme")
        self.empty_org_id = self.accounts.create_organization("Empty")
        self.aid = self.accounts.create_account_group("Main", self.org_id)
        self.empty_aid = self.accounts.create_account_group("Empty", self.org_id)
        self.uid = self.accounts.create_user("jane@example.org", Role.ORG_ADMIN, [self.aid])
        self.other_uid = self.accounts.create_user("john@example.org", Role.USER, [self.aid])
        self.token = self.accounts.create_token("john@example.org")
        self.accounts.sign_ins.set_password("jane@example.org", "secret hash")
        password = self.accounts.sign_ins.password_of("jane@example.org")
        assert password is not None
        self.password = password
        self.key = self.accounts.create_group_key(self.aid)
        self.agent_id = self.enrol()
        self.deleted_id = self.enrol()
        self.accounts.delete_agent(self.aid, self.deleted_id)
        self.accounts.networks.set(NetworkName(aid=self.aid, network_id=NETWORK_ID, location="There"))
        self.accounts.labels.add(self.agent_id, "desk")
        self.target_id = self.accounts.add_target(self.aid, Target(host="a.example"))

    def enrol(self) -> str:
        """Let a new agent in; its ID."""
        enrolment = Enrolment(enrolment_id=str(uuid.uuid4()), secret="s" * 43, agent=INFO)
        return self.accounts.enrol(self.key, enrolment, "192.0.2.9").agent_id

    def events(self) -> list[Any]:
        """The whole log."""
        return self.accounts.audit_events(None, first_s=0, last_s=1 << 40)


# How each method is called with something to do; what it is given as ``by`` is in the event.
CALLS: dict[str, Callable[[World], Any]] = {
    "bootstrap": lambda w: w.accounts.bootstrap("http://127.0.0.1:1"),
    "create_organization": lambda w: w.accounts.create_organization("New", by=BY),
    "delete_organization": lambda w: w.accounts.delete_organization(w.empty_org_id, by=BY),
    "create_account_group": lambda w: w.accounts.create_account_group("New", w.org_id, by=BY),
    "delete_account_group": lambda w: w.accounts.delete_account_group(w.empty_aid, by=BY),
    "create_user": lambda w: w.accounts.create_user("new@example.org", Role.USER, [w.aid], by=BY),
    "delete_user": lambda w: w.accounts.delete_user("john@example.org", by=BY),
    "create_token": lambda w: w.accounts.create_token("john@example.org", by=BY),
    "delete_token": lambda w: w.accounts.delete_token(1, by=BY),
    "add_user": lambda w: w.accounts.add_user(
        w.org_id, UserWish(email="new@example.org", roles={w.aid: Role.USER}), by=BY
    ),
    "change_user": lambda w: w.accounts.change_user(w.org_id, w.other_uid, UserWish(name="J"), by=BY),
    "remove_user": lambda w: w.accounts.remove_user(w.org_id, w.other_uid, by=BY),
    "add_token": lambda w: w.accounts.add_token(w.org_id, w.other_uid, by=BY),
    "remove_token": lambda w: w.accounts.remove_token(w.org_id, w.other_uid, 1, by=BY),
    "end_sessions": lambda w: w.accounts.end_sessions(w.org_id, w.other_uid, by=BY),
    "create_group_key": lambda w: w.accounts.create_group_key(w.aid, by=BY),
    "delete_group_key": lambda w: w.accounts.delete_group_key(1, by=BY),
    "enrol": lambda w: w.enrol(),
    "rename_agent": lambda w: w.accounts.rename_agent(w.aid, w.agent_id, "reception", by=BY),
    "set_agent_enabled": lambda w: w.accounts.set_agent_enabled(w.aid, w.agent_id, enabled=False, by=BY),
    "delete_agent": lambda w: w.accounts.delete_agent(w.aid, w.agent_id, by=BY),
    "restore_agent": lambda w: w.accounts.restore_agent(w.aid, w.deleted_id, by=BY),
    "transfer_agents": lambda w: w.accounts.transfer_agents(
        [Transfer(w.agent_id, w.aid, w.empty_aid)], by=BY
    ),
    "add_target": lambda w: w.accounts.add_target(w.aid, Target(host="b.example"), by=BY),
    "change_target": lambda w: w.accounts.change_target(w.target_id, interval_s=300, by=BY),
    "delete_target": lambda w: w.accounts.delete_target(w.target_id, by=BY),
    "add_group": lambda w: w.accounts.add_group(w.org_id, "New", w.uid, by=BY),
    "rename_group": lambda w: w.accounts.rename_group(w.aid, "Renamed", by=BY),
    "remove_group": lambda w: w.accounts.remove_group(w.empty_aid, by=BY),
    "networks.set": lambda w: w.accounts.networks.set(
        NetworkName(aid=w.aid, network_id="0123456789ab", location="Here"), by=BY
    ),
    "networks.remove": lambda w: w.accounts.networks.remove(w.aid, NETWORK_ID, by=BY),
    "labels.add": lambda w: w.accounts.labels.add(w.agent_id, "lab", by=BY),
    "labels.remove": lambda w: w.accounts.labels.remove(w.agent_id, "desk", by=BY),
    "personal_data.erase": lambda w: w.accounts.personal_data.erase(Subject(agent_ids=(w.agent_id,)), by=BY),
    "sign_ins.set_password": lambda w: w.accounts.sign_ins.set_password("john@example.org", "hash", by=BY),
    "sign_ins.begin_by_password": lambda w: w.accounts.sign_ins.begin_by_password(w.password, Device()),
    "sign_ins.begin_by_token": lambda w: w.accounts.sign_ins.begin_by_token(w.token, Device()),
    "sign_ins.begin_by_email": lambda w: w.accounts.sign_ins.begin_by_email("john@example.org", Device()),
    "sign_ins.note_lockout": lambda w: w.accounts.sign_ins.note_lockout("john@example.org", "192.0.2.1"),
    "note": lambda w: w.accounts.note(
        w.aid, "Report signed", [Resource(type="report", name="0" * 64)], by=BY
    ),
    "personal_data.note_export": lambda w: w.accounts.personal_data.note_export(
        Subject(agent_ids=(w.agent_id,)), by=BY
    ),
}


def doors(accounts: Accounts) -> Iterator[tuple[str, type]]:
    """``Accounts``, and the doors to parts of it that it holds."""
    yield "", Accounts
    for name, part in vars(accounts).items():
        if not name.startswith("_"):
            yield f"{name}.", type(part)


def writers(accounts: Accounts) -> Iterator[str]:
    """The methods that open a transaction that writes, or hand on to one that does."""
    for prefix, door in doors(accounts):
        for name, method in inspect.getmembers(door, inspect.isfunction):
            source = inspect.getsource(method)
            writes = ".write(" in source or "_sightings.flush(" in source or "_sightings.add(" in source
            if writes and not name.startswith("_"):
                yield prefix + name


@pytest.fixture
def world(accounts_url: str | None, data: Path) -> Iterator[World]:
    """Accounts with one of each thing."""
    made = World(accounts_url, data)
    yield made
    made.accounts.close()


def test_every_method_that_writes_is_looked_at(world: World) -> None:
    """A new way to change accounts has to say here how its event comes about, or why there is none."""
    assert set(writers(world.accounts)) == CALLS.keys() | NO_CHANGE_OF_ANYBODYS.keys()


@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_write_leaves_an_event(world: World, name: str) -> None:
    """Each says what was done, by whom, from where, and to which account group or organization."""
    before = len(world.events())
    CALLS[name](world)
    left = world.events()[before:]
    assert left, f"{name} leaves nothing in the log"
    takes_by = "by" in inspect.signature(attrgetter(name)(world.accounts)).parameters
    for event in left:
        assert event.event
        assert event.resources
        if takes_by:
            assert (event.who, event.uid, event.ip_address) == (BY.who, BY.uid, BY.ip_address)


def test_what_fails_leaves_no_event(world: World) -> None:
    """An event is written with its change, or not at all."""
    before = len(world.events())
    with pytest.raises(Exception, match="Empty"):
        world.accounts.create_organization("Empty", by=BY)
    assert len(world.events()) == before


def test_no_secret_is_in_the_log(world: World) -> None:
    """Neither tokens nor keys, nor the secrets of agents."""
    token = world.accounts.create_token("john@example.org")
    session = world.accounts.sign_ins.begin_by_token(token, Device())
    assert session is not None
    told = repr(world.events())
    for secret in (token, session, world.key, "s" * 43, "secret hash"):
        assert secret not in told


def test_the_first_start_says_who_it_was(accounts_url: str | None, data: Path) -> None:
    """What the server makes for itself is in the log as well, under a name of its own."""
    accounts = Accounts.open(accounts_url, data, FakeClock())
    try:
        accounts.bootstrap("http://127.0.0.1:1")
        events = accounts.audit_events(None, first_s=0, last_s=1 << 40)
    finally:
        accounts.close()
    assert [each.event for each in events] == [
        "Organization created",
        "Account group created",
        "User created",
        "User token created",
        "Connection string created",
    ]
    assert {each.who for each in events} == {"first start of the server"}


def test_events_of_the_organization_are_asked_for_by_name(world: World) -> None:
    """Those of no account group come along for the organizations named, and for no other."""
    theirs = world.accounts.create_organization("Theirs")
    world.accounts.create_account_group("Theirs", theirs)
    asked: dict[str, Any] = {"first_s": 0, "last_s": 1 << 40}
    ours = world.accounts.audit_events([world.aid], **asked, org_ids=[world.org_id])
    assert "Account group created" in {each.event for each in ours}
    assert "Theirs" not in repr(ours)
    alone = world.accounts.audit_events([world.aid], **asked)
    assert "Account group created" not in {each.event for each in alone}
