"""Labels on agents."""

import uuid

import pytest

from hopsight.accounts import labels
from hopsight.accounts.accounts import Accounts
from hopsight.accounts.agent_changes import Transfer
from hopsight.accounts.personal_rows import Subject
from hopsight.errors import ConflictError, InvalidValueError, NotFoundError
from hopsight.model.agents import AgentInfo
from hopsight.model.upload import Enrolment


@pytest.fixture
def aid(accounts: Accounts) -> int:
    """An account group."""
    accounts.create_organization("Acme")
    return accounts.create_account_group("Main")


def enrol(accounts: Accounts, aid: int) -> str:
    """A new agent's ID."""
    info = AgentInfo(computer_name="pc", platform="Linux", os_version="1", kernel_version="1", version="0")
    asked = Enrolment(enrolment_id=str(uuid.uuid4()), secret="s" * 43, agent=info)
    return accounts.enrol(accounts.create_group_key(aid), asked, None).agent_id


def test_an_agent_has_the_labels_that_were_put_on_it(accounts: Accounts, aid: int) -> None:
    """In order; they go with it to another account group, and off one by one."""
    agent_id = enrol(accounts, aid)
    enrol(accounts, aid)
    for label in ("sales", " Berlin "):
        accounts.labels.add(agent_id, label)
    assert accounts.labels.by_agent(aid) == {agent_id: ["Berlin", "sales"]}
    other = accounts.create_account_group("Other")
    accounts.transfer_agents([Transfer(agent_id, aid, other)])
    assert accounts.labels.by_agent(aid) == {}
    accounts.labels.remove(agent_id, "sales")
    assert accounts.labels.by_agent(other) == {agent_id: ["Berlin"]}


def test_what_cannot_be_a_label_is_said(
    accounts: Accounts, aid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Empty, there already, too many, not there, of no agent."""
    monkeypatch.setattr(labels, "MAX_LABELS", 2)
    agent_id = enrol(accounts, aid)
    accounts.labels.add(agent_id, "a")
    with pytest.raises(InvalidValueError, match="label"):
        accounts.labels.add(agent_id, " ")
    with pytest.raises(ConflictError, match="already"):
        accounts.labels.add(agent_id, "a")
    accounts.labels.add(agent_id, "b")
    with pytest.raises(ConflictError, match="2 labels already"):
        accounts.labels.add(agent_id, "c")
    with pytest.raises(NotFoundError, match="no label"):
        accounts.labels.remove(agent_id, "c")
    for method in (accounts.labels.add, accounts.labels.remove):
        with pytest.raises(NotFoundError, match="no agent"):
            method(str(uuid.uuid4()), "a")


def test_labels_are_personal_data(accounts: Accounts, aid: int) -> None:
    """They are counted and erased with their agent, and the log keeps none of its names."""
    agent_id = enrol(accounts, aid)
    accounts.labels.add(agent_id, "desk 7")
    subject = Subject(agent_ids=(agent_id,))
    assert accounts.personal_data.count(subject)["agent_labels"] == 1
    accounts.personal_data.erase(subject)
    assert not any(accounts.personal_data.count(subject).values())
    assert accounts.labels.by_agent(aid) == {}
