"""Fetches ``/`` of a host once, over fresh connections, and times each phase.

Own code on asyncio's streams, because aiohttp's trace does not tell TLS from TCP.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import Final
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from hopsight.agent.network import Address, Family, PageNetwork
from hopsight.agent.pages.answer import read_answer, read_line
from hopsight.agent.pages.connecting import Connector, check_proxy, in_turn, tunnel
from hopsight.agent.pages.exchange import Exchange, PageFetch
from hopsight.agent.pages.redirects import NotFollowedError, check_redirect, is_public, outside_alone
from hopsight.agent.profile.proxies import ProxyServer, ProxySettings, proxy_server_for
from hopsight.clock import Clock

MAX_REDIRECTS: Final = 5
MAX_AT_ONCE: Final = 16
"""So many pages are fetched at the same time; the others wait, for half of their own time at most."""
FETCH_TIMEOUT_S: Final = 10.0
REQUEST_HEADERS: Final = (
    ("Accept", "text/html,*/*;q=0.8"),
    ("Accept-Encoding", "identity"),
    ("User-Agent", "Hopsight"),
    ("Connection", "close"),
)

_REDIRECTS: Final = {301, 302, 303, 307, 308}
_LIMIT_BYTES: Final = 64 << 10
_PROXY_WANTS_PASSWORD: Final = 407
_PORTS: Final = {"http": 80, "https": 443}
_SENT_AS_IT_IS: Final = "/%:@!$&'()*+,;=-._~?[]"


def no_proxies() -> ProxySettings | None:
    """Of a machine that is told of none."""
    return None


class PageFetcher:
    """Fetches pages: no cookies, no credentials, certificates verified.

    Args:
        network: the door to it.
        clock: times the phases.
        proxies: what the machine is told of proxies now.
        tls: whom to trust; None: the system's authorities.
        timeout_s: for all of one fetch.
    """

    def __init__(
        self,
        network: PageNetwork,
        clock: Clock,
        *,
        proxies: Callable[[], ProxySettings | None] = no_proxies,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = FETCH_TIMEOUT_S,
    ) -> None:
        self._network = network
        self._clock = clock
        self._proxies = proxies
        self._tls = tls or ssl.create_default_context()
        self._timeout_s = timeout_s
        self._connector = Connector(network, clock, timeout_s)
        self._turns = asyncio.Semaphore(MAX_AT_ONCE)

    async def fetch(self, url: str, family: Family | None = None) -> PageFetch:
        """Fetch a URL (over one family, if given) and follow its redirects; a failure is told, not raised."""
        fetch = PageFetch(exchanges=[])
        try:
            async with asyncio.timeout(self._timeout_s), self._turn():
                await self._follow(url, fetch, family)
        except TimeoutError:
            fetch.error = f"no whole page within {self._timeout_s:g} s"
        except ssl.SSLCertVerificationError as error:
            fetch.error = f"certificate not trusted: {error.verify_message}"
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError, NotFollowedError) as error:
            fetch.error = str(error) or type(error).__name__
        return fetch

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            # No longer than half of the time: a page needs the other half.
            async with asyncio.timeout(self._timeout_s / 2):
                await self._turns.acquire()
        except TimeoutError:
            raise OSError("too many pages are slow: not fetched") from None
        try:
            yield
        finally:
            self._turns.release()

    async def _follow(self, start: str, fetch: PageFetch, family: Family | None) -> None:
        url, from_outside = start, False
        for _ in range(MAX_REDIRECTS + 1):
            exchange = Exchange(url=url, started_at_s=self._clock.now())
            fetch.exchanges.append(exchange)
            try:
                await self._exchange(exchange, family, from_outside=from_outside)
            except NotFollowedError:
                # Nothing was asked there: the redirect is the page.
                fetch.exchanges.pop()
                raise
            location = exchange.header("location")
            if exchange.status not in _REDIRECTS or not location:
                return
            from_outside |= exchange.address is not None and is_public(Address(exchange.address))
            url = urljoin(url, location)
            check_redirect(start, url)
        raise NotFollowedError(f"more than {MAX_REDIRECTS} redirects")

    async def _exchange(self, exchange: Exchange, family: Family | None, *, from_outside: bool) -> None:
        parts = urlsplit(exchange.url)
        host = parts.hostname or ""
        # Credentials in a redirect are neither sent nor told.
        parts = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="")
        exchange.url = parts.geturl()
        port = parts.port or _PORTS[parts.scheme]
        proxy = proxy_server_for(self._proxies(), host, port, parts.scheme)
        since_s = self._clock.monotonic()
        if proxy is not None:
            check_proxy(proxy)
        found = await self._network.resolve(proxy.host if proxy is not None else host, self._timeout_s)
        if proxy is None and from_outside:
            found = outside_alone(found)
        addresses = in_turn(found, family if proxy is None else None)
        exchange.dns_ms, _ = self._passed(since_s)
        opened = await self._connector.connect(addresses, proxy.port if proxy is not None else port, exchange)
        with ExitStack() as stack:
            stack.enter_context(opened)
            reader, writer = await asyncio.open_connection(sock=opened, limit=_LIMIT_BYTES)
            # It is the writer's from here on.
            stack.pop_all()
        try:
            await self._converse(reader, writer, exchange, parts, proxy)
        finally:
            writer.transport.abort()

    async def _converse(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        exchange: Exchange,
        parts: SplitResult,
        proxy: ProxyServer | None,
    ) -> None:
        host, secure = parts.hostname or "", parts.scheme == "https"
        since_s = self._clock.monotonic()
        if proxy is not None:
            # Its address is the way's, not the site's.
            exchange.proxied, exchange.address = True, None
        if proxy is not None and secure:
            await tunnel(reader, writer, host, parts.port or _PORTS["https"])
            tunnel_ms, since_s = self._passed(since_s)
            exchange.connect_ms = round(exchange.connect_ms + tunnel_ms, 3)
        if secure:
            await writer.start_tls(self._tls, server_hostname=host)
            exchange.tls_ms, since_s = self._passed(since_s)
        writer.write(_request(parts, absolute=proxy is not None and not secure))
        await writer.drain()
        exchange.send_ms, since_s = self._passed(since_s)
        status_line = await read_line(reader)
        exchange.wait_ms, since_s = self._passed(since_s)
        await read_answer(reader, exchange, status_line)
        exchange.receive_ms, _ = self._passed(since_s)
        if exchange.proxied and exchange.status == _PROXY_WANTS_PASSWORD:
            # The proxy said so, not the site: that is no page.
            exchange.status = 0
            raise OSError("the proxy wants a password, and none is kept")

    def _passed(self, since_s: float) -> tuple[float, float]:
        now_s = self._clock.monotonic()
        return round((now_s - since_s) * 1_000, 3), now_s


def _request(parts: SplitResult, *, absolute: bool) -> bytes:
    path = quote(parts.path or "/", safe=_SENT_AS_IT_IS)
    path += "?" + quote(parts.query, safe=_SENT_AS_IT_IS) if parts.query else ""
    if absolute:
        path = f"{parts.scheme}://{parts.netloc}{path}"
    lines = [f"GET {path} HTTP/1.1", f"Host: {parts.netloc}", *(f"{n}: {v}" for n, v in REQUEST_HEADERS)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
