"""Connections that hold the server up, over real sockets: each is closed, and others are served meanwhile."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvicorn

from hopsight.server.patience import MAX_HEAD_BYTES, PatientProtocol

pytestmark = pytest.mark.anyio

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]

HEAD = b"GET / HTTP/1.1\r\nHost: h\r\n"
LARGE_BYTES = 32 << 20
GIVE_UP_S = 20.0


class Hasty(PatientProtocol):
    """Patience of a moment, so that the test is not the one that waits."""

    head_timeout_s = 0.2
    stall_timeout_s = 0.2


class Quiet(uvicorn.Server):
    """uvicorn without its hold on the signals of the test run, telling when it is ready."""

    def __init__(self, settings: uvicorn.Config) -> None:
        super().__init__(settings)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.ready.set()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, and leave signals alone."""
        await self._serve(sockets)


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Reads no body; `/large` has an answer that fits no buffer."""
    del receive
    body = bytes(LARGE_BYTES) if scope["path"] == "/large" else b"served"
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def opened() -> AsyncIterator[Callable[[], Awaitable[Connection]]]:
    """Opens connections to a hasty server that takes four at a time; `/slow` waits for `go_on`."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    go_on = asyncio.Event()

    async def answer_in_time(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await go_on.wait()
        await answer(scope, receive, send)

    settings = uvicorn.Config(
        answer_in_time,
        http=Hasty,
        lifespan="off",
        log_config=None,
        limit_concurrency=4,
        timeout_keep_alive=30,
    )
    running = Quiet(settings)
    task = asyncio.create_task(running.serve([listener]))
    await running.ready.wait()
    writers = []

    async def open_one() -> Connection:
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writers.append(writer)
        return reader, writer

    open_one.running, open_one.go_on = running, go_on  # type: ignore[attr-defined]
    yield open_one
    for writer in writers:
        writer.close()
    running.should_exit = True
    await task
    listener.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what uvicorn tells nobody."""
    async with asyncio.timeout(GIVE_UP_S):
        while not condition():  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server closes; fails when it does not."""
    received = bytearray()
    async with asyncio.timeout(GIVE_UP_S):
        try:
            while piece := await reader.read(1 << 16):
                received += piece
        except ConnectionResetError:
            pass
    return bytes(received)


@pytest.mark.parametrize("sent", [b"", b"GET / HT", HEAD, HEAD + b"X-Endless: a", b"\r\n\r\n"])
async def test_a_head_that_does_not_end_is_given_up(opened: Any, sent: bytes) -> None:
    """Whoever does not finish a request's head is disconnected without an answer."""
    reader, writer = await opened()
    writer.write(sent)

    assert await until_closed(reader) == b""


async def test_a_head_that_grows_without_end_is_cut_off(opened: Any) -> None:
    """However fast it comes, and though it ends, a head of 1 MB is not served."""
    reader, writer = await opened()
    writer.write(HEAD)
    for _ in range(20 * MAX_HEAD_BYTES // 1_000):
        writer.write(b"X-More: " + b"a" * 990 + b"\r\n")
    writer.write(b"\r\n")

    assert b"served" not in await until_closed(reader)


async def test_an_answered_request_leaves_its_connection_usable(opened: Any) -> None:
    """Patience is with what does not come: a kept connection is served again and again."""
    reader, writer = await opened()
    for _ in range(3):
        writer.write(HEAD + b"\r\n")
        assert b"served" in await reader.readuntil(b"served")


async def test_a_second_head_must_end_too(opened: Any) -> None:
    """The bound holds for each request of a connection."""
    reader, writer = await opened()
    writer.write(HEAD + b"\r\n")
    await reader.readuntil(b"served")
    writer.write(HEAD)

    assert await until_closed(reader) == b""


async def test_empty_lines_do_not_keep_a_connection(opened: Any) -> None:
    """Between requests they are allowed, and begin none: the next head is awaited from then on."""
    reader, writer = await opened()
    writer.write(HEAD + b"\r\n")
    await reader.readuntil(b"served")
    writer.write(b"\r\n")

    assert await until_closed(reader) == b""


async def test_a_body_that_nobody_reads_must_end_soon(opened: Any) -> None:
    """After the answer the rest of a body is not waited for, though it trickles."""
    reader, writer = await opened()
    writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")
    await reader.readuntil(b"served")
    writer.write(b"x")

    assert await until_closed(reader) == b""


async def test_a_client_that_takes_nothing_is_dropped(opened: Any) -> None:
    """An answer that is not taken is given up, and the rest of it never sent."""
    reader, writer = await opened()
    writer.write(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
    await until(lambda: not opened.running.server_state.connections)

    assert len(await until_closed(reader)) < LARGE_BYTES


async def is_served(opened: Any) -> bool:
    """Whether a new connection gets an answer."""
    reader, writer = await opened()
    writer.write(HEAD + b"Connection: close\r\n\r\n")
    return b"served" in await until_closed(reader)


async def test_who_waits_longest_makes_room(opened: Any) -> None:
    """Connections that ask for nothing keep nobody out: the oldest of them goes, and everybody is served."""
    waiting = [await opened() for _ in range(4)]
    _, writer = waiting[0]
    writer.write(HEAD + b"\r\n")
    await waiting[0][0].readuntil(b"served")

    assert await is_served(opened)
    assert await until_closed(waiting[1][0]) == b""
    writer.write(HEAD + b"\r\n")
    assert await waiting[0][0].readuntil(b"served")


async def test_a_request_under_way_is_not_given_up_for_a_newcomer(opened: Any) -> None:
    """Where everybody is being served, the connection too many is the one to go."""
    busy = [await opened() for _ in range(4)]
    for _, writer in busy:
        writer.write(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
    await until(lambda: len(opened.running.server_state.tasks) == 4)
    reader, _ = await opened()

    assert await until_closed(reader) == b""
    opened.go_on.set()
    for reader, _ in busy:
        assert await reader.readuntil(b"served")


async def test_a_flood_of_connections_keeps_nobody_out(opened: Any) -> None:
    """Ten times as many as there may be, and a newcomer is served at once."""
    for _ in range(40):
        await opened()

    assert await is_served(opened)
    assert len(opened.running.server_state.connections) <= 5


async def test_an_answer_left_when_the_connection_ends_is_not_waited_for(opened: Any) -> None:
    """What is still to be taken when the server closes is given up as well."""
    _, writer = await opened()
    writer.write(b"GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    state = opened.running.server_state
    await until(lambda: state.total_requests == 1 and not state.connections)


async def test_a_request_that_is_on_its_way_when_the_server_stops_is_answered() -> None:
    """Who has connected and not asked yet may still ask, once; who was answered already is let go at once."""
    listener = socket.create_server(("127.0.0.1", 0))
    running = Quiet(uvicorn.Config(answer, http=PatientProtocol, lifespan="off", log_config=None))
    task = asyncio.create_task(running.serve([listener]))
    await running.ready.wait()
    late, half, idle = [await asyncio.open_connection(*listener.getsockname()) for _ in range(3)]
    half[1].write(HEAD)
    idle[1].write(HEAD + b"\r\n")
    assert await idle[0].readuntil(b"served")
    running.should_exit = True
    async with asyncio.timeout(GIVE_UP_S):
        assert await idle[0].read() == b""
        late[1].write(HEAD + b"\r\n")
        half[1].write(b"\r\n")
        answers = [await reader.read() for reader, _ in (late, half)]
        await task
    assert all(each.endswith(b"served") and b"connection: close" in each for each in answers)
    for _, writer in (late, half, idle):
        writer.close()
