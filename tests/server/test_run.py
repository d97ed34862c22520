"""What the server does about itself: where it listens, how long it waits, what it does beside serving."""

import asyncio
import random
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from hopsight.accounts.accounts import Accounts
from hopsight.config import ServerConfig
from hopsight.errors import ConfigError, StoreUnavailableError
from hopsight.server.app import create_app
from hopsight.server.run import (
    SIGHTINGS_EVERY_S,
    _beside,
    _flush_sightings,
    _listen,
    _Server,
    _settings,
    _url,
)
from hopsight.server.tls import self_signed
from hopsight.storage.memory import MemoryStore
from hopsight.testing import ROUND_ID, FakeClock

pytestmark = pytest.mark.anyio


class Hasty(_Server):
    """A server that gives a handshake a moment."""

    handshake_s = 0.2


async def test_a_handshake_that_does_not_begin_is_given_up(tmp_path: Path) -> None:
    """Over TLS, who connects and says nothing is disconnected; others are served meanwhile."""
    clock = FakeClock()
    config = ServerConfig(data=tmp_path, host="127.0.0.1", port=0, tls_self_signed=True)
    accounts = Accounts.open(None, tmp_path, clock)
    app = create_app(config, MemoryStore(), accounts, clock, random.Random(1))
    certificate = self_signed(tmp_path, clock)
    started = asyncio.Event()
    server = Hasty(_settings(app, config, certificate), started.set)
    listener = _listen("127.0.0.1", 0)
    task = asyncio.create_task(server._serve([listener]))
    await started.wait()
    try:
        silent, silent_writer = await asyncio.open_connection(*listener.getsockname())
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection(*listener.getsockname(), ssl=trust)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(20):
            assert b'{"status":"ok"}' in await reader.read()
            assert await silent.read() == b""
        silent_writer.close()
        writer.close()
    finally:
        server.should_exit = True
        await task
        accounts.close()


@pytest.mark.parametrize(
    ("host", "shown"),
    [("203.0.113.1", "'203.0.113.1:0'"), ("2001:db8::1", "[2001:db8::1]:0"), ("ü" * 70, "ü"), ("a\0b", "a")],
)
def test_an_address_of_another_machine_is_said(host: str, shown: str) -> None:
    """The error names the address, written as the option takes it."""
    with pytest.raises(ConfigError, match="listen address") as caught:
        _listen(host, 0)
    assert shown in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_that_another_program_has_is_said(host: str) -> None:
    """At once, and with the option that chooses another one."""
    with _listen(host, 0) as taken, pytest.raises(ConfigError, match=r"no other program has.*--listen"):
        _listen(host, taken.getsockname()[1])


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]")],
)
def test_the_url_is_one_that_this_machine_can_use(tmp_path: Path, host: str, shown: str) -> None:
    """Addresses that stand for all of a machine's are no place to connect to."""
    with _listen(host, 0) as listener:
        url = _url(ServerConfig(data=tmp_path, host=host, tls_self_signed=True), listener)
        assert url == f"https://{shown}:{listener.getsockname()[1]}"
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as client:
            client.connect((shown.strip("[]"), listener.getsockname()[1]))


async def test_sightings_that_cannot_be_written_are_written_later() -> None:
    """A database that is busy now does not end the writing."""

    class Busy:
        def __init__(self) -> None:
            self.at: list[float] = []

        def flush(self) -> None:
            self.at.append(clock.now())
            if len(self.at) == 1:
                raise StoreUnavailableError("busy")
            if len(self.at) == 3:
                raise KeyboardInterrupt

    clock = FakeClock()
    accounts: Any = Busy()
    with pytest.raises(KeyboardInterrupt):
        await _flush_sightings(accounts, clock)
    assert accounts.at == [ROUND_ID + SIGHTINGS_EVERY_S * number for number in (1, 2, 3)]


async def test_a_job_that_fails_is_told_at_once() -> None:
    """Serving goes on, but nobody is left to believe that old records are still deleted."""

    async def fail() -> None:
        raise KeyError("retention")

    told: list[bool] = []

    async def serve() -> None:
        async with _beside(fail(), asyncio.sleep(3600)):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            told.extend("retention" in line["traceback"] for line in logs)

    with capture_logs() as logs, pytest.raises(KeyError):
        await serve()
    assert told == [True]
