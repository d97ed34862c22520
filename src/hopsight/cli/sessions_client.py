"""Reads network sessions page by page over HTTP (API.md sections 1, 2 and 3.1)."""

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
import typer
from msgspec import Struct
from yarl import URL

from hopsight.cli.sessions_output import Printer
from hopsight.clock import Clock
from hopsight.errors import (
    AuthenticationError,
    ConfigError,
    HopsightError,
    InvalidValueError,
    StoreUnavailableError,
)
from hopsight.model.dimensions import FILTERS, NETWORK_SESSIONS
from hopsight.model.times import format_utc
from hopsight.trust import trusting

RESOURCE: Final = "v6/endpoint-data/user-sessions/network.json"
POLL_S: Final = 10.0
OVERLAP_S: Final = 300
"""How far back ``--follow`` looks for sessions that arrive late."""
MAX_BACKOFF_S: Final = 60.0
MAX_PAGE_BYTES: Final = 64 << 20
_TIMEOUT: Final = aiohttp.ClientTimeout(total=60, connect=10)
_TOO_MANY: Final = 429
_UNAUTHORIZED: Final = 401
_SERVER_FAULT: Final = 500
_OK: Final = 200

Tls = ssl.SSLContext | aiohttp.Fingerprint | bool


class Wanted(Struct, frozen=True, kw_only=True):
    """What to ask for: as the command line gave it; the server checks times."""

    aid: int | None = None
    window: str | None = None
    from_: str | None = None
    to: str | None = None
    filters: dict[str, list[str]] = {}

    def parameters(self) -> dict[str, str]:
        """The URL's parameters."""
        given = {"aid": self.aid, "window": self.window, "from": self.from_, "to": self.to}
        return {key: str(value) for key, value in given.items() if value is not None}

    def body(self) -> dict[str, object] | None:
        """The body of the POST; None: a GET says it all."""
        if not self.filters:
            return None
        return {"searchFilters": [{"key": key, "values": values} for key, values in self.filters.items()]}


def parse_filters(texts: Sequence[str]) -> dict[str, list[str]]:
    """Read ``key=value`` texts; values of the same key are gathered.

    Raises:
        InvalidValueError: a key that network sessions do not take, or no ``=``.
    """
    keys = [key for key, row in FILTERS.items() if NETWORK_SESSIONS in row.kinds]
    filters: dict[str, list[str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or key not in keys:
            raise InvalidValueError("filter", text, f"KEY=VALUE with one of {', '.join(keys)}")
        filters.setdefault(key, []).append(value)
    return filters


def tls_of(fingerprint: str | None, ca: Path | None) -> Tls:
    """How to know the server: by fingerprint, by an authority, or as the system does.

    Raises:
        ConfigError: either is not what it should be.
    """
    if fingerprint is not None:
        try:
            return aiohttp.Fingerprint(bytes.fromhex(fingerprint.replace(":", "")))
        except ValueError:
            raise ConfigError("fingerprint", fingerprint, "SHA-256 in hex, 64 digits") from None
    return True if ca is None else trusting(ca, "ca")


class SessionsClient:
    """A reader of one server."""

    def __init__(self, url: str, token: str, tls: Tls, clock: Clock) -> None:
        self._base = _base_of(url)
        self._token = _checked_token(token)
        self._tls = tls
        self._clock = clock

    async def print_sessions(self, wanted: Wanted, printer: Printer, *, follow: bool) -> None:
        """Print what is wanted; with ``follow``, go on for ever with what is new.

        Raises:
            HopsightError: the server cannot be asked, or does not want to answer.
        """
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        async with aiohttp.ClientSession(headers=headers, timeout=_TIMEOUT) as http:
            if follow:
                await self._follow(http, wanted, printer)
            else:
                async for sessions in self._pages(http, wanted):
                    printer.write(sessions)

    async def _follow(self, http: aiohttp.ClientSession, wanted: Wanted, printer: Printer) -> None:
        seen = _Seen()
        backoff_s = 1.0
        while True:
            try:
                async for sessions in self._pages(http, wanted):
                    printer.write(seen.unseen(sessions))
            except StoreUnavailableError as error:
                typer.echo(f"hopsight: {error}; trying again in {backoff_s:.0f} s", err=True)
                await self._clock.sleep(backoff_s)
                backoff_s = min(2 * backoff_s, MAX_BACKOFF_S)
                continue
            backoff_s = 1.0
            wanted = seen.next_wanted(wanted)
            await self._clock.sleep(POLL_S)

    async def _pages(
        self, http: aiohttp.ClientSession, wanted: Wanted
    ) -> AsyncIterator[list[dict[str, Any]]]:
        url: URL | None = self._base.joinpath(*RESOURCE.split("/")).with_query(wanted.parameters())
        while url is not None:
            answer = await self._answer(http, url, wanted.body())
            sessions = answer.get("networkSessions")
            if not isinstance(sessions, list):
                raise HopsightError(f"{self._base} does not answer as a Hopsight server does")
            yield sessions
            url = self._next(answer.get("pages"))

    def _next(self, pages: object) -> URL | None:
        following = pages.get("next") if isinstance(pages, Mapping) else None
        if following is None:
            return None
        # The token goes to the server that was named, whatever name the answer has for it.
        there = URL(str(following), encoded=True)
        return URL(f"{self._base.origin()}{there.raw_path_qs}", encoded=True)

    async def _answer(
        self, http: aiohttp.ClientSession, url: URL, body: dict[str, object] | None
    ) -> dict[str, Any]:
        while True:
            status, headers, content = await self._exchange(http, url, body)
            if status != _TOO_MANY:
                return _checked(status, content, self._base)
            await self._clock.sleep(_wait_s(headers, self._clock.now()))

    async def _exchange(
        self, http: aiohttp.ClientSession, url: URL, body: dict[str, object] | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        method = "GET" if body is None else "POST"
        try:
            async with http.request(method, url, json=body, ssl=self._tls, allow_redirects=False) as response:
                content = bytearray()
                async for chunk in response.content.iter_any():
                    content += chunk
                    if len(content) > MAX_PAGE_BYTES:
                        raise HopsightError(f"{self._base} sent more than a page can hold")
                return response.status, response.headers, bytes(content)
        except aiohttp.ServerFingerprintMismatch:
            raise HopsightError(f"{self._base} has a certificate with another fingerprint") from None
        except aiohttp.ClientConnectorCertificateError as error:
            message = f"{self._base} has a certificate that is not trusted (--fingerprint or --ca): {error}"
            raise HopsightError(message) from None
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise StoreUnavailableError(f"No answer from {self._base}: {reason}") from None


def _base_of(text: str) -> URL:
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host or url.user or url.query_string or url.fragment:
        raise ConfigError("url", text, "http(s)://HOST[:PORT]")
    return url


def _checked_token(token: str) -> str:
    # Not repeated: it may be a real one with a line end behind it.
    if not token.isascii() or not token.isprintable() or " " in token or not token:
        raise ConfigError("token", "(not shown)", "a token as `hopsight admin token create` printed it")
    return token


def _checked(status: int, content: bytes, base: URL) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        document = {}
    if status == _OK and document:
        return document
    message = str(document.get("errorMessage") or f"{base} answers with status {status}")
    if status == _UNAUTHORIZED:
        raise AuthenticationError(message)
    if status >= _SERVER_FAULT:
        raise StoreUnavailableError(message)
    raise HopsightError(message)


def _wait_s(headers: Mapping[str, str], now_s: float) -> float:
    reset = headers.get("X-Organization-Rate-Limit-Reset", "")
    wait_s = int(reset) - now_s if reset.isascii() and reset.isdigit() else MAX_BACKOFF_S
    return min(max(wait_s, 1.0), MAX_BACKOFF_S)


class _Seen:
    """What ``--follow`` has printed, as far back as it looks."""

    def __init__(self) -> None:
        self._rounds: dict[str, int] = {}
        self._first_round: int | None = None

    def unseen(self, sessions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those that were not printed yet; from now on they were."""
        new = [session for session in sessions if session["userSessionId"] not in self._rounds]
        self._rounds.update((session["userSessionId"], session["roundId"]) for session in new)
        return new

    def next_wanted(self, wanted: Wanted) -> Wanted:
        """Ask for what may have come since, late sessions too, but none from before the first answer."""
        if not self._rounds:
            return wanted
        if self._first_round is None:
            self._first_round = min(self._rounds.values())
        start_s = max(self._first_round, max(self._rounds.values()) - OVERLAP_S)
        self._rounds = {name: round_id for name, round_id in self._rounds.items() if round_id >= start_s}
        start = format_utc(start_s).replace(" ", "T")
        return Wanted(aid=wanted.aid, from_=start, filters=wanted.filters)
