"""Servers on loopback that say what a test wants, and machines on which names lead to them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trustme

from hopsight.agent.network import Address, PageNetwork
from hopsight.agent.pages.fetch import PageFetcher
from hopsight.agent.profile.proxies import ProxySettings
from hopsight.agent.system_network import SystemNetwork
from hopsight.clock import SystemClock

Serve = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def served(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on loopback that reads a request's head; its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(await reader.readuntil(b"\r\n\r\n"), writer)
            await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0)


def saying(answer: bytes) -> Serve:
    """A server that always says the same."""

    async def serve(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return serve


def page(body: bytes, head: bytes = b"Content-Type: text/html") -> bytes:
    """An answer with a body."""
    return b"HTTP/1.1 200 OK\r\n%s\r\nContent-Length: %d\r\n\r\n%s" % (head, len(body), body)


class Named(SystemNetwork):
    """A machine whose name server knows these names; all others are loopback."""

    def __init__(self, **names: list[str]) -> None:
        super().__init__(SystemClock())
        self.names = names

    async def resolve(self, host: str, timeout_s: float) -> list[Address]:  # noqa: ARG002
        """Addresses of a host."""
        return [Address(text) for text in self.names.get(host.partition(".")[0], ["127.0.0.1"])]


def fetcher(
    tls: ssl.SSLContext | None = None,
    timeout_s: float = 10.0,
    network: PageNetwork | None = None,
    proxies: ProxySettings | None = None,
) -> PageFetcher:
    """A fetcher of this machine, as the test has it."""
    return PageFetcher(
        network or Named(), SystemClock(), proxies=lambda: proxies, tls=tls, timeout_s=timeout_s
    )


def certified(*names: str) -> tuple[trustme.CA, ssl.SSLContext]:
    """An authority, and the server's end of TLS with a certificate of it."""
    authority, theirs = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(theirs)
    return authority, theirs


def trusted(*names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Both ends of TLS: a server with these names, and a client that trusts it."""
    (authority, theirs), ours = certified(*names), ssl.create_default_context()
    authority.configure_trust(ours)
    return theirs, ours
