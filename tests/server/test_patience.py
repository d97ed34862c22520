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
    """Opens connections to a hasty server that takes four at a time."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    settings = uvicorn.Config(
        answer, http=Hasty, lifespan="off", log_config=None, limit_concurrency=4, timeout_keep_alive=30
    )
    running = Quiet(settings)
    task = asyncio.create_task(running.serve([listener]))
    await running.ready.wait()
    writers = []

    async def open_one() -> Connection:
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writers.append(writer)
        return reader, writer

    open_one.running = running  # type: ignore[attr-defined]
    yield open_one
    for writer in writers:
        writer.close()
    running.should_exit = True
    await task
    listener.close()


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
    async with asyncio.timeout(GIVE_UP_S):
        while opened.running.server_state.connections:  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(0.01)

    assert len(await until_closed(reader)) < LARGE_BYTES


async def is_served(opened: Any) -> bool:
    """Whether a new connection gets an answer."""
    reader, writer = await opened()
    writer.write(HEAD + b"Connection: close\r\n\r\n")
    return b"served" in await until_closed(reader)


async def test_a_connection_too_many_is_dropped(opened: Any) -> None:
    """Beyond the limit nobody is kept waiting; when the others are gone there is room again."""
    first = [await opened() for _ in range(4)]
    reader, _ = await opened()

    assert await until_closed(reader) == b""
    for earlier, _ in first:
        await until_closed(earlier)
    assert await is_served(opened)
