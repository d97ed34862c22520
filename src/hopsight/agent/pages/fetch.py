"""Fetches ``/`` of a host once, over fresh connections, and times each phase.

Own code on asyncio's streams, because aiohttp's trace does not tell TLS from TCP.
"""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urljoin, urlsplit

from msgspec import Struct

from hopsight.agent.network import Address
from hopsight.clock import Clock

MAX_REDIRECTS: Final = 5
MAX_BODY_BYTES: Final = 2 << 20
TITLE_BYTES: Final = 64 << 10
FETCH_TIMEOUT_S: Final = 10.0
REQUEST_HEADERS: Final = (
    ("Accept", "text/html,*/*;q=0.8"),
    ("Accept-Encoding", "identity"),
    ("User-Agent", "Hopsight"),
    ("Connection", "close"),
)

_REDIRECTS: Final = {301, 302, 303, 307, 308}
_STATUS: Final = re.compile(r"(HTTP/1\.[01]) ([1-9]\d\d)(?: (.*))?")
_LIMIT_BYTES: Final = 64 << 10
_PIECE_BYTES: Final = 64 << 10
_MAX_HEADERS: Final = 200

Resolve = Callable[[str, float], Awaitable[list[Address]]]


class Exchange(Struct, kw_only=True):
    """One request, and what came of it; times in ms, -1 for a phase that did not happen.

    Args:
        started_at_s: epoch seconds.
        connect_ms: TCP alone; ``tls_ms`` comes after it.
        status: 0 when there was no answer.
        body_bytes: as read, up to the limit.
        truncated: the body was longer than what is read.
        start: the first bytes of the body, for the title.
    """

    url: str
    started_at_s: float
    address: str | None = None
    dns_ms: float = -1.0
    connect_ms: float = -1.0
    tls_ms: float = -1.0
    send_ms: float = -1.0
    wait_ms: float = -1.0
    receive_ms: float = -1.0
    version: str | None = None
    status: int = 0
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body_bytes: int = 0
    truncated: bool = False
    start: bytes = b""

    def header(self, name: str) -> str:
        """Value of a header of the answer; empty when it has none."""
        return next((value for key, value in self.headers if key.lower() == name), "")


class PageFetch(Struct, kw_only=True):
    """All exchanges of one fetch, and why it failed, if it did."""

    exchanges: list[Exchange]
    error: str | None = None

    @property
    def answered(self) -> bool:
        """Whether a server said anything at all."""
        return any(exchange.status for exchange in self.exchanges)


class PageFetcher:
    """Fetches pages: no cookies, no credentials, certificates verified.

    Args:
        resolve: addresses of a host, best first, within seconds.
        clock: times the phases.
        tls: whom to trust; None: the system's authorities.
        timeout_s: for all of one fetch.
    """

    def __init__(
        self,
        resolve: Resolve,
        clock: Clock,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = FETCH_TIMEOUT_S,
    ) -> None:
        self._resolve = resolve
        self._clock = clock
        self._tls = tls or ssl.create_default_context()
        self._timeout_s = timeout_s

    async def fetch(self, url: str) -> PageFetch:
        """Fetch a URL and follow its redirects; a failure is told, not raised."""
        fetch = PageFetch(exchanges=[])
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._follow(url, fetch)
        except TimeoutError:
            fetch.error = f"no whole page within {self._timeout_s:g} s"
        except ssl.SSLCertVerificationError as error:
            fetch.error = f"certificate not trusted: {error.verify_message}"
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            fetch.error = str(error) or type(error).__name__
        return fetch

    async def _follow(self, url: str, fetch: PageFetch) -> None:
        for _ in range(MAX_REDIRECTS + 1):
            exchange = Exchange(url=url, started_at_s=self._clock.now())
            fetch.exchanges.append(exchange)
            await self._exchange(exchange)
            location = exchange.header("location")
            if exchange.status not in _REDIRECTS or not location:
                return
            url = urljoin(url, location)
        raise ValueError(f"more than {MAX_REDIRECTS} redirects")

    async def _exchange(self, exchange: Exchange) -> None:
        parts = urlsplit(exchange.url)
        host = parts.hostname
        if parts.scheme not in {"http", "https"} or not host:
            raise ValueError("redirected to what is not a web page")
        # Credentials in a redirect are neither sent nor told.
        netloc = parts.netloc.rpartition("@")[2]
        exchange.url = parts._replace(netloc=netloc, fragment="").geturl()
        secure = parts.scheme == "https"
        since_s = self._clock.monotonic()
        addresses = await self._resolve(host, self._timeout_s)
        if not addresses:
            raise OSError("the name has no address")
        exchange.dns_ms, since_s = self._passed(since_s)
        exchange.address = addresses[0].host
        reader, writer = await asyncio.open_connection(
            addresses[0].host, parts.port or (443 if secure else 80), limit=_LIMIT_BYTES
        )
        exchange.connect_ms, since_s = self._passed(since_s)
        try:
            if secure:
                await writer.start_tls(self._tls, server_hostname=host)
                exchange.tls_ms, since_s = self._passed(since_s)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            lines = [f"GET {path} HTTP/1.1", f"Host: {netloc}", *(f"{n}: {v}" for n, v in REQUEST_HEADERS)]
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
            await writer.drain()
            exchange.send_ms, since_s = self._passed(since_s)
            status_line = await _line(reader)
            exchange.wait_ms, since_s = self._passed(since_s)
            await _read_answer(reader, exchange, status_line)
            exchange.receive_ms, _ = self._passed(since_s)
        finally:
            writer.transport.abort()

    def _passed(self, since_s: float) -> tuple[float, float]:
        now_s = self._clock.monotonic()
        return round((now_s - since_s) * 1_000, 3), now_s


async def _line(reader: asyncio.StreamReader) -> str:
    return (await reader.readuntil(b"\n")).decode("latin-1").rstrip("\r\n")


async def _read_answer(reader: asyncio.StreamReader, exchange: Exchange, status_line: str) -> None:
    found = _STATUS.fullmatch(status_line)
    while found is not None and found[2].startswith("1"):
        await _headers(reader)
        found = _STATUS.fullmatch(await _line(reader))
    if found is None:
        raise ValueError("the answer is not HTTP/1.1")
    exchange.version, exchange.status, exchange.reason = found[1], int(found[2]), found[3] or ""
    exchange.headers = await _headers(reader)
    if exchange.status in {204, 304}:
        return
    if exchange.header("transfer-encoding").lower() == "chunked":
        while not exchange.truncated and (size := int((await _line(reader)).partition(";")[0], 16)):
            await _take(reader, exchange, size)
            if not exchange.truncated:
                await _line(reader)
        return
    length = exchange.header("content-length")
    await _take(reader, exchange, int(length) if length else None)


async def _headers(reader: asyncio.StreamReader) -> tuple[tuple[str, str], ...]:
    headers: list[tuple[str, str]] = []
    while line := await _line(reader):
        name, _, value = line.partition(":")
        headers.append((name.strip(), value.strip()))
        if len(headers) > _MAX_HEADERS:
            raise ValueError(f"more than {_MAX_HEADERS} headers")
    return tuple(headers)


async def _take(reader: asyncio.StreamReader, exchange: Exchange, size: int | None) -> None:
    """Read so much of the body (None: all that comes); keep only its start."""
    left = size if size is not None else MAX_BODY_BYTES + 1
    while left > 0:
        room = MAX_BODY_BYTES - exchange.body_bytes
        if room <= 0:
            exchange.truncated = True
            return
        piece = await reader.read(min(left, room, _PIECE_BYTES))
        if not piece:
            if size is not None:
                raise EOFError("the connection ended in the midst of the body")
            return
        exchange.body_bytes += len(piece)
        exchange.start += piece[: TITLE_BYTES - len(exchange.start)]
        left -= len(piece)
