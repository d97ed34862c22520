"""The way to the server: real TLS with certificates of both ends, and a real proxy between."""

import asyncio
import hashlib
import ssl
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec import structs

from hopsight.agent.delivery.client import Credentials, ServerClient
from hopsight.agent.delivery.server_route import ServerRoute, environment_proxy, route_to, tls_context
from hopsight.config import AgentConfig
from hopsight.errors import ConfigError, UploadError
from hopsight.model.upload import AgentConfiguration
from hopsight.testing import AGENT_ID

CREDENTIALS = Credentials(AGENT_ID, "s" * 43)
HOST = "127.0.0.1"


class Pki:
    """An authority, a server certificate and an agent's, as files."""

    def __init__(self, directory: Path) -> None:
        self.authority = trustme.CA()
        self.server = self.authority.issue_cert(HOST)
        agent = self.authority.issue_cert("agent.example")
        self.ca_file = directory / "ca.pem"
        self.authority.cert_pem.write_to_path(self.ca_file)
        self.certificate, self.key = directory / "agent.pem", directory / "agent.key"
        agent.cert_chain_pems[0].write_to_path(self.certificate)
        agent.private_key_pem.write_to_path(self.key)
        self.both = directory / "both.pem"
        agent.private_key_and_cert_chain_pem.write_to_path(self.both)
        der = ssl.PEM_cert_to_DER_cert(self.server.cert_chain_pems[0].bytes().decode())
        self.fingerprint = hashlib.sha256(der).hexdigest()

    def server_context(self, *, ask: bool) -> ssl.SSLContext:
        """As the server has it; asking for a certificate of the agent's or not."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.server.configure_cert(context)
        if ask:
            self.authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    """Keys made for this test."""
    return Pki(tmp_path)


@pytest.fixture
def config(tmp_path: Path) -> AgentConfig:
    """Nothing configured."""
    return AgentConfig(data=tmp_path)


@asynccontextmanager
async def serving(context: ssl.SSLContext | None) -> AsyncIterator[str]:
    """A server that has a configuration for whoever asks."""

    async def answer(request: web.Request) -> web.Response:
        assert "Proxy-Authorization" not in request.headers or request.scheme == "http"
        return web.json_response({"enabled": True})

    application = web.Application()
    application.router.add_get("/agent/v1/configuration", answer)
    server = TestServer(application, host=HOST, scheme="https" if context else "http")
    await server.start_server(ssl=context, shutdown_timeout=0.1)
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()


class Proxy:
    """A small proxy: CONNECT, and requests with absolute URLs; asks for a password when it has one."""

    def __init__(self, password: str | None = None) -> None:
        self.password = password
        self.seen: list[str] = []
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split("\r\n")[0].split(" ")
        self.seen.append(f"{method} {target}")
        wanted = b64encode(f"user:{self.password}".encode()).decode()
        if self.password is not None and f"Proxy-Authorization: Basic {wanted}\r\n" not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        host, _, port = target.removeprefix("http://").split("/")[0].rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            path = "/" + target.removeprefix("http://").partition("/")[2]
            far_writer.write(head.replace(target, path, 1).encode())
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._copy(reader, far_writer))
                both.create_task(self._copy(far_reader, writer))
        finally:
            writer.close()
            far_writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()


async def ask(url: str, route: ServerRoute, fingerprint: str | None = None) -> AgentConfiguration:
    """One question to the server."""
    async with ServerClient(url, fingerprint, timeout_s=5, route=route) as client:
        answer = await client.configuration(CREDENTIALS, None)
    assert answer is not None
    return answer.configuration


pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("pinned", [False, True])
@pytest.mark.parametrize("through_proxy", [False, True])
@pytest.mark.parametrize("one_file", [False, True])
async def test_a_server_that_wants_a_certificate_gets_it(
    pki: Pki, config: AgentConfig, *, pinned: bool, through_proxy: bool, one_file: bool
) -> None:
    """By authority or by fingerprint, straight or through a proxy, key beside the certificate or in it."""
    async with serving(pki.server_context(ask=True)) as url, Proxy() as proxy:
        config = structs.replace(
            config,
            ca_file=None if pinned else pki.ca_file,
            client_certificate=pki.both if one_file else pki.certificate,
            client_key=None if one_file else pki.key,
            proxy=f"http://{HOST}:{proxy.port}" if through_proxy else None,
        )
        fingerprint = pki.fingerprint if pinned else None
        answer = await ask(url, route_to(url, config, fingerprint), fingerprint)
    assert answer.enabled
    assert proxy.seen == ([f"CONNECT {url.removeprefix('https://')}"] if through_proxy else [])


async def test_without_a_certificate_such_a_server_does_not_answer(pki: Pki, config: AgentConfig) -> None:
    """The test above is not passing by itself."""
    async with serving(pki.server_context(ask=True)) as url:
        with pytest.raises(UploadError) as caught:
            await ask(url, route_to(url, structs.replace(config, ca_file=pki.ca_file)))
    assert not caught.value.permanent


async def test_an_unknown_authority_is_not_trusted(pki: Pki, config: AgentConfig) -> None:
    """The system's authorities do not know ours; a client certificate changes nothing about that."""
    async with serving(pki.server_context(ask=False)) as url:
        for own in (config, structs.replace(config, client_certificate=pki.both)):
            with pytest.raises(UploadError, match="certificate"):
                await ask(url, route_to(url, own))


@pytest.mark.parametrize("through_proxy", [False, True])
async def test_another_fingerprint_is_refused_whatever_else_is_configured(
    pki: Pki, config: AgentConfig, *, through_proxy: bool
) -> None:
    """A certificate of ours does not loosen the pinning, nor an authority that vouches for the server."""
    other = "00" * 32
    async with serving(pki.server_context(ask=True)) as url, Proxy() as proxy:
        config = structs.replace(
            config,
            ca_file=pki.ca_file,
            client_certificate=pki.both,
            proxy=f"http://{HOST}:{proxy.port}" if through_proxy else None,
        )
        with pytest.raises(UploadError, match="not the one in the connection string"):
            await ask(url, route_to(url, config, other), other)


@pytest.mark.parametrize("tls", [False, True])
async def test_a_proxy_gets_its_password_and_the_server_does_not(
    pki: Pki, config: AgentConfig, *, tls: bool
) -> None:
    """Tunnelled or not; special characters are as the URL has them."""
    async with serving(pki.server_context(ask=False) if tls else None) as url, Proxy("p@ss w") as proxy:
        config = structs.replace(
            config, ca_file=pki.ca_file if tls else None, proxy=f"http://user:p%40ss%20w@{HOST}:{proxy.port}"
        )
        assert (await ask(url, route_to(url, config))).enabled
    assert len(proxy.seen) == 1


@pytest.mark.parametrize("tls", [False, True])
async def test_a_wrong_password_for_the_proxy_is_said_without_it(
    pki: Pki, config: AgentConfig, *, tls: bool
) -> None:
    """The error names the proxy and its answer; nobody finds a password in a log."""
    async with serving(pki.server_context(ask=False) if tls else None) as url, Proxy("right") as proxy:
        config = structs.replace(config, proxy=f"http://user:hunter22@{HOST}:{proxy.port}")
        with pytest.raises(UploadError) as caught:
            await ask(url, route_to(url, config))
    assert "407" in str(caught.value)
    assert "hunter22" not in repr(caught.value)
    assert not caught.value.permanent


async def test_a_proxy_that_is_not_there_is_named(config: AgentConfig) -> None:
    """Where the connection failed is not where the server is."""
    route = route_to("http://192.0.2.1", structs.replace(config, proxy=f"http://{HOST}:9"))
    with pytest.raises(UploadError, match=r"127\.0\.0\.1:9"):
        await ask("http://192.0.2.1", route)


@pytest.mark.parametrize(
    ("url", "variables", "expected"),
    [
        ("https://h.example", {"https_proxy": "http://p:1"}, "http://p:1"),
        ("https://h.example", {"HTTPS_PROXY": "p:1"}, "http://p:1"),
        ("http://h.example", {"https_proxy": "http://p:1"}, None),
        ("https://h.example", {"all_proxy": "http://p:1"}, "http://p:1"),
        ("https://h.example", {"https_proxy": "http://p:1", "no_proxy": ".example"}, None),
        ("https://h.example:8480", {"https_proxy": "http://p:1", "no_proxy": "h.example:8480"}, None),
        ("https://h.example", {"https_proxy": "http://p:1", "no_proxy": "i.example"}, "http://p:1"),
        ("https://127.0.0.1:8480", {"https_proxy": "http://p:1"}, None),
        ("https://[::1]:8480", {"https_proxy": "http://p:1"}, None),
        ("https://localhost", {"https_proxy": "http://p:1"}, None),
        ("https://h.example", {"https_proxy": "socks5://p:1"}, None),
        ("https://h.example", {"https_proxy": "http://p"}, "http://p:3128"),
    ],
)
async def test_the_environment_says_which_proxy(
    config: AgentConfig,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    variables: dict[str, str],
    expected: str | None,
) -> None:
    """As other programs read it; loopback goes straight, and what cannot be used is not used."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert route_to(url, config).proxy == expected
    explicit = structs.replace(config, proxy="http://other:2")
    assert route_to(url, explicit).proxy == "http://other:2"
    assert environment_proxy("https:") is None


@pytest.mark.parametrize(
    "text",
    [
        "socks5://p:1",
        "https://p:1",
        "p:1",
        "http://",
        "http://p:x",
        "http://p:1/path",
        "http://u:hunter22@:1",
    ],
)
async def test_what_is_no_proxy_is_refused(config: AgentConfig, text: str) -> None:
    """With the form that is taken, and without the password."""
    with pytest.raises(ConfigError, match=r"Invalid proxy.*http://\[USER:PASSWORD@\]HOST") as caught:
        route_to("https://h.example", structs.replace(config, proxy=text))
    assert "hunter22" not in str(caught.value)


def _encrypted(pki: Pki, directory: Path) -> Path:
    path = directory / "encrypted.key"
    command = ["openssl", "pkey", "-in", str(pki.key), "-aes256", "-passout", "pass:hunter22"]
    subprocess.run([*command, "-out", str(path)], check=True, capture_output=True)
    return path


def _other_key(_: Pki, directory: Path) -> Path:
    path = directory / "other.key"
    trustme.CA().issue_cert("other.example").private_key_pem.write_to_path(path)
    return path


def _text(_: Pki, directory: Path) -> Path:
    path = directory / "text"
    path.write_text("no PEM")
    return path


def _absent(_: Pki, directory: Path) -> Path:
    return directory / "absent"


@pytest.mark.parametrize(
    ("field", "make", "message"),
    [
        ("client_key", _absent, r"client key.*absent.*No such file"),
        ("client_key", _other_key, r"client key.*other\.key.*the key of the certificate .*agent\.pem"),
        ("client_key", _encrypted, r"client key.*encrypted\.key.*without a password"),
        ("client_key", _text, "client certificate.*PEM private key"),
        ("client_certificate", _absent, "client certificate.*absent.*No such file"),
        ("client_certificate", _text, "client certificate.*a PEM certificate"),
        ("ca_file", _absent, "CA file.*absent.*No such file"),
        ("ca_file", _text, "CA file.*PEM certificates"),
    ],
)
async def test_files_that_are_not_what_they_should_be_are_named(
    pki: Pki,
    config: AgentConfig,
    tmp_path: Path,
    field: str,
    make: Callable[[Pki, Path], Path],
    message: str,
) -> None:
    """One line at start: which setting, which file, what is wrong. Nobody is asked for a password."""
    good = structs.replace(
        config, ca_file=pki.ca_file, client_certificate=pki.certificate, client_key=pki.key
    )
    assert tls_context(good) is not None
    with pytest.raises(ConfigError, match=message):
        tls_context(structs.replace(good, **{field: make(pki, tmp_path)}))


async def test_a_key_needs_its_certificate(pki: Pki, config: AgentConfig) -> None:
    """A key alone would silently do nothing."""
    with pytest.raises(ConfigError, match="only with a client certificate"):
        tls_context(structs.replace(config, client_key=pki.key))
