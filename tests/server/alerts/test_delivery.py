"""What waits in the outbox is told: over restarts, faults of the database, and recipients that hang."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from aiohttp import web
from msgspec import structs
from tests.server.alerts.test_engine import RULE, Site
from tests.server.alerts.test_mail import config_of, serving

from hopsight.accounts import engines
from hopsight.accounts.alert_listings import StoredRule, Waiting
from hopsight.accounts.incidents import IncidentChange
from hopsight.accounts.outbox import LEASE_S
from hopsight.config import ServerConfig
from hopsight.model.alerts import Cause, ChatService, Webhook
from hopsight.server.alerts import telling, webhooks
from hopsight.server.alerts.doors import Doors, doors_of
from hopsight.server.alerts.messages import IncidentMessage, NotTakenError, trial_message
from hopsight.server.alerts.notifier import BACKOFF_S, REST_S, Notifier

pytestmark = pytest.mark.anyio


class Receiver:
    """A real HTTP server on loopback that counts; a path that begins with ``hang`` is answered at the end."""

    def __init__(self) -> None:
        self.came: list[tuple[str, str]] = []
        self.arrived = asyncio.Event()
        self.let_go = asyncio.Event()
        self.base = ""

    def hook(self, path: str) -> Webhook:
        """A webhook of it."""
        return Webhook(url=f"{self.base}/{path}", secret="correct horse")

    async def take(self, request: web.Request) -> web.Response:
        """Count, and answer."""
        path = request.path.strip("/")
        self.came.append((path, request.headers["X-Hopsight-Delivery"]))
        self.arrived.set()
        if path.startswith("hang"):
            await self.let_go.wait()
        return web.Response(status=503 if path.startswith("down") else 200)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = web.Application()
    app.router.add_post("/{path}", made.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    made.let_go.set()
    await runner.cleanup()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """One whose database does not wait long for others."""
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_MS", 50)
    made = Site(tmp_path)
    yield made
    made.accounts.close()


def open_incident(site: Site, rule_id: int, times: int = 1) -> int:
    """An incident of a rule, with what is to be told of it; the ID of the last."""
    change = IncidentChange(
        rule=site.accounts.alerts.rules.get(site.aid, rule_id),
        incident_id=None,
        cause=Cause(dimension="bssid", value="b1"),
        agents={"a": 1.0},
        calm_rounds=0,
        resolved=False,
        events=(("opened", "1 agent fails."),),
    )
    site.clock.advance(60)
    now_s = int(site.clock.now())
    return site.accounts.alerts.incidents.advance(site.aid, now_s, now_s, [change] * times)[-1][0]


def add_rule(site: Site, *hooks: Webhook) -> int:
    """A rule that tells these."""
    return site.accounts.alerts.rules.add(site.aid, structs.replace(RULE, webhooks=hooks))


def notifier(site: Site, doors: Doors | None = None) -> Notifier:
    config = ServerConfig(data=site.data, local_webhooks=True)
    ways = doors or doors_of(config, site.clock)
    return Notifier(site.accounts, site.clock, random.Random(1), ways, "https://hopsight.example")


def events(site: Site, incident_id: int) -> list[str]:
    """What became of its messages."""
    found = site.accounts.alerts.incidents.events(incident_id)
    return [f"{each.event}: {each.text}" for each in found if each.event != "opened"]


def with_post(site: Site, post: Callable[[], Any]) -> Doors:
    """Doors with one that does this instead of posting."""

    async def posting(_url: str, _body: bytes, _headers: dict[str, str]) -> None:
        await post()

    return structs.replace(doors_of(ServerConfig(data=site.data), site.clock), post=posting)


async def idle(telling_: Notifier) -> None:
    """Wait until nothing is being sent."""
    async with asyncio.timeout(10):
        while telling_._under_way:
            await asyncio.wait(telling_._under_way)


async def settle(telling_: Notifier, site: Site, incident_id: int, count: int) -> None:
    """Wait until so many messages of an incident were noted, with the real time of real sockets."""
    async with asyncio.timeout(20):
        while len(events(site, incident_id)) < count:
            telling_.begin_due()
            await asyncio.sleep(0.01)


async def test_what_waits_when_the_process_ends_is_told_by_the_next(site: Site, receiver: Receiver) -> None:
    """Nothing was begun: the message is in the database, and told once after the restart."""
    incident_id = open_incident(site, add_rule(site, receiver.hook("a")))
    site.restart()
    await notifier(site).drain()
    assert [path for path, _ in receiver.came] == ["a"]
    assert events(site, incident_id) == ["notified: Webhook at 127.0.0.1 was told (opened)."]


async def test_a_process_that_dies_while_it_sends_is_followed_by_one_that_sends_again(
    site: Site, receiver: Receiver
) -> None:
    """When its claim is over, and under the same delivery ID: who was told twice can know."""
    incident_id = open_incident(site, add_rule(site, receiver.hook("hang")))
    dying = notifier(site)
    dying.begin_due()
    await receiver.arrived.wait()
    for task in list(dying._under_way):
        # Without a word, as a process that is killed.
        task.remove_done_callback(dying._ended)
        task.cancel()
    site.restart()
    receiver.let_go.set()
    next_one = notifier(site)
    next_one.begin_due()
    await asyncio.sleep(0.1)
    assert len(receiver.came) == 1
    site.clock.advance(LEASE_S)
    await settle(next_one, site, incident_id, 1)
    assert len(receiver.came) == 2
    assert len({delivery for _, delivery in receiver.came}) == 1


async def test_a_process_that_is_told_to_end_gives_back_what_it_has(site: Site, receiver: Receiver) -> None:
    """The next one does not wait for the claim to run out."""
    incident_id = open_incident(site, add_rule(site, receiver.hook("hang")))
    ending = notifier(site)
    ending.begin_due()
    await receiver.arrived.wait()
    await ending.close()
    site.restart()
    receiver.let_go.set()
    await settle(notifier(site), site, incident_id, 1)
    assert [path for path, _ in receiver.came] == ["hang", "hang"]


async def test_two_processes_tell_once(site: Site, receiver: Receiver) -> None:
    """On one database, at the same time."""
    incident_id = open_incident(site, add_rule(site, *(receiver.hook(f"a{n}") for n in range(10))))
    one, other = notifier(site), notifier(site)
    for _ in range(3):
        one.begin_due()
        other.begin_due()
    await asyncio.gather(settle(one, site, incident_id, 10), settle(other, site, incident_id, 10))
    assert sorted(path for path, _ in receiver.came) == sorted(f"a{n}" for n in range(10))


async def test_what_was_told_and_cannot_be_noted_is_not_told_again(site: Site, receiver: Receiver) -> None:
    """A database that somebody holds: the note follows when it is free, and nothing is sent meanwhile."""
    incident_id = open_incident(site, add_rule(site, receiver.hook("hang"), receiver.hook("other")))
    waiting = notifier(site)
    waiting.begin_due()
    await receiver.arrived.wait()
    holder = apsw.Connection(str(site.data / engines.FILE_NAME))
    holder.execute("BEGIN IMMEDIATE")
    receiver.let_go.set()
    await idle(waiting)
    site.clock.advance(LEASE_S + 60)
    waiting.begin_due()
    assert events(site, incident_id) == []
    holder.execute("ROLLBACK")
    holder.close()
    site.clock.advance(REST_S)
    await settle(waiting, site, incident_id, 2)
    assert len(receiver.came) == 2


async def test_a_write_that_fails_holds_up_the_note_alone(site: Site, receiver: Receiver) -> None:
    """Told while nothing can be written, as on a full disk; noted when it can be again."""
    incident_id = open_incident(site, add_rule(site, receiver.hook("hang")))
    waiting = notifier(site)
    waiting.begin_due()
    await receiver.arrived.wait()
    with site.accounts._database.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full_disk BEFORE INSERT ON incident_events BEGIN SELECT RAISE(FAIL, 'full'); END"
        )
    receiver.let_go.set()
    await idle(waiting)
    assert events(site, incident_id) == []
    with site.accounts._database.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER full_disk")
    site.clock.advance(REST_S)
    await settle(waiting, site, incident_id, 1)
    assert len(receiver.came) == 1


async def test_a_database_that_is_held_is_left_alone_for_a_while(
    site: Site, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look may wait for the lock, and requests are answered by the same loop: one in ten seconds."""
    incident_id = open_incident(site, add_rule(site, receiver.hook("a")))
    holder = apsw.Connection(str(site.data / engines.FILE_NAME))
    holder.execute("BEGIN IMMEDIATE")
    looks: list[int] = []
    claim = site.accounts.alerts.outbox.claim

    def counted(now_s: int, *, most: int, busy: Collection[tuple[int, str, str]]) -> list[Waiting]:
        looks.append(now_s)
        return claim(now_s, most=most, busy=busy)

    waiting = notifier(site)
    monkeypatch.setattr(waiting._outbox, "claim", counted)
    for _ in range(5):
        waiting.begin_due()
        site.clock.advance(2)
    assert len(looks) == 1
    holder.execute("ROLLBACK")
    holder.close()
    await settle(waiting, site, incident_id, 1)
    assert len(receiver.came) == 1


async def test_who_hangs_holds_up_nobody_else(
    site: Site, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine that hang and many incidents: each takes one place at most, and for as long as a try may take."""
    monkeypatch.setattr(webhooks, "TIMEOUT_S", 0.3)
    hanging = add_rule(site, *(receiver.hook(f"hang{n}") for n in range(9)))
    open_incident(site, hanging, times=20)
    incident_id = open_incident(site, add_rule(site, receiver.hook("good")))
    await settle(notifier(site), site, incident_id, 1)
    assert receiver.came[-1][0] == "good"
    assert max(receiver.came.count(each) for each in receiver.came) == 1


async def test_a_thousand_for_one_that_is_down_do_not_hide_another(site: Site, receiver: Receiver) -> None:
    """All wait in the database; the other is told with the first look."""
    open_incident(site, add_rule(site, receiver.hook("down")), times=999)
    incident_id = open_incident(site, add_rule(site, receiver.hook("good")))
    assert site.accounts.alerts.outbox.count(site.aid) == 1_000
    telling_ = notifier(site)
    telling_.begin_due()
    await settle(telling_, site, incident_id, 1)
    assert [path for path, _ in receiver.came].count("down") < 50
    await telling_.close()


async def test_the_clock_may_be_set_back_while_a_message_waits(site: Site, receiver: Receiver) -> None:
    """By a day: it is told with the next look, not after a day."""
    incident_id = open_incident(site, add_rule(site, receiver.hook("a")))
    (waiting,) = site.accounts.alerts.outbox.claim(int(site.clock.now()), most=8, busy=())
    site.accounts.alerts.outbox.put_off(waiting, int(site.clock.now()) + 3_600)
    site.clock.step(-86_400)
    await settle(notifier(site), site, incident_id, 1)
    assert len(receiver.came) == 1


async def test_tries_are_spread_over_hours_and_end(site: Site) -> None:
    """Each wait is longer than the one before, three hours and more in all; then the incident says so."""
    incident_id = open_incident(site, add_rule(site, Webhook(url="http://x.example/", secret="s" * 8)))
    began_s, tried_s = site.clock.now(), []

    async def post() -> None:
        tried_s.append(site.clock.now() - began_s)
        raise NotTakenError("it is down")

    await notifier(site, with_post(site, post)).drain()
    waits = [after - before for before, after in itertools.pairwise(tried_s)]
    assert len(tried_s) == 1 + len(BACKOFF_S)
    assert waits == sorted(waits)
    assert 3 * 3_600 < tried_s[-1] < 5 * 3_600
    assert events(site, incident_id) == [
        "not-notified: Webhook at x.example was not told (opened): it is down."
    ]


async def test_a_fault_of_ours_is_tried_again_and_given_up_without_its_text(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a library raises may hold what it was given: its type alone is told."""
    incident_id = open_incident(site, add_rule(site, Webhook(url="http://x.example/", secret="s" * 8)))
    tries = []

    async def post() -> None:
        tries.append(1)
        raise RuntimeError("s3cr3t")

    await notifier(site, with_post(site, post)).drain()
    (event,) = events(site, incident_id)
    assert len(tries) == 1 + len(BACKOFF_S)
    assert "an unexpected fault (RuntimeError)" in event
    captured = capsys.readouterr()
    assert "s3cr3t" not in event + captured.out + captured.err


async def test_a_recipient_that_goes_while_its_message_is_under_way_is_told_no_more(
    site: Site, receiver: Receiver
) -> None:
    """Nothing is left of the message, and nothing is noted of it."""
    rule_id = add_rule(site, receiver.hook("hang"))
    incident_id = open_incident(site, rule_id)
    telling_ = notifier(site)
    telling_.begin_due()
    await receiver.arrived.wait()
    site.accounts.alerts.rules.change(site.aid, rule_id, RULE)
    receiver.let_go.set()
    await telling_.drain()
    assert events(site, incident_id) == []
    assert site.accounts.alerts.outbox.count(site.aid) == 0


async def test_a_mail_server_that_wants_to_be_asked_again_gets_its_message(site: Site) -> None:
    """Greylisted, then taken: one note, with the address as those know it who have it."""
    rule = structs.replace(RULE, emails=("Jane.Doe@example.org",))
    incident_id = open_incident(site, site.accounts.alerts.rules.add(site.aid, rule))
    async with serving() as server:
        server.answers = ["451 4.7.1 Greylisted"]
        config = ServerConfig(data=site.data, smtp=config_of(server))
        await notifier(site, doors_of(config, site.clock)).drain()
    assert server.taken[0].rcpt_tos == ["Jane.Doe@example.org"]
    assert events(site, incident_id) == ["notified: E-mail to J***@example.org was told (opened)."]


async def test_a_server_without_mail_says_so(site: Site) -> None:
    """Where a rule of before names addresses: when nobody else could tell them, with what is missing."""
    rule = structs.replace(RULE, emails=("jane@example.org",))
    incident_id = open_incident(site, site.accounts.alerts.rules.add(site.aid, rule))
    await notifier(site).drain()
    (event,) = events(site, incident_id)
    assert event.endswith("(opened): this server has no mail server set (--smtp-host).")


async def test_nobody_takes_for_ever(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A door that never answers is closed after the time that a try has."""
    monkeypatch.setattr(telling, "TRY_S", 0.05)

    async def never(_url: str, _message: IncidentMessage) -> None:
        await asyncio.Event().wait()

    doors = structs.replace(doors_of(ServerConfig(data=site.data), site.clock), chat=never)
    service = ChatService(label="Ops", kind="ntfy", url="ntfy://topic")
    message = trial_message(StoredRule(rule_id=1, aid=site.aid, rule=RULE), 0, "https://hopsight.example")
    with pytest.raises(NotTakenError, match=r"not taken within 0\.05 s"):
        await telling.tell(doors, site.clock, service, message, "1")
