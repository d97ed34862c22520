"""Chat services by a real HTTP server on loopback: told, tried again, kept from this machine, and quiet."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from itertools import product
from urllib.parse import urlsplit

import apprise
import pytest
import requests
from aiohttp import web
from msgspec import structs
from tests.server.alerts.test_mail import MESSAGE

from hopsight.model.chat_services import KINDS
from hopsight.server.alerts import chat
from hopsight.server.alerts.chat import ChatClient
from hopsight.server.alerts.messages import NotTakenError

pytestmark = pytest.mark.anyio

TOKEN = "s3cr3ts3cr3ts3cr3ts3cr3t"


class Service:
    """A chat service; answers with ``status``, and hangs when it is told to."""

    def __init__(self) -> None:
        self.port = 0
        self.status = 200
        self.came: list[tuple[str, bytes]] = []
        self.let_go: asyncio.Event | None = None

    async def take(self, request: web.Request) -> web.Response:
        """Note it, and answer."""
        self.came.append((request.path, await request.read()))
        if self.let_go is not None:
            await self.let_go.wait()
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = Service()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    yield made
    if made.let_go is not None:
        made.let_go.set()
    await runner.cleanup()


def mattermost(service: Service, host: str = "127.0.0.1") -> str:
    return f"mmost://{host}:{service.port}/{TOKEN}"


async def test_a_service_is_told(service: Service) -> None:
    """In its own words: title, what happened, the rule, and the link."""
    await ChatClient(allow_local=True).tell(mattermost(service), MESSAGE)
    ((path, body),) = service.came
    assert path == f"/hooks/{TOKEN}"
    text = json.loads(body)["text"]
    assert "incident 7" in text
    assert "Opened: 3 agents fail." in text
    assert MESSAGE.link in text


async def test_another_service_is_told_by_its_own_way(service: Service) -> None:
    """Gotify takes title and message apart."""
    url = f"gotify://127.0.0.1:{service.port}/{TOKEN}"
    await ChatClient(allow_local=True).tell(url, MESSAGE)
    ((path, body),) = service.came
    assert path == "/message"
    assert "incident 7" in json.loads(body)["title"]


@pytest.mark.parametrize("status", [404, 429, 500, 302])
async def test_what_is_not_taken_is_tried_again(service: Service, status: int) -> None:
    """The library does not say why; a redirection is not followed."""
    service.status = status
    with pytest.raises(NotTakenError, match="mmost did not take it") as caught:
        await ChatClient(allow_local=True).tell(mattermost(service), MESSAGE)
    assert not caught.value.permanent
    assert len(service.came) == 1


@pytest.mark.parametrize(
    ("kind", "host"),
    [
        *product(
            ("mmost", "gotify", "rocket", "workflows"), ("127.0.0.1", "localhost", "[::1]", "2130706433")
        ),
        *product(("ntfy",), ("127.0.0.1", "localhost", "[::1]", "0.0.0.0")),
    ],
)
async def test_this_machine_is_not_told_unless_allowed(service: Service, host: str, kind: str) -> None:
    """By number, by name, and by other ways to write the number: refused before anything is connected."""
    user = "user:pass@" if kind == "rocket" else ""
    url = f"{kind}://{user}{host}:{service.port}/{TOKEN}/{TOKEN}"
    with pytest.raises(NotTakenError) as caught:
        await ChatClient(allow_local=False).tell(url, MESSAGE)
    assert caught.value.permanent
    assert "address of this machine" in str(caught.value)
    assert service.came == []


@pytest.mark.parametrize(
    "url", ["json://127.0.0.1:{port}/x", "xml://127.0.0.1:{port}/x", "mmost://127.0.0.1:{port}/"]
)
async def test_what_is_no_known_service_is_not_told(service: Service, url: str) -> None:
    """Not even where a rule of before should name it; nor where its URL lacks something."""
    with pytest.raises(NotTakenError, match="not understood") as caught:
        await ChatClient(allow_local=True).tell(url.format(port=service.port), MESSAGE)
    assert caught.value.permanent
    assert service.came == []


async def test_a_name_that_nobody_has_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names come and go."""

    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(NotTakenError, match="cannot be resolved") as caught:
        await ChatClient(allow_local=False).tell(f"mmost://nobody.invalid/{TOKEN}", MESSAGE)
    assert not caught.value.permanent


async def test_a_name_with_one_address_of_this_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also beside others that are fit to be told: which of them the library takes is not for us to say."""
    found = [(2, 1, 6, "", (address, 0)) for address in ("203.0.113.9", "169.254.169.254")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(NotTakenError, match="address of this machine"):
        await ChatClient(allow_local=False).tell(f"mmost://chat.example.com/{TOKEN}", MESSAGE)


async def test_who_hangs_is_left_and_holds_one_thread(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many hang and no more; the loop goes on, and threads are free again when they end."""
    monkeypatch.setattr(chat, "TIMEOUT_S", 0.3)
    service.let_go = asyncio.Event()
    client = ChatClient(allow_local=True)
    tries = [client.tell(mattermost(service), MESSAGE) for _ in range(chat.MAX_THREADS + 2)]
    found = [str(each) for each in await asyncio.gather(*tries, return_exceptions=True)]
    assert found.count("the service did not answer within 0.3 s") == chat.MAX_THREADS
    assert found.count("too many services do not answer") == 2
    service.let_go.set()
    for _ in range(chat.MAX_THREADS):
        # In a thread: each is free when its thread has ended.
        assert await asyncio.to_thread(chat._slots.acquire, timeout=20)
    chat._slots.release(chat.MAX_THREADS)
    monkeypatch.undo()
    await client.tell(mattermost(service), MESSAGE)


async def test_no_token_is_logged_or_told(
    service: Service, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither by the library nor by those below it, at any level; nor is it in what we say."""
    service.status = 500
    with caplog.at_level(logging.DEBUG):
        for url in (mattermost(service), f"mmost://127.0.0.1:9/{TOKEN}", f"mmost://:/{TOKEN}"):
            with pytest.raises(NotTakenError) as caught:
                await ChatClient(allow_local=True).tell(url, MESSAGE)
            assert TOKEN not in f"{caught.value!r} {caught.value.__cause__!r}"
    written = capfd.readouterr()
    assert TOKEN not in caplog.text + written.out + written.err


async def test_opened_and_resolved_have_one_title(service: Service) -> None:
    """Services that keep incidents of their own know by it what is over."""
    url = f"gotify://127.0.0.1:{service.port}/{TOKEN}"
    for event in ("opened", "resolved"):
        await ChatClient(allow_local=True).tell(url, structs.replace(MESSAGE, event=event))
    assert len({json.loads(body)["title"] for _, body in service.came}) == 1


def test_every_service_of_the_list_is_one_of_the_library() -> None:
    """Under the name that we know it by."""
    known = {
        schema
        for each in apprise.Apprise().details()["schemas"]
        for key in ("protocols", "secure_protocols")
        for schema in each[key] or ()
    }
    assert set(KINDS) <= known


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[requests.PreparedRequest]:
    """What the library would send; nothing leaves."""
    found: list[requests.PreparedRequest] = []

    def record(_session: requests.Session, request: requests.PreparedRequest, **_: object) -> None:
        found.append(request)
        raise requests.ConnectionError

    monkeypatch.setattr(requests.Session, "send", record)
    return found


@pytest.mark.parametrize(
    ("url", "host"),
    [
        (f"discord://127.0.0.1/{TOKEN}", "discord.com"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "hooks.slack.com"),
        (f"zulip://bot@127/{'a' * 32}", "127.zulipchat.com"),
        ("tgram://123456789:AAElBoTtOkEnabcdefghijklmnopqrstuv/1234", "api.telegram.org"),
        (f"gchat://127.0.0.1/{TOKEN}/{TOKEN}", "chat.googleapis.com"),
        ("opsgenie://127.0.0.1", "api.opsgenie.com"),
        ("pagerduty://127.0.0.1@127.0.0.1", "events.pagerduty.com"),
        (f"pover://{'u' * 30}@{'a' * 30}", "api.pushover.net"),
        (f"webex://{'a' * 80}", "api.ciscospark.com"),
        ("pbul://127.0.0.1", "api.pushbullet.com"),
        ("signl4://127.0.0.1", "connect.signl4.com"),
        ("ntfy://topic", "ntfy.sh"),
    ],
)
async def test_hosted_services_talk_to_their_own_hosts(
    url: str, host: str, sent: list[requests.PreparedRequest]
) -> None:
    """Whatever stands where a URL has its host: it is a token to them."""
    with pytest.raises(NotTakenError, match="did not take it"):
        await ChatClient(allow_local=False).tell(url, MESSAGE)
    assert {urlsplit(str(each.url)).hostname for each in sent} == {host}


async def test_an_incident_that_is_over_is_over_at_pagerduty(sent: list[requests.PreparedRequest]) -> None:
    """Opened and resolved under one key."""
    for event in ("opened", "resolved"):
        with pytest.raises(NotTakenError):
            await ChatClient(allow_local=False).tell(
                f"pagerduty://{TOKEN}@{TOKEN}", structs.replace(MESSAGE, event=event)
            )
    bodies = [json.loads(str(each.body)) for each in sent]
    assert [body["event_action"] for body in bodies] == ["trigger", "resolve"]
    assert bodies[0]["dedup_key"] == bodies[1]["dedup_key"]


async def test_what_is_over_is_told_to_opsgenie_as_news(sent: list[requests.PreparedRequest]) -> None:
    """A note to an alert would need an ID that nobody has kept: nothing would be told."""
    with pytest.raises(NotTakenError):
        await ChatClient(allow_local=False).tell("opsgenie://key", structs.replace(MESSAGE, event="resolved"))
    assert "Resolved: 3 agents fail." in json.loads(str(sent[0].body))["description"]
