"""The whole application behind a real HTTP server on loopback: what only the wire can show."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import uvicorn

from hopsight.server.run import _settings
from hopsight.testing import sample_record

pytestmark = pytest.mark.anyio

NETWORK = "/v6/endpoint-data/user-sessions/network"


class QuietServer(uvicorn.Server):
    """uvicorn without its hold on the signals of the test run, telling when it is ready."""

    def __init__(self, settings: uvicorn.Config) -> None:
        super().__init__(settings)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.ready.set()

    def capture_signals(self) -> Any:
        """Leave them alone."""
        return _Nothing()


class _Nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@pytest.fixture
async def port(server: Any) -> AsyncIterator[int]:
    """The server, listening with the settings of the real program."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    running = QuietServer(_settings(server.app, server.config, None))
    task = asyncio.create_task(running.serve([listener]))
    await running.ready.wait()
    yield listener.getsockname()[1]
    running.should_exit = True
    await task
    listener.close()


async def talk(port: int, *pieces: bytes) -> bytes:
    """Send bytes as they are, and read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    received = await reader.read()
    writer.close()
    await writer.wait_closed()
    return received


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    """A request, written by hand, after which the connection ends."""
    return "\r\n".join([f"{line} HTTP/1.1", "Host: h", "Connection: close", *headers, "", ""]).encode() + body


async def test_headers_come_once_and_the_program_keeps_its_name_to_itself(port: int) -> None:
    """One Date, no Server."""
    head = (await talk(port, request("GET /v6/status"))).split(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 200")
    assert head.count(b"\r\ndate: ") == 1
    assert b"\r\nserver: " not in head


async def test_head_sends_headers_alone(port: int) -> None:
    """The length is that of the body that GET would have sent, and nothing follows."""
    head, _, body = (await talk(port, request("HEAD /v6/status"))).partition(b"\r\n\r\n")
    length = len((await talk(port, request("GET /v6/status"))).partition(b"\r\n\r\n")[2])
    assert body == b""
    assert f"content-length: {length}".encode() in head


async def test_next_leads_back_to_where_the_client_was(server: Any, port: int) -> None:
    """The host and port of the request are those of the link, and the link works as it is."""
    await server.add(*[sample_record(random.Random(seed)) for seed in range(1_001)])
    headers = {"Authorization": f"Bearer {server.token}"}
    for base in (f"http://127.0.0.1:{port}", f"http://localhost:{port}"):
        async with httpx.AsyncClient(headers=headers) as client:
            first = (await client.get(base + NETWORK + ".json?window=1h")).json()
            assert first["pages"]["next"].startswith(base + NETWORK + ".json?")
            second = (await client.get(first["pages"]["next"])).json()
    assert len(first["networkSessions"] + second["networkSessions"]) == 1_001


async def test_a_page_is_compressed_only_for_those_who_ask(server: Any, port: int) -> None:
    """Same content, a fraction of the bytes; small answers stay as they are."""
    await server.add(*[sample_record(random.Random(seed)) for seed in range(200)])
    base = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {server.token}"}) as client:
        del client.headers["Accept-Encoding"]
        plain = await client.get(base + NETWORK, headers={"Accept-Encoding": "identity"})
        packed = await client.get(base + NETWORK, headers={"Accept-Encoding": "deflate, gzip;q=0.5"})
        refused = await client.get(base + NETWORK, headers={"Accept-Encoding": "gzip;q=0"})
        small = await client.get(base + "/v6/status", headers={"Accept-Encoding": "gzip"})
    assert packed.content == plain.content == refused.content
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < len(plain.content) / 3
    assert all("Content-Encoding" not in answer.headers for answer in (plain, refused, small))
    assert "Accept-Encoding" in plain.headers["Vary"]


async def test_a_body_without_end_is_cut_off(server: Any, port: int) -> None:
    """Sent in chunks without a length, it is refused at the limit and the connection closed."""
    head = request(
        f"POST {NETWORK}",
        f"Authorization: Bearer {server.token}",
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
    ).replace(b"Connection: close\r\n", b"")
    chunk = b"400\r\n" + b" " * 1_024 + b"\r\n"
    answer = await talk(port, head, *[chunk] * 80)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/v6/endpoint-agents/3fde6422%2Df119-40e1-ae32-d08a1243c038%2Ejson", 404),
        ("/v6/endpoint-agents/%ff%fe", 404),
        ("/v6/endpoint-agents/%", 404),
        ("/v6/endpoint-agents/%00", 404),
        ("/v6/endpoint-agents/07625:1490529480:aVDViw0i", 404),
        ("/v6/endpoint-agents/..%2f..%2fetc", 404),
        ("/v6/endpoint-agents?agentName=%ff", 400),
        ("/v6/account-groups?aid=", 200),
        ("/v6/account-groups?" + "x=1&" * 10_000, 200),
        ("http://elsewhere/v6/status", 200),
        ("//v6/status", 200),
    ],
)
async def test_odd_targets_are_answered(server: Any, port: int, target: str, status: int) -> None:
    """Whatever bytes a path is made of, the answer is foreseen."""
    answer = await talk(port, request(f"GET {target}", f"Authorization: Bearer {server.token}"))
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
