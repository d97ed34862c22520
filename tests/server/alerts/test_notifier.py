"""Telling of incidents over real sockets: signed, again when it failed, never to this machine unasked."""

import hashlib
import hmac
import json
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from msgspec import Struct, structs
from tests.server.alerts.test_engine import RULE, Site

from hopsight.config import ServerConfig
from hopsight.model.alerts import Webhook
from hopsight.server.alerts.doors import doors_of
from hopsight.server.alerts.engine import Told
from hopsight.server.alerts.messages import NotTakenError
from hopsight.server.alerts.notifier import BACKOFF_S, Notifier
from hopsight.server.alerts.webhooks import WebhookClient

pytestmark = pytest.mark.anyio

SECRET = "correct horse"


class Receiver(Struct):
    """What came in at a webhook, and what it answers, in order; then 200."""

    url: str
    came: list[tuple[dict[str, str], bytes]]
    answers: list[int]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A real HTTP server on loopback."""
    made = Receiver("", [], [])

    async def take(request: web.Request) -> web.Response:
        made.came.append((dict(request.headers), await request.read()))
        return web.Response(status=made.answers.pop(0) if made.answers else 200, headers={"Location": "/x"})

    app = web.Application()
    app.router.add_post("/hook/s3cret", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook/s3cret"
    yield made
    await runner.cleanup()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.accounts.close()


async def found(site: Site, url: str, *, bad: bool, rounds: int = 8) -> list[tuple[int, Told]]:
    """What the engine finds in some rounds, with a rule that tells this webhook."""
    if not site.accounts.alerts.rules.listing():
        rule = structs.replace(RULE, webhooks=(Webhook(url=url, secret=SECRET),))
        site.accounts.alerts.rules.add(site.aid, rule)
    all_found = []
    for _ in range(rounds):
        await site.measure(bad)
        site.clock.advance(60)
        all_found += await site.engine.run_due()
    return all_found


def notifier(site: Site, *, allow_local: bool = True) -> Notifier:
    config = ServerConfig(data=site.data, local_webhooks=allow_local)
    doors = doors_of(config, site.clock)
    return Notifier(site.accounts, site.clock, random.Random(1), doors, "https://hopsight.example/")


async def tell(site: Site, url: str, *, allow_local: bool = True) -> list[str]:
    """Open an incident, tell of it, and say what its events are."""
    telling = notifier(site, allow_local=allow_local)
    for aid, told in await found(site, url, bad=True):
        await telling.tell(aid, told)
    await telling.drain()
    (incident,) = site.incidents()
    return [
        f"{each.event}: {each.text}" for each in site.accounts.alerts.incidents.events(incident.incident_id)
    ]


async def test_opened_and_resolved_are_told_once_each_and_signed(site: Site, receiver: Receiver) -> None:
    """Two messages with link, cause and a signature over time and body that the secret makes."""
    telling = notifier(site)
    for bad in (True, False):
        for aid, told in await found(site, receiver.url, bad=bad):
            await telling.tell(aid, told)
    await telling.drain()
    bodies = [json.loads(body) for _, body in receiver.came]
    assert [body["event"] for body in bodies] == ["opened", "resolved"]
    (incident,) = site.incidents()
    assert bodies[0]["link"] == f"https://hopsight.example/alerts/{incident.incident_id}?aid={site.aid}"
    assert bodies[0]["cause"] == {"dimension": "bssid", "value": "02:00:00:00:01:02"}
    for headers, body in receiver.came:
        signed = headers["X-Hopsight-Timestamp"].encode() + b"." + body
        expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        assert headers["X-Hopsight-Signature"] == f"sha256={expected}"
        assert SECRET.encode() not in body


async def test_a_failure_is_tried_again(site: Site, receiver: Receiver) -> None:
    """Two errors, then it is taken: one event says so, without the path of the URL."""
    receiver.answers = [500, 503]
    events = await tell(site, receiver.url)
    assert len(receiver.came) == 3
    assert [each.partition(":")[0] for each in events] == ["opened", "notified"]
    assert "s3cret" not in "".join(events)


async def test_what_never_works_is_given_up(site: Site, receiver: Receiver) -> None:
    """After the last try the incident says that nobody was told, and why."""
    receiver.answers = [500] * 20
    events = await tell(site, receiver.url)
    assert len(receiver.came) == 1 + len(BACKOFF_S)
    assert events[-1] == "not-notified: Webhook at 127.0.0.1 was not told (opened): 127.0.0.1 answered 500."


async def test_a_redirection_is_not_followed(receiver: Receiver) -> None:
    """Somebody else's answer leads nowhere: it is an error like others."""
    receiver.answers = [302]
    with pytest.raises(NotTakenError, match="answered 302"):
        await WebhookClient(allow_local=True).post(receiver.url, b"{}", {})
    assert len(receiver.came) == 1


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
async def test_this_machine_is_not_posted_to_unless_allowed(host: str, receiver: Receiver) -> None:
    """Loopback, link-local and unspecified addresses are refused for good, by number and by name."""
    port = receiver.url.rpartition(":")[2].partition("/")[0]
    with pytest.raises(NotTakenError, match="address of this machine") as caught:
        await WebhookClient(allow_local=False).post(f"http://{host}:{port}/hook/s3cret", b"{}", {})
    assert caught.value.permanent
    assert receiver.came == []


async def test_a_refused_address_is_tried_once(site: Site, receiver: Receiver) -> None:
    """What cannot work is not tried again."""
    events = await tell(site, receiver.url, allow_local=False)
    assert receiver.came == []
    assert events[-1].startswith("not-notified: ")


async def test_who_is_not_there_is_an_error(site: Site) -> None:
    """A port that nobody listens on: not told, in words, and nothing ends."""
    events = await tell(site, "http://127.0.0.1:9/")
    assert "cannot be reached" in events[-1]
