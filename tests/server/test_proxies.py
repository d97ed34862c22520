"""Behind a proxy: who asks is who the proxy says, if it is one of ours, and nobody's word else."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from tests.server.test_agent_api import ENROL, bearer, enrolment

from hopsight.accounts.accounts import Accounts
from hopsight.cli.proxy_options import trusted_networks
from hopsight.config import ServerConfig
from hopsight.errors import ConfigError
from hopsight.server.app import create_app
from hopsight.server.run import _listen, _Server, _settings
from hopsight.storage.memory import MemoryStore
from hopsight.testing import FakeClock

pytestmark = pytest.mark.anyio

SECURITY = "strict-transport-security"


class Proxied:
    """A server on a socket, and its accounts."""

    def __init__(self, accounts: Accounts, url: str) -> None:
        self.accounts = accounts
        self.url = url
        self.aid = accounts.create_account_group("Main", accounts.create_organization("One"))

    async def address_of(self, said: list[str], scheme: str = "http") -> tuple[str | None, bool]:
        """Where an agent that enrols is thought to come from; and whether it is told to stay with HTTPS."""
        headers = [*bearer(self.accounts.create_group_key(self.aid)).items(), ("X-Forwarded-Proto", scheme)]
        headers += [("X-Forwarded-For", each) for each in said]
        async with httpx.AsyncClient(base_url=self.url, timeout=20) as client:
            answer = await client.post(ENROL, content=enrolment(), headers=headers)
        assert answer.status_code == 200, answer.text
        (agent,) = self.accounts.agents(self.aid)
        return agent.public_ip, SECURITY in answer.headers


@asynccontextmanager
async def serving(data: Path, trusted: tuple[str, ...], host: str = "127.0.0.1") -> AsyncIterator[Proxied]:
    """A server that trusts these proxies."""
    clock = FakeClock()
    config = ServerConfig(data=data, host=host, port=0, trusted_proxies=trusted)
    accounts = Accounts.open(None, data, clock)
    app = create_app(config, MemoryStore(), accounts, clock, random.Random(1))
    started = asyncio.Event()
    server = _Server(_settings(app, config, None), started.set)
    listener = _listen(host, 0)
    task = asyncio.create_task(server._serve([listener]))
    await started.wait()
    try:
        yield Proxied(accounts, f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        server.should_exit = True
        await task
        accounts.close()


@pytest.mark.parametrize(
    ("said", "address"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["198.51.100.66, 203.0.113.9"], "203.0.113.9"),
        (["198.51.100.66", "203.0.113.9, 10.1.2.3"], "203.0.113.9"),
        (["203.0.113.9:4711"], "203.0.113.9"),
        (["[2001:DB8::0:9]:4711"], "2001:db8::9"),
        (["unknown"], None),
        (["<script>"], None),
        ([""], "127.0.0.1"),
        ([], "127.0.0.1"),
    ],
)
async def test_the_last_that_is_no_proxy_of_ours_asks(
    tmp_path: Path, said: list[str], address: str | None
) -> None:
    """What a client wrote itself stands before what our proxies added; what is no address is none."""
    async with serving(tmp_path, trusted_networks("127.0.0.1, 10.0.0.0/8")) as server:
        found, is_encrypted = await server.address_of(said, "https")
        assert (found or None) == address
        assert is_encrypted


@pytest.mark.parametrize("trusted", [(), ("192.0.2.0/24",)])
async def test_others_are_not_believed(tmp_path: Path, trusted: tuple[str, ...]) -> None:
    """Without the option, or from another address, the headers mean nothing."""
    async with serving(tmp_path, trusted) as server:
        assert await server.address_of(["203.0.113.9"], "https") == ("127.0.0.1", False)


async def test_a_proxy_of_ipv4_is_known_on_a_socket_of_ipv6(tmp_path: Path) -> None:
    """There its address is spelled as one of IPv6."""
    async with serving(tmp_path, ("127.0.0.0/8",), "::") as server:
        assert await server.address_of(["203.0.113.9"]) == ("203.0.113.9", False)


@pytest.mark.parametrize(
    "text", ["proxy.example", "10.0.0.1/8", "*", "0.0.0.0/0", "::/0", "10.0.0.1,", "10.0.0.0/33"]
)
def test_what_is_no_network_is_said(text: str) -> None:
    """The error names the value and what is accepted; everybody is no proxy."""
    with pytest.raises(ConfigError, match="--trusted-proxies"):
        trusted_networks(text)
