"""Enrolment, agents and targets."""

import uuid
from pathlib import Path

import pytest

from hopsight.accounts.accounts import Accounts
from hopsight.accounts.agent_changes import Transfer
from hopsight.errors import AuthenticationError, ConflictError, InvalidValueError, NotFoundError
from hopsight.model.accounts import AgentPrincipal
from hopsight.model.agents import AgentInfo, Target
from hopsight.model.upload import Enrolment, EnrolmentAnswer
from hopsight.testing import FakeClock

SECRET = "s" * 43


def an_enrolment(name: str = "laptop", secret: str = SECRET, agent_name: str | None = None) -> Enrolment:
    """An agent that asks to be let in."""
    info = AgentInfo(
        computer_name=name,
        platform="Linux",
        os_version="1",
        kernel_version="2",
        version="3",
        agent_name=agent_name,
    )
    return Enrolment(enrolment_id=str(uuid.uuid4()), secret=secret, agent=info)


@pytest.fixture
def aid(accounts: Accounts) -> int:
    """An account group."""
    accounts.create_organization("One")
    return accounts.create_account_group("Main")


def test_enrolling_again_is_the_same_agent(accounts: Accounts, aid: int) -> None:
    """An answer lost on the way is made good by asking again; another secret is another matter."""
    key = accounts.create_group_key(aid)
    enrolment = an_enrolment()
    answer = accounts.enrol(key, enrolment, "192.0.2.1")
    assert answer.aid == aid
    assert accounts.enrol(key, enrolment, "192.0.2.2") == answer
    other = Enrolment(enrolment_id=enrolment.enrolment_id, secret="x" * 43, agent=enrolment.agent)
    with pytest.raises(ConflictError):
        accounts.enrol(key, other, None)
    assert len(accounts.agents(aid)) == 1


def test_only_a_key_lets_agents_in(accounts: Accounts, aid: int) -> None:
    """An unknown key, and one that was deleted, open nothing; agents that are in stay."""
    key = accounts.create_group_key(aid)
    answer = accounts.enrol(key, an_enrolment(), None)
    accounts.delete_group_key(accounts.group_keys()[0].key_id)
    for wrong in (key, "k" * 43):
        with pytest.raises(AuthenticationError):
            accounts.enrol(wrong, an_enrolment(), None)
    assert accounts.authenticate_agent(answer.agent_id, SECRET) is not None


def test_an_enrolment_belongs_to_its_account_group(accounts: Accounts, aid: int) -> None:
    """The key of another account group does not take an agent over."""
    other = accounts.create_account_group("Other")
    enrolment = an_enrolment()
    accounts.enrol(accounts.create_group_key(aid), enrolment, None)
    with pytest.raises(ConflictError):
        accounts.enrol(accounts.create_group_key(other), enrolment, None)


def test_an_agent_remembers_the_account_groups_that_it_was_in(accounts: Accounts, aid: int) -> None:
    """Each once, in whatever order it moved, never the one where it is now, and none that was deleted."""
    enrolment = an_enrolment()
    agent_id = accounts.enrol(accounts.create_group_key(aid), enrolment, None).agent_id
    second, third = accounts.create_account_group("Second"), accounts.create_account_group("Third")
    seen = []
    for from_aid, to_aid in ((aid, second), (second, third), (third, second), (second, third)):
        accounts.transfer_agents([Transfer(agent_id, from_aid, to_aid)])
        principal = accounts.authenticate_agent(agent_id, SECRET)
        assert principal is not None
        assert principal.aid == to_aid
        seen.append(principal.former_aids)
    assert seen == [(aid,), (aid, second), (aid, third), (aid, second)]
    accounts.delete_account_group(second)
    principal = accounts.authenticate_agent(agent_id, SECRET)
    assert principal is not None
    assert principal.former_aids == (aid,)


def test_an_answer_lost_before_a_transfer_is_made_good_after_it(accounts: Accounts, aid: int) -> None:
    """Asking again with the key of the former account group tells where the agent is now."""
    key, enrolment = accounts.create_group_key(aid), an_enrolment()
    agent_id = accounts.enrol(key, enrolment, None).agent_id
    other = accounts.create_account_group("Other")
    accounts.transfer_agents([Transfer(agent_id, aid, other)])
    assert accounts.enrol(key, enrolment, None) == EnrolmentAnswer(agent_id=agent_id, aid=other)
    assert len(accounts.agents(aid) + accounts.agents(other)) == 1


def test_a_transfer_to_where_an_agent_is_changes_nothing(accounts: Accounts, aid: int) -> None:
    """It keeps the targets that name it, and there is nothing to log."""
    agent_id = accounts.enrol(accounts.create_group_key(aid), an_enrolment(), None).agent_id
    accounts.add_target(aid, Target(host="a.example", port=443), [agent_id])
    accounts.transfer_agents([Transfer(agent_id, aid, aid)])
    assert accounts.listed_targets(aid)[0].agent_ids == (agent_id,)
    logged = accounts.audit_events([aid], first_s=0, last_s=2**40)
    assert "Endpoint agent transferred" not in {event.event for event in logged}


def test_an_account_group_is_bounded(accounts: Accounts, aid: int) -> None:
    """No more agents enrol than an account group may have; deleting one makes room."""
    key = accounts.create_group_key(aid)
    answers = [accounts.enrol(key, an_enrolment(), None) for _ in range(3)]
    with pytest.raises(ConflictError, match="3 agents"):
        accounts.enrol(key, an_enrolment(), None)
    accounts.delete_agent(aid, answers[0].agent_id)
    accounts.enrol(key, an_enrolment(), None)


def test_a_secret_shows_the_agent_until_it_is_deleted(accounts: Accounts, aid: int) -> None:
    """Disabling shows in the principal; deleting shuts out at once and for good; both survive the cache."""
    key, enrolment = accounts.create_group_key(aid), an_enrolment()
    agent_id = accounts.enrol(key, enrolment, None).agent_id
    first = accounts.authenticate_agent(agent_id, SECRET)
    assert first is not None
    assert (first.aid, first.enabled) == (aid, True)
    assert accounts.authenticate_agent(agent_id, "x" * 43) is None
    assert accounts.authenticate_agent("nobody", SECRET) is None
    accounts.set_agent_enabled(aid, agent_id, enabled=False)
    second = accounts.authenticate_agent(agent_id, SECRET)
    assert second is not None
    assert not second.enabled
    accounts.delete_agent(aid, agent_id)
    assert accounts.authenticate_agent(agent_id, SECRET) is None
    with pytest.raises(ConflictError):
        accounts.enrol(key, enrolment, None)
    with pytest.raises(NotFoundError):
        accounts.set_agent_enabled(aid, agent_id, enabled=True)
    assert accounts.agents(aid) == []
    assert [agent.agent_id for agent in accounts.agents(aid, deleted=True)] == [agent_id]


def test_agents_are_listed_in_pages(accounts: Accounts, aid: int) -> None:
    """Following the last ID yields each agent once, in order; names filter exactly; groups are apart."""
    key = accounts.create_group_key(aid)
    for name in ("a", "b", "c"):
        accounts.enrol(key, an_enrolment(name, agent_name=f"Agent {name}"), "2001:db8::1")
    first = accounts.agents(aid, limit=2)
    rest = accounts.agents(aid, after=first[-1].agent_id, limit=2)
    ids = [agent.agent_id for agent in first + rest]
    assert ids == sorted(set(ids))
    assert len(ids) == 3
    assert [agent.info.computer_name for agent in accounts.agents(aid, agent_name="Agent b")] == ["b"]
    assert [agent.agent_name for agent in accounts.agents(aid, computer_name="c")] == ["Agent c"]
    assert accounts.agents(aid, computer_name="C") == []
    assert accounts.agents(aid + 1) == []
    assert accounts.agent(aid + 1, ids[0]) is None
    assert accounts.agent(aid, ids[0]) == first[0]


def test_agents_are_counted_as_they_are_listed(accounts: Accounts, aid: int) -> None:
    """The number is that of all pages together, with the same filters, in the one account group."""
    key = accounts.create_group_key(aid)
    enrolled = [accounts.enrol(key, an_enrolment(name, agent_name=f"Agent {name}"), None) for name in "abb"]
    accounts.delete_agent(aid, enrolled[0].agent_id)
    assert accounts.count_agents(aid) == 2
    assert accounts.count_agents(aid, deleted=True) == 1
    assert accounts.count_agents(aid, agent_name="Agent b") == 2
    assert accounts.count_agents(aid, agent_name="Agent b", computer_name="a") == 0
    assert accounts.count_agents(aid, deleted=True, computer_name="a") == 1
    assert accounts.count_agents(aid + 1) == 0


def test_sightings_show_at_once_and_are_written_later(
    accounts: Accounts, aid: int, accounts_url: str | None, data: Path, clock: FakeClock
) -> None:
    """This process sees a sighting at once, another one after some seconds; no cached right is lost by it."""
    enrolment = an_enrolment()
    agent_id = accounts.enrol(accounts.create_group_key(aid), enrolment, None).agent_id
    other = Accounts.open(accounts_url, data, clock)
    try:
        clock.advance(1)
        accounts.agent_seen(agent_id, "192.0.2.7", an_enrolment("renamed").agent)
        here, there = accounts.agent(aid, agent_id), other.agent(aid, agent_id)
        assert here is not None
        assert there is not None
        assert (here.agent_name, here.public_ip) == ("renamed", "192.0.2.7")
        assert here.last_seen_s == there.last_seen_s + 1
        assert there.agent_name == "laptop"
        revision = accounts._database.current_revision()
        clock.advance(5)
        accounts.agent_seen(agent_id, "192.0.2.8")
        there = other.agent(aid, agent_id)
        assert there is not None
        assert (there.agent_name, there.public_ip) == ("renamed", "192.0.2.8")
        assert accounts._database.current_revision() == revision
    finally:
        other.close()


def test_closing_writes_what_waits(accounts_url: str | None, data: Path, clock: FakeClock) -> None:
    """A sighting of the last second survives an orderly end."""
    accounts = Accounts.open(accounts_url, data, clock)
    accounts.create_organization("One")
    aid = accounts.create_account_group("Main")
    agent_id = accounts.enrol(accounts.create_group_key(aid), an_enrolment(), None).agent_id
    accounts.agent_seen(agent_id, "192.0.2.9")
    accounts.close()
    again = Accounts.open(accounts_url, data, clock)
    found = again.agent(aid, agent_id)
    again.close()
    assert found is not None
    assert found.public_ip == "192.0.2.9"


def test_targets_come_back_as_given(accounts: Accounts, aid: int) -> None:
    """Targets belong to one account group; the same one twice, or a bad one, is refused."""
    given = (Target(host="example.org"), Target(host="192.0.2.1", port=443, protocol="tcp"))
    ids = [accounts.add_target(aid, target) for target in given]
    assert [item.target for item in accounts.listed_targets(aid)] == [*given]
    assert accounts.listed_targets(aid + 1) == []
    with pytest.raises(ConflictError):
        accounts.add_target(aid, Target(host="example.org"))
    with pytest.raises(InvalidValueError):
        accounts.add_target(aid, Target(host="no spaces"))
    with pytest.raises(NotFoundError):
        accounts.add_target(aid + 1, given[0])
    accounts.delete_target(ids[0])
    assert [item.target for item in accounts.listed_targets(aid)] == [given[1]]
    with pytest.raises(NotFoundError):
        accounts.delete_target(ids[0])


def agent_of(accounts: Accounts, aid: int) -> AgentPrincipal:
    """A new agent."""
    enrolment = an_enrolment()
    agent_id = accounts.enrol(accounts.create_group_key(aid), enrolment, None).agent_id
    principal = accounts.authenticate_agent(agent_id, enrolment.secret)
    assert principal is not None
    return principal


def test_a_target_may_be_for_some_agents_alone(accounts: Accounts, aid: int) -> None:
    """Who is named measures it, and the others do not; a change is seen at once."""
    one, other = agent_of(accounts, aid), agent_of(accounts, aid)
    everywhere, here = Target(host="a.example"), Target(host="b.example", interval_s=300)
    accounts.add_target(aid, everywhere)
    target_id = accounts.add_target(aid, here, [one.agent_id])
    assert accounts.targets_of(one) == (everywhere, here)
    assert accounts.targets_of(other) == (everywhere,)
    accounts.change_target(target_id, interval_s=600, agent_ids=[other.agent_id])
    assert accounts.targets_of(one) == (everywhere,)
    assert accounts.targets_of(other)[1].interval_s == 600
    accounts.change_target(target_id, agent_ids=())
    assert accounts.targets_of(one) == accounts.targets_of(other)
    accounts.delete_target(target_id)
    assert accounts.targets_of(one) == (everywhere,)


def test_a_target_names_agents_of_its_own_account_group(accounts: Accounts, aid: int) -> None:
    """An unknown, foreign or deleted agent is refused, and then there is no half-made target."""
    stranger = agent_of(accounts, accounts.create_account_group("Elsewhere"))
    gone = agent_of(accounts, aid)
    accounts.delete_agent(aid, gone.agent_id)
    for agent_id in (stranger.agent_id, gone.agent_id, str(uuid.uuid4())):
        with pytest.raises(NotFoundError, match=agent_id):
            accounts.add_target(aid, Target(host="a.example"), [agent_id])
    assert accounts.listed_targets(aid) == []
    with pytest.raises(NotFoundError):
        accounts.change_target(99, interval_s=60)
    target_id = accounts.add_target(aid, Target(host="a.example"))
    with pytest.raises(InvalidValueError):
        accounts.change_target(target_id, interval_s=61)


def test_a_target_of_a_moved_agent_alone_goes_with_its_name(accounts: Accounts, aid: int) -> None:
    """Left without a name it would be measured by everybody; one that names others stays with those."""
    other = accounts.create_account_group("Elsewhere")
    moved, stays = agent_of(accounts, aid), agent_of(accounts, aid)
    accounts.add_target(aid, Target(host="alone.example"), [moved.agent_id])
    accounts.add_target(aid, Target(host="both.example"), [moved.agent_id, stays.agent_id])
    accounts.transfer_agents([Transfer(moved.agent_id, aid, other)])
    assert [each.target.host for each in accounts.listed_targets(aid)] == ["both.example"]
    assert [target.host for target in accounts.targets_of(stays)] == ["both.example"]


def test_no_agent_has_an_id_with_a_nul(accounts: Accounts) -> None:
    """No database takes such a text, and who asks for one is told that there is none."""
    accounts.create_organization("One")
    aid = accounts.create_account_group("Main")
    assert accounts.agent(aid, "a\0b") is None
    assert accounts.authenticate_agent("a\0b", "s" * 43) is None
    with pytest.raises(NotFoundError):
        accounts.delete_agent(aid, "a\0b")
