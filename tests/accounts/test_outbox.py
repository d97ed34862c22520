"""The outbox: with the incident or not at all, for one at a time, in order, bounded, and never for nobody."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec import structs

from hopsight.accounts.accounts import Accounts
from hopsight.accounts.incidents import IncidentChange
from hopsight.accounts.outbox import LEASE_S, MAX_WAIT_S, MAX_WAITING
from hopsight.errors import ConflictError, StoreUnavailableError
from hopsight.model.alerts import AlertRule, Cause, ChatService, Webhook
from hopsight.testing import ROUND_ID, FakeClock

NOW = ROUND_ID
HOOK = Webhook(url="https://chat.example.com/s3cr3t", secret="correct horse")
SERVICE = ChatService(label="Ops", kind="slack", url="slack://T00000000/B00000000/s3cr3ts3cr3ts3cr3t")
RULE = AlertRule(
    name="Slow", metric="latency", webhooks=(HOOK,), emails=("jane@example.org",), services=(SERVICE,)
)


class Place:
    """An account group with one rule, and incidents on demand."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.accounts = Accounts.open(None, data, FakeClock())
        self.aid = self.accounts.create_account_group("Main", self.accounts.create_organization("One"))
        self.rule_id = self.accounts.alerts.rules.add(self.aid, RULE)
        self.outbox = self.accounts.alerts.outbox
        self.round_id = NOW

    def happen(self, event: str = "opened", incident_id: int | None = None, times: int = 1) -> int:
        """Something happens in an incident; its ID."""
        change = IncidentChange(
            rule=self.accounts.alerts.rules.get(self.aid, self.rule_id),
            incident_id=incident_id,
            cause=Cause(dimension="bssid", value="b1"),
            agents={"a": 1.0},
            calm_rounds=0,
            resolved=event == "resolved",
            events=((event, "Something happened."),),
        )
        self.round_id += 60
        incidents = self.accounts.alerts.incidents
        return incidents.advance(self.aid, self.round_id, NOW, [change] * times)[-1][0]

    def claimed(self, now_s: int = NOW, most: int = 100) -> list[tuple[int, str, str]]:
        """Incident, event and channel of what is claimed now."""
        found = self.outbox.claim(now_s, most=most, busy=())
        return [(each.incident_id, each.message.event, each.channel) for each in found]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.accounts.close()


def test_every_recipient_gets_a_message_with_what_happened(place: Place) -> None:
    """Each with an ID of its own, and the incident as it was."""
    incident_id = place.happen()
    found = place.outbox.claim(NOW, most=8, busy=())
    assert [each.recipient for each in found] == [HOOK.url, "jane@example.org", "Ops"]
    assert len({each.delivery_id for each in found}) == 3
    assert {(each.incident_id, each.message.text, each.message.time_s) for each in found} == {
        (incident_id, "Something happened.", NOW)
    }


@pytest.mark.parametrize("event", ["cause", "grown", "back"])
def test_what_nobody_is_told_of_is_not_written(place: Place, event: str) -> None:
    """An incident that changes is not news of its own."""
    place.happen(event)
    assert place.outbox.count(place.aid) == 0


def test_no_secret_is_copied(place: Place) -> None:
    """The outbox names recipients by what the rule shows of them."""
    place.happen()
    with place.accounts._database.read() as connection:
        rows = repr(connection.exec_driver_sql("SELECT * FROM alert_outbox").all())
    assert "correct horse" not in rows
    assert "s3cr3ts3cr3t" not in rows


def test_an_incident_and_its_messages_are_written_together(place: Place) -> None:
    """Where messages cannot be written, nothing is: the round is looked at again."""
    with place.accounts._database.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER broken BEFORE INSERT ON alert_outbox BEGIN SELECT RAISE(FAIL, 'no'); END"
        )
    with pytest.raises((StoreUnavailableError, ConflictError)):
        place.happen()
    incidents = place.accounts.alerts.incidents
    assert incidents.listing(place.aid) == []
    assert incidents.progress(place.aid) is None


def test_what_is_claimed_is_claimed_once(place: Place) -> None:
    """Processes that look at the same time share the messages, and each is one's alone."""
    rules = place.accounts.alerts.rules
    hooks = tuple(Webhook(url=f"https://h{n}.example.com/", secret="correct horse") for n in range(10))
    rules.change(place.aid, place.rule_id, structs.replace(RULE, webhooks=hooks, emails=(), services=()))
    place.happen()
    others = [Accounts.open(None, place.data, FakeClock()) for _ in range(4)]

    def take(accounts: Accounts) -> list[int]:
        mine: list[int] = []
        while found := accounts.alerts.outbox.claim(NOW, most=2, busy=()):
            mine += [each.outbox_id for each in found]
        return mine

    with ThreadPoolExecutor(4) as pool:
        taken = [each for found in pool.map(take, others) for each in found]
    for accounts in others:
        accounts.close()
    assert sorted(taken) == sorted(set(taken))
    assert len(taken) == 10


def test_a_claim_runs_out(place: Place) -> None:
    """What a process that died had claimed is there for others when its time is over, and not before."""
    place.happen()
    assert len(place.claimed()) == 3
    assert place.claimed(NOW + LEASE_S - 1) == []
    again = place.outbox.claim(NOW + LEASE_S, most=8, busy=())
    assert [each.tries for each in again] == [2, 2, 2]


def test_a_clock_that_is_set_back_holds_up_nothing(place: Place) -> None:
    """Claims and times to come that are further off than any could be were made before it was set back."""
    place.happen()
    (first, *_) = place.outbox.claim(NOW, most=1, busy=())
    place.outbox.put_off(first, NOW + 7_200)
    assert first.channel not in {channel for *_, channel in place.claimed(NOW + 60)}
    assert len(place.claimed(NOW - MAX_WAIT_S - 86_400)) == 3


def test_nobody_is_told_of_the_end_before_the_beginning(place: Place) -> None:
    """The end waits while the beginning is put off; other incidents do not wait."""
    first = place.happen()
    for each in place.outbox.claim(NOW, most=8, busy=()):
        place.outbox.put_off(each, NOW + 600)
    place.happen("resolved", first)
    second = place.happen()
    assert {(incident, event) for incident, event, _ in place.claimed(NOW + 1)} == {(second, "opened")}
    events = [event for _, event, channel in place.claimed(NOW + 601) if channel == "email"]
    assert events == ["opened"]


def test_one_message_at_a_time_goes_to_a_recipient(place: Place) -> None:
    """The oldest; and none to who is busy."""
    last = place.happen(times=3)
    found = place.outbox.claim(NOW, most=100, busy=[(place.rule_id, "email", "jane@example.org")])
    told = [(each.incident_id, each.channel) for each in found]
    assert told == [(last - 2, "webhook"), (last - 2, "service")]


def test_what_is_new_goes_before_what_failed(place: Place) -> None:
    """So that many receivers that are down do not take turns before one that is well."""
    place.happen()
    for each in place.outbox.claim(NOW, most=2, busy=()):
        place.outbox.put_off(each, NOW)
    (found,) = place.outbox.claim(NOW, most=1, busy=())
    assert found.channel == "service"


def test_so_many_wait_and_no_more(place: Place) -> None:
    """What is beyond is noted in its incident; another account group has room of its own."""
    place.happen(times=(MAX_WAITING - 1) // 3)
    assert place.outbox.count(place.aid) == MAX_WAITING - 1
    last = place.happen()
    assert place.outbox.count(place.aid) == MAX_WAITING
    events = place.accounts.alerts.incidents.events(last)
    assert [(each.event, each.text) for each in events] == [
        ("opened", "Something happened."),
        ("not-notified", "2 recipients were not told (opened): 1,000 messages wait already."),
    ]


def test_what_waits_for_nobody_goes(place: Place) -> None:
    """With a recipient that is taken out of its rule, and with the rule."""
    place.happen()
    rules = place.accounts.alerts.rules
    rules.change(place.aid, place.rule_id, structs.replace(RULE, emails=(), webhooks=()))
    assert [channel for *_, channel in place.claimed()] == ["service"]
    rules.remove(place.aid, place.rule_id)
    assert place.outbox.count(place.aid) == 0


def test_a_rule_that_is_gone_tells_nobody(place: Place) -> None:
    """Its incidents are resolved with the next round; there is nobody left to be told."""
    incident_id = place.happen()
    stored = place.accounts.alerts.rules.get(place.aid, place.rule_id)
    place.accounts.alerts.rules.remove(place.aid, place.rule_id)
    change = IncidentChange(
        rule=stored, incident_id=incident_id, cause=Cause(), agents={}, calm_rounds=0, resolved=True,
        events=(("resolved", "The rule was deleted."),),
    )  # fmt: skip
    place.accounts.alerts.incidents.advance(place.aid, NOW + 6_000, NOW, [change])
    assert place.outbox.count(place.aid) == 0


def test_what_became_of_a_message_is_noted_once(place: Place) -> None:
    """Noted with its going; who comes later finds nothing, and notes nothing."""
    incident_id = place.happen()
    (one, *_) = place.outbox.claim(NOW, most=1, busy=())
    for _ in range(2):
        place.outbox.finish(one, "notified", "Told.", NOW)
    events = [each.event for each in place.accounts.alerts.incidents.events(incident_id)]
    assert events == ["opened", "notified"]


def test_what_is_given_back_is_there_at_once(place: Place) -> None:
    """Without the try being counted."""
    place.happen()
    place.outbox.release(place.outbox.claim(NOW, most=8, busy=()))
    assert [each.tries for each in place.outbox.claim(NOW, most=8, busy=())] == [1, 1, 1]
