"""Providers of agents: by the address that each comes from, of its own account group, kept for a while."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.maxmind.written import database

from hopsight.accounts.accounts import Accounts
from hopsight.config import ServerConfig
from hopsight.model.agents import AgentInfo
from hopsight.model.upload import Enrolment
from hopsight.server.alerts.providers import KEPT_S, Providers
from hopsight.server.places.atlas import Atlas
from hopsight.testing import FakeClock

ENTRIES = {
    "5.10.0.0/24": {"autonomous_system_number": 64500, "autonomous_system_organization": "Example"},
    "5.20.0.0/24": {"autonomous_system_number": 64501},
}


class Place:
    """Accounts with two account groups, and a file about addresses."""

    def __init__(self, data: Path) -> None:
        self.clock = FakeClock()
        self.accounts = Accounts.open(None, data, self.clock)
        org_id = self.accounts.create_organization("One")
        self.aids = [self.accounts.create_account_group(name, org_id) for name in ("Main", "Other")]
        file = data / "asn.mmdb"
        file.write_bytes(database(ENTRIES))
        self.atlas = Atlas.open(ServerConfig(data=data, asn_db=file), self.accounts, self.clock)
        self.providers = Providers(self.accounts, self.atlas, self.clock)

    def enrol(self, aid: int, address: str) -> str:
        """An agent that comes from an address; its ID."""
        info = AgentInfo(
            computer_name="pc",
            agent_name="pc",
            platform="Linux",
            os_version="12",
            kernel_version="6",
            version="1",
        )
        wish = Enrolment(enrolment_id=str(uuid.uuid4()), secret="s" * 43, agent=info)
        return self.accounts.enrol(self.accounts.create_group_key(aid), wish, address).agent_id


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """One."""
    made = Place(tmp_path)
    yield made
    made.atlas.close()
    made.accounts.close()


def test_who_announces_an_agents_address_is_its_provider(place: Place) -> None:
    """By number and name, or number alone; addresses that are not public or not known have none."""
    named, numbered = place.enrol(place.aids[0], "5.10.0.7"), place.enrol(place.aids[0], "5.20.0.7")
    for address in ("192.168.1.7", "5.30.0.7"):
        place.enrol(place.aids[0], address)
    place.enrol(place.aids[1], "5.10.0.8")
    assert place.providers.of(place.aids[0]) == {named: "AS64500 Example", numbered: "AS64501"}


def test_they_are_read_again_after_a_while(place: Place) -> None:
    """An agent that is new has a provider five minutes later."""
    assert place.providers.of(place.aids[0]) == {}
    agent_id = place.enrol(place.aids[0], "5.10.0.7")
    assert place.providers.of(place.aids[0]) == {}
    place.clock.advance(KEPT_S)
    assert place.providers.of(place.aids[0]) == {agent_id: "AS64500 Example"}


def test_without_a_file_nobody_has_one(place: Place) -> None:
    """And no agent is read for it."""
    place.enrol(place.aids[0], "5.10.0.7")
    assert Providers(place.accounts, Atlas(), place.clock).of(place.aids[0]) == {}
