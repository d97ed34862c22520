"""The stream of new rounds, over real sockets: who hears what, how much of it, and when it ends."""

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec import structs
from tests.server.conftest import AID
from tests.server.test_agent_api import UPLOAD, basic, enrol, upload
from tests.server.web.signing_in import person, sign_in
from tests.server.web.test_overview import NOW, session

from hopsight.accounts.accounts import Accounts
from hopsight.accounts.user_changes import UserWish
from hopsight.clock import SystemClock
from hopsight.config import ServerConfig
from hopsight.errors import StoreUnavailableError
from hopsight.model.accounts import Role
from hopsight.model.dimensions import USER_SESSIONS
from hopsight.server import live as hub
from hopsight.server.live import Hub, Pace
from hopsight.server.metrics import Metrics
from hopsight.server.run import GRACE_S, Running, serve
from hopsight.storage.memory import MemoryStore
from hopsight.testing import FakeClock

pytestmark = pytest.mark.anyio

PATIENCE_S = 20
HASTY = Pace(gap_s=0.02, poll_s=0.05, beat_s=0.05)


@pytest.fixture
def hasty(server: Any) -> Any:
    """A server whose seconds are short."""
    server.clock.advance(NOW - server.clock.now())
    server.app.services.live.pace = HASTY
    return server


async def events_of(answer: aiohttp.ClientResponse, *names: str) -> AsyncIterator[dict[str, str]]:
    """The events of a stream, fields by name; those called so, or all."""
    event: dict[str, str] = {}
    async for line in answer.content:
        text = line.decode().rstrip("\n")
        if text:
            name, _, value = text.partition(": ")
            event[name] = value
        elif event:
            if not names or event.get("event") in names:
                yield event
            event = {}


@asynccontextmanager
async def stream(
    port: int, aid: int | None = None, *, token: str = "", last_id: str = "", cookie: str = ""
) -> AsyncIterator[aiohttp.ClientResponse]:
    """An open stream."""
    given = {"Authorization": token and f"Bearer {token}", "Last-Event-ID": last_id, "Cookie": cookie}
    headers = {name: value for name, value in given.items() if value}
    url = f"http://127.0.0.1:{port}/live" + ("" if aid is None else f"?aid={aid}")
    async with (
        asyncio.timeout(PATIENCE_S),
        aiohttp.ClientSession(headers=headers) as client,
        client.get(url) as answer,
    ):
        yield answer


async def test_an_uploaded_round_is_told(server: Any, client: Any, port: int) -> None:
    """What an agent uploads is told at once, with its round, sessions and agents; nothing is buffered."""
    agent_id = await enrol(server, client)
    async with stream(port, token=server.token) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream;charset=UTF-8"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert "Content-Encoding" not in answer.headers
        events = events_of(answer)
        first = await anext(events)
        assert (first["event"], first["retry"]) == ("beat", "3000")
        began_s = time.monotonic()
        body = upload(server, agent_id)
        assert (await client.post(UPLOAD, content=body, headers=basic(agent_id))).status_code == 200
        told = await anext(events)
        # Not by asking the store every five seconds.
        assert time.monotonic() - began_s < 3
    assert told["event"] == "round"
    data = json.loads(told["data"])
    assert (data["sessions"], data["agents"], data["now"]) == (3, 1, int(server.clock.now()))
    assert told["id"] == f"{data['round']}-3"
    assert server.app.services.live.newest(AID) == data["round"]


async def test_a_round_that_another_process_stored_is_told(hasty: Any, port: int) -> None:
    """The store is asked every few seconds, too; more sessions of the same round are news."""
    async with stream(port, token=hasty.token) as answer:
        events = events_of(answer, "round")
        await hasty.store.add(USER_SESSIONS, [session(2)])
        assert json.loads((await anext(events))["data"])["round"] == NOW - 120
        await hasty.store.add(USER_SESSIONS, [session(1)])
        assert (await anext(events))["id"] == f"{NOW - 60}-1"
        await hasty.store.add(USER_SESSIONS, [structs.replace(session(1), record_id="07625:1:2")])
        assert (await anext(events))["id"] == f"{NOW - 60}-2"


async def test_groups_do_not_hear_each_other(hasty: Any, port: int) -> None:
    """A round of one account group is told to nobody in another."""
    other = hasty.accounts.create_account_group("Other", 1)
    hasty.accounts.create_user("both@example.com", Role.USER, [AID, other])
    token = hasty.accounts.create_token("both@example.com")
    async with stream(port, AID, token=token) as one, stream(port, other, token=token) as two:
        ours, theirs = events_of(one, "round"), events_of(two)
        await hasty.store.add(USER_SESSIONS, [session(1)])
        assert (await anext(ours))["id"] == f"{NOW - 60}-1"
        assert {(await anext(theirs))["event"] for _ in range(5)} == {"beat"}


async def test_who_may_not_listen_is_told_why(server: Any, port: int) -> None:
    """Without a sign-in 401, which asks for no password over the page; 400 for a group of others."""
    other = server.accounts.create_account_group("Other", 1)
    async with stream(port) as answer:
        assert answer.status == 401
        assert "WWW-Authenticate" not in answer.headers
    async with stream(port, other, token=server.token) as answer:
        assert answer.status == 400
        assert "the ID of an account group of yours" in await answer.text()
    async with stream(port, token="wrong") as answer:
        assert answer.status == 401


async def test_streams_are_bounded(server: Any, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One user's are at most so many, and all together; one that ends makes room."""
    monkeypatch.setattr(hub, "MAX_STREAMS_OF_ONE", 1)
    monkeypatch.setattr(hub, "MAX_STREAMS", 2)
    tokens = [server.tokens[role] for role in list(Role)[:3]]
    async with stream(port, token=tokens[0]):
        async with stream(port, token=tokens[0]) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "30")
            assert "1 live pages" in await answer.text()
        async with stream(port, token=tokens[1]), stream(port, token=tokens[2]) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
            assert b"hopsight_live_streams 2.0" in server.app.services.metrics.expose()
    status = 429
    async with asyncio.timeout(PATIENCE_S):
        while status == 429:
            async with stream(port, token=tokens[0]) as answer:
                status = answer.status
    assert status == 200


async def test_a_stream_resumes(hasty: Any, port: int) -> None:
    """What the browser says it heard last is not told again; what is newer is told at once."""
    await hasty.store.add(USER_SESSIONS, [session(1)])
    for heard in (f"{NOW - 120}-9", "nonsense"):
        async with stream(port, token=hasty.token, last_id=heard) as answer:
            assert (await anext(events_of(answer, "round")))["id"] == f"{NOW - 60}-1"
    async with stream(port, token=hasty.token, last_id=f"{NOW - 60}-1") as answer:
        events = events_of(answer)
        assert {(await anext(events))["event"] for _ in range(5)} == {"beat"}


async def test_it_ends_with_the_session(hasty: Any, port: int) -> None:
    """Whoever signs out hears that it is over, and then nothing."""
    async with person(hasty) as browser:
        secret = await sign_in(hasty, browser)
    async with stream(port, cookie=f"hopsight_session={secret}") as answer:
        events = events_of(answer)
        assert (await anext(events))["event"] == "beat"
        hasty.accounts.sign_ins.end(secret)
        assert [event["event"] async for event in events][-1] == "over"


async def test_it_ends_with_the_role(hasty: Any, port: int) -> None:
    """Whoever loses their role in the account group hears no more of it."""
    other = hasty.accounts.create_account_group("Other", 1)
    hasty.accounts.create_user("both@example.com", Role.USER, [AID, other])
    token = hasty.accounts.create_token("both@example.com")
    async with stream(port, other, token=token) as answer:
        events = events_of(answer)
        assert (await anext(events))["event"] == "beat"
        uid = hasty.accounts.authenticate_token(token).uid
        hasty.accounts.change_user(1, uid, UserWish(roles={AID: Role.USER}))
        assert [event["event"] async for event in events][-1] == "over"


async def test_it_ends_after_a_while(hasty: Any, port: int) -> None:
    """After half an hour the stream ends without a word: the browser comes again."""
    async with stream(port, token=hasty.token) as answer:
        events = events_of(answer)
        await anext(events)
        hasty.clock.advance(HASTY.life_s)
        assert {event["event"] async for event in events} <= {"beat"}


async def test_only_the_newest_counts() -> None:
    """Of many uploads in a moment one question to the store comes, and one event, with all of them."""
    store, asked = MemoryStore(), 0

    class Counting:
        async def last_round(self, kind: str, aid: int) -> int | None:
            nonlocal asked
            asked += kind == USER_SESSIONS
            return await store.last_round(kind, aid)

        count_by = store.count_by

    watched: Any = Counting()
    tested = Hub(watched, FakeClock(), Metrics(), Pace(gap_s=1.0, poll_s=60))
    listener = tested.join(AID, 1)
    assert await listener.wait(0.1) is None
    for number in range(50, 0, -1):
        records = {USER_SESSIONS: [session(number)]}
        await store.add(USER_SESSIONS, records[USER_SESSIONS])
        tested.stored(records)
        await asyncio.sleep(0)
    found = await listener.wait(5)
    assert found is not None
    assert (found.round_id, asked) == (NOW - 60, 2)
    assert await listener.wait(0.5) is None
    tested.leave(listener)


async def test_a_store_that_cannot_answer_ends_nothing() -> None:
    """While the store is busy there is no news; when it is back there is, with nothing to do for anybody."""
    store = MemoryStore()
    busy = [True]

    class Busy:
        async def last_round(self, kind: str, aid: int) -> int | None:
            if busy:
                raise StoreUnavailableError("busy")
            return await store.last_round(kind, aid)

        count_by = store.count_by

    watched: Any = Busy()
    tested = Hub(watched, FakeClock(), Metrics(), HASTY)
    await store.add(USER_SESSIONS, [session(1)])
    listener = tested.join(AID, 1)
    assert await listener.wait(0.2) is None
    busy.clear()
    assert await listener.wait(5) is not None
    tested.leave(listener)


async def test_a_watcher_that_fails_ends_the_streams() -> None:
    """A fault in asking is no silence: everybody is sent away, and who comes again finds another watcher."""
    store = MemoryStore()
    broken = [True]

    class Broken:
        async def last_round(self, kind: str, aid: int) -> int | None:
            if broken:
                raise RuntimeError("broken")
            return await store.last_round(kind, aid)

        count_by = store.count_by

    watched: Any = Broken()
    tested = Hub(watched, FakeClock(), Metrics(), HASTY)
    await store.add(USER_SESSIONS, [session(1)])
    listener = tested.join(AID, 1)
    assert await listener.wait(5) is None
    assert listener.over
    tested.leave(listener)
    broken.clear()
    again = tested.join(AID, 1)
    assert await again.wait(5) is not None
    tested.leave(again)


async def test_nobody_is_asked_of_a_head(server: Any, port: int) -> None:
    """HEAD is answered at once, and holds no stream open."""
    async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as client:
        headers = {"Authorization": f"Bearer {server.token}"}
        async with client.head(f"http://127.0.0.1:{port}/live", headers=headers) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"] == "text/event-stream;charset=UTF-8"
            assert b"hopsight_live_streams 0.0" in server.app.services.metrics.expose()


async def test_an_open_stream_does_not_hold_the_server_up(tmp_path: Path) -> None:
    """SIGTERM ends a whole server with a stream open sooner than what requests under way get."""
    clock = SystemClock()
    accounts = Accounts.open(None, tmp_path, clock)
    aid = accounts.create_account_group("Group", accounts.create_organization("Example"))
    accounts.create_user("user@example.com", Role.USER, [aid])
    token = accounts.create_token("user@example.com")
    accounts.close()
    ready: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
    config = ServerConfig(data=tmp_path, host="127.0.0.1", port=0)
    task = asyncio.create_task(serve(config, clock, random.Random(1), on_ready=ready.set_result))
    port = int((await ready).url.rpartition(":")[2])
    async with stream(port, token=token) as answer:
        events = events_of(answer)
        assert (await anext(events))["event"] == "beat"
        began_s = time.monotonic()
        os.kill(os.getpid(), signal.SIGTERM)
        assert [event async for event in events] == []
        await task
        assert time.monotonic() - began_s < GRACE_S
