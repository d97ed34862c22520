"""The engine over a real accounts database: rounds when they are due, once, also over a restart."""

import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec import structs
from tests.server.alerts.test_incidents import SITES, fleet

from hopsight.accounts.accounts import Accounts
from hopsight.accounts.alert_listings import Incident
from hopsight.accounts.incidents import IncidentChange
from hopsight.accounts.personal_rows import Subject
from hopsight.model.alerts import AlertFilter, AlertRule, Cause, MaintenanceWindow, Webhook
from hopsight.model.dimensions import AGENT_STATES, USER_SESSIONS, Dimensions
from hopsight.model.query import Record
from hopsight.server.alerts.engine import GRACE_S, AlertEngine
from hopsight.storage.memory import MemoryStore
from hopsight.testing import FakeClock, sample_agent_state_record, sample_record

pytestmark = pytest.mark.anyio

START = 1_490_529_480
BAD = "02:00:00:00:01:02"
RULE = AlertRule(name="Slow", metric="latency", threshold=150.0)


class Site:
    """A server's store and accounts, an account group with one rule, and time that passes in rounds."""

    def __init__(self, data: Path, accounts_url: str | None = None) -> None:
        self.data = data
        self.accounts_url = accounts_url
        self.clock = FakeClock(float(START))
        self.store = MemoryStore()
        self.accounts = Accounts.open(accounts_url, data, self.clock)
        self.aid = self.accounts.create_account_group("Main", self.accounts.create_organization("One"))
        self.rng = random.Random(2)
        self.engine = AlertEngine(self.store, self.accounts, self.clock)

    def restart(self) -> None:
        """Close the accounts, and begin anew on the same files."""
        self.accounts.close()
        self.accounts = Accounts.open(self.accounts_url, self.data, self.clock)
        self.engine = AlertEngine(self.store, self.accounts, self.clock)

    async def measure(self, bad: bool, places: list[Dimensions] | None = None, back: int = 0) -> None:
        """A round's sessions; when it is bad, those behind one access point are slow."""
        round_id = int(self.clock.now()) // 60 * 60 - 60 * back
        records: list[Record] = []
        for place in fleet() if places is None else places:
            made = sample_record(self.rng, aid=self.aid, round_id=round_id, dimensions=place)
            latency_ms = 400.0 if bad and place.bssid == BAD else 20.0
            records.append(structs.replace(made, latency_ms=latency_ms))
        await self.store.add(USER_SESSIONS, records)

    async def pass_rounds(self, count: int, *, bad: bool) -> None:
        """Measure rounds, and look at each when it is due."""
        for _ in range(count):
            await self.measure(bad)
            self.clock.advance(60)
            await self.engine.run_due()

    def incidents(self) -> list[Incident]:
        """All of them."""
        return self.accounts.alerts.incidents.listing(self.aid)


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """One that nothing has happened in; its accounts are on SQLite unless a test says "postgresql"."""
    on_postgresql = getattr(request, "param", None) == "postgresql"
    made = Site(tmp_path, request.getfixturevalue("postgresql_url") if on_postgresql else None)
    yield made
    made.accounts.close()


@pytest.mark.parametrize("site", ["sqlite", "postgresql"], indirect=True)
async def test_a_bad_access_point_is_one_incident_with_its_agents_and_its_end(site: Site) -> None:
    """Opened with the cause and ten agents, resolved after K calm rounds, with what happened in words."""
    site.accounts.alerts.rules.add(site.aid, RULE)
    await site.pass_rounds(10, bad=False)
    await site.pass_rounds(10, bad=True)
    (found,) = site.incidents()
    assert (found.cause.dimension, found.cause.value, found.agents) == ("bssid", BAD, 10)
    assert found.resolved_s is None
    await site.pass_rounds(10, bad=False)
    (over,) = site.incidents()
    assert over.resolved_s is not None
    events = site.accounts.alerts.incidents.events(over.incident_id)
    assert [each.event for each in events] == ["opened", "resolved"]
    assert BAD in events[0].text
    agents = site.accounts.alerts.incidents.agents(over.incident_id)
    assert {each.worst for each in agents} == {400.0}


async def test_a_round_is_looked_at_once_when_its_grace_is_over(site: Site) -> None:
    """Not while records may still come; and never twice."""
    site.accounts.alerts.rules.add(site.aid, RULE)
    await site.measure(bad=False)
    site.clock.advance(60 + GRACE_S - 1)
    await site.engine.run_due()
    assert site.accounts.alerts.incidents.progress(site.aid) == START - 60
    site.clock.advance(1)
    assert [aid for aid, _ in await site.engine.run_due()] == [site.aid]
    assert site.accounts.alerts.incidents.progress(site.aid) == START
    assert await site.engine.run_due() == []


@pytest.mark.parametrize("site", ["sqlite", "postgresql"], indirect=True)
async def test_a_restart_goes_on_where_it_was(site: Site) -> None:
    """Rounds that passed while nobody looked are looked at; the incident goes on as the same one."""
    site.accounts.alerts.rules.add(site.aid, RULE)
    await site.pass_rounds(6, bad=True)
    for _ in range(20):
        await site.measure(bad=True)
        site.clock.advance(60)
    site.restart()
    assert len(await site.engine.run_due()) == 20
    await site.pass_rounds(8, bad=False)
    (found,) = site.incidents()
    assert found.resolved_s is not None


async def test_records_that_come_late_count_in_the_rounds_after(site: Site) -> None:
    """What arrives after a round was looked at is seen when the next one is."""
    site.accounts.alerts.rules.add(site.aid, RULE)
    await site.pass_rounds(1, bad=False)
    for _ in range(3):
        site.clock.advance(60)
        await site.engine.run_due()
    for back in (1, 2, 3):
        await site.measure(bad=True, back=back)
    assert site.incidents() == []
    await site.pass_rounds(2, bad=False)
    assert len(site.incidents()) == 1


@pytest.mark.parametrize("site", ["sqlite", "postgresql"], indirect=True)
async def test_two_processes_open_one_incident(site: Site) -> None:
    """Who is second with a round changes nothing."""
    site.accounts.alerts.rules.add(site.aid, RULE)
    await site.pass_rounds(6, bad=True)
    incidents = site.accounts.alerts.incidents
    assert incidents.advance(site.aid, START, START, []) == []
    assert len(site.incidents()) == 1


@pytest.mark.parametrize("site", ["sqlite", "postgresql"], indirect=True)
async def test_maintenance_suppresses_and_says_what(site: Site) -> None:
    """In its time no incident is opened; its agents and the rule are listed, after it one is opened."""
    rule_id = site.accounts.alerts.rules.add(site.aid, RULE)
    window = MaintenanceWindow(
        name="New firmware", start_s=START, end_s=START + 1_200,
        filters=(AlertFilter("gateway", ("10.1.0.1",)),),
    )  # fmt: skip
    window_id = site.accounts.alerts.rules.add_window(site.aid, window)
    await site.pass_rounds(15, bad=True)
    assert site.incidents() == []
    listed = site.accounts.alerts.rules.suppressed_by(window_id)
    assert len(listed) == 10
    assert {each.rule_id for each in listed} == {rule_id}
    await site.pass_rounds(10, bad=True)
    (found,) = site.incidents()
    assert found.opened_s > window.end_s


async def test_a_weekly_window_comes_again() -> None:
    """The same hours of the week, from its first time on and never before."""
    window = MaintenanceWindow(name="Patch night", start_s=START, end_s=START + 7_200, weekly=True)
    week_s = 7 * 86_400
    covered = [window.covers(START + offset_s) for offset_s in (-1, 0, 7_199, 7_200, week_s, 3 * week_s + 9)]
    assert covered == [False, True, True, False, True, True]


@pytest.mark.parametrize("deletes", [True, False])
async def test_a_rule_that_is_gone_ends_its_incidents(site: Site, deletes: bool) -> None:
    """Deleted or switched off: what it found is resolved with the next round, and kept."""
    rule_id = site.accounts.alerts.rules.add(site.aid, RULE)
    await site.pass_rounds(6, bad=True)
    if deletes:
        site.accounts.alerts.rules.remove(site.aid, rule_id)
    else:
        site.accounts.alerts.rules.change(site.aid, rule_id, structs.replace(RULE, enabled=False))
    await site.pass_rounds(1, bad=True)
    (found,) = site.incidents()
    assert found.resolved_s is not None


@pytest.mark.parametrize("asleep", [True, False])
async def test_agents_with_a_state_are_absent(site: Site, asleep: bool) -> None:
    """An office that falls silent is an incident, unless its agents say that they were asleep."""
    site.accounts.alerts.rules.add(site.aid, AlertRule(name="Silent", metric="no-data", min_agents=5))
    await site.pass_rounds(12, bad=False)
    here = [place for place in fleet() if place.gateway != "10.1.0.1"]
    for number in range(6):
        await site.measure(bad=False, places=here)
        if asleep and number == 0:
            await _sleep(site)
        site.clock.advance(60)
        await site.engine.run_due()
    assert [each.cause.value for each in site.incidents()] == ([] if asleep else ["10.1.0.1"])


async def _sleep(site: Site) -> None:
    round_id = int(site.clock.now()) // 60 * 60
    records = []
    for place in fleet():
        if place.gateway == "10.1.0.1" and place.visited_site == SITES[0]:
            state = sample_agent_state_record(
                site.rng, aid=site.aid, round_id=round_id, agent_id=place.agent_id, length_s=3_600
            )
            records.append(
                structs.replace(
                    sample_record(site.rng, aid=site.aid, round_id=round_id, dimensions=place),
                    record_id=state.document.state_id,
                    body=msgspec.json.encode(state.document),
                )
            )
    await site.store.add(AGENT_STATES, records)


@pytest.mark.parametrize("site", ["sqlite", "postgresql"], indirect=True)
async def test_erasing_an_agent_takes_it_out_of_incidents(site: Site) -> None:
    """Nothing of it is left in any table; a rule that named it in a filter admits nobody else for that."""
    agent_id = "3fde6422-f119-40e1-ae32-d08a1243c038"
    rules, incidents = site.accounts.alerts.rules, site.accounts.alerts.incidents
    hook = Webhook(url="https://chat.example.com/x", secret="correct horse")
    rule = structs.replace(RULE, filters=(AlertFilter("agentId", (agent_id,)),), webhooks=(hook,))
    rule_id = rules.add(site.aid, rule)
    stored = rules.get(site.aid, rule_id)
    change = IncidentChange(
        rule=stored, incident_id=None, cause=Cause(), agents={agent_id: 9.0, "other": 8.0},
        calm_rounds=0, resolved=False,
    )  # fmt: skip
    ((incident_id, _),) = incidents.advance(site.aid, START, START, [change])
    window = MaintenanceWindow(name="x", start_s=1, end_s=2, filters=rule.filters)
    rules.suppress(rules.add_window(site.aid, window), stored, [agent_id], START)
    subject = Subject(agent_ids=(agent_id,))
    exported = list(site.accounts.personal_data.export(subject))
    assert {"incidents", "incident_agents", "maintenance_suppressed", "alert_rules"} <= {
        table for table, _ in exported
    }
    assert "correct horse" not in str(exported)
    site.accounts.personal_data.erase(subject)
    assert not any(site.accounts.personal_data.count(subject).values())
    assert rules.get(site.aid, rule_id).rule.filters == (AlertFilter("agentId", ("erased",)),)
    assert [each.agent_id for each in incidents.agents(incident_id)] == ["other"]
