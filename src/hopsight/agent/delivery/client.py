"""The agent's side of HTTP (``model.upload``): one session to one server, failures told apart.

What an ``UploadError`` from here means:

=====================  ==================================================================
``status``             what to do
=====================  ==================================================================
None (network), 5xx,   send the same again, later
408, 425, 429, other
400, 413, 415, 422     ``permanent``: the same again cannot help
401, 403               credentials: try again slowly, and say so; never drop a record for it
=====================  ==================================================================
"""

from typing import Any, Final, NamedTuple, Self, TypeVar

import aiohttp
import msgspec
import zstandard
from msgspec import Struct

from hopsight import __version__
from hopsight.agent.delivery.server_route import ServerRoute
from hopsight.agent.sockets.own import OwnSockets
from hopsight.errors import UploadError
from hopsight.model.upload import (
    AgentConfiguration,
    Enrolment,
    EnrolmentAnswer,
    UploadAnswer,
    UploadBatch,
)

ANSWER_BYTES: Final = 4 << 20
"""Most that is read of one answer."""
TIMEOUT_S: Final = 60.0
CONNECT_TIMEOUT_S: Final = 10.0
MAX_RETRY_AFTER_S: Final = 3_600.0
ZSTD_LEVEL: Final = 3

BAD_REQUEST: Final = 400
UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
TOO_LARGE: Final = 413
CREDENTIALS: Final = frozenset({UNAUTHORIZED, FORBIDDEN})
PERMANENT: Final = frozenset({BAD_REQUEST, TOO_LARGE, 415, 422})
_OK: Final = 200
_NOT_MODIFIED: Final = 304
_ERROR_SHOWN_CHARS: Final = 300

AnswerT = TypeVar("AnswerT")


class Credentials(NamedTuple):
    """How an enrolled agent proves who it is."""

    agent_id: str
    secret: str


class Configured(Struct, frozen=True):
    """A configuration as the server gave it, and the tag to ask again with."""

    configuration: AgentConfiguration
    etag: str | None


class ServerClient:
    """One server, asked over kept connections.

    Args:
        url: the server's base URL.
        fingerprint: SHA-256 of its certificate in hex: it alone is trusted then, whatever signed it.
        timeout_s: for one exchange in all.
        connections: at most this many at the same time.
        own: remembers the connections, which are no traffic of the machine's people.
        route: proxy, authorities and certificate to go with.
    """

    def __init__(
        self,
        url: str,
        fingerprint: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        connections: int = 1,
        own: OwnSockets | None = None,
        route: ServerRoute | None = None,
    ) -> None:
        self._base = url.rstrip("/") + "/agent/v1"
        self._route = route or ServerRoute()
        trusted = aiohttp.Fingerprint(bytes.fromhex(fingerprint)) if fingerprint is not None else True
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=trusted, limit=connections, socket_factory=own.make if own is not None else None
            ),
            timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S),
            headers={"User-Agent": f"hopsight-agent/{__version__}", "Accept": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
            # A small answer needs no compression, and a bomb cannot be made of it.
            skip_auto_headers=("Accept-Encoding",),
        )
        self._compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL)

    async def enrol(self, key: str, enrolment: Enrolment) -> EnrolmentAnswer:
        """Ask to be known.

        Raises:
            UploadError: see the table above.
        """
        body = msgspec.json.encode(enrolment)
        _, _, content = await self._ask("POST", "/enrol", f"Bearer {key}", body=body)
        return _decoded(content, EnrolmentAnswer)

    async def configuration(self, credentials: Credentials, etag: str | None) -> Configured | None:
        """What the server wants measured; None: what it was at ``etag``.

        Raises:
            UploadError: see the table above.
        """
        basic = aiohttp.encode_basic_auth(*credentials)
        status, new_etag, content = await self._ask("GET", "/configuration", basic, etag=etag)
        if status == _NOT_MODIFIED:
            return None
        return Configured(_decoded(content, AgentConfiguration), new_etag)

    async def upload(self, credentials: Credentials, batch: UploadBatch) -> UploadAnswer:
        """Hand records over; on return each is with the server, or in ``refused``.

        Raises:
            UploadError: see the table above.
        """
        basic = aiohttp.encode_basic_auth(*credentials)
        _, _, content = await self._ask("POST", "/upload", basic, body=msgspec.json.encode(batch))
        return _decoded(content, UploadAnswer)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _ask(
        self,
        method: str,
        path: str,
        authorization: str,
        *,
        body: bytes | None = None,
        etag: str | None = None,
    ) -> tuple[int, str | None, bytes]:
        """Status (200 or 304), ETag and content of an answer that is none of the failures."""
        headers = {"Authorization": authorization}
        if etag is not None:
            headers["If-None-Match"] = etag
        if body is not None:
            headers |= {"Content-Type": "application/json", "Content-Encoding": "zstd"}
            body = self._compressor.compress(body)
        try:
            # Not following redirects: the credentials are for this server and no other.
            async with self._session.request(
                method,
                self._base + path,
                data=body,
                headers=headers | self._to_the_proxy(tunnelled=False),
                allow_redirects=False,
                # A context in the request and a fingerprint in the connector: both hold.
                ssl=self._route.tls or True,
                proxy=self._route.proxy,
                proxy_headers=self._to_the_proxy(tunnelled=True) or None,
            ) as response:
                content = await _read(response)
                if response.status not in (_OK, _NOT_MODIFIED):
                    raise _failure(response, content)
                return response.status, response.headers.get("ETag"), content
        except aiohttp.ServerFingerprintMismatch:
            message = f"{self._base}: the server's certificate is not the one in the connection string"
            raise UploadError(message, permanent=False) from None
        except aiohttp.ClientHttpProxyError as error:
            # Not a word of the server, and so no reason to give up a record or to doubt the credentials.
            message = f"the proxy {self._route.proxy} answered {error.status}: {error.message}"
            raise UploadError(message, permanent=False) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise UploadError(f"{self._base}{path}: {reason}", permanent=False) from None

    def _to_the_proxy(self, *, tunnelled: bool) -> dict[str, str]:
        """What proves to the proxy who we are: in front of a tunnel, else in the request itself."""
        authorization = self._route.proxy_authorization
        if authorization is None or tunnelled != self._base.startswith("https:"):
            return {}
        return {"Proxy-Authorization": authorization}


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > ANSWER_BYTES:
            raise UploadError(f"answer of more than {ANSWER_BYTES} bytes", permanent=False)
    return bytes(content)


def _failure(response: aiohttp.ClientResponse, content: bytes) -> UploadError:
    return UploadError(
        f"{response.method} {response.url.path}: {response.status}: {_reason(content)}",
        permanent=response.status in PERMANENT,
        retry_after_s=_retry_after_s(response.headers.get("Retry-After")),
        status=response.status,
    )


def _reason(content: bytes) -> str:
    try:
        document: Any = msgspec.json.decode(content)
    except msgspec.DecodeError:
        document = None
    if isinstance(document, dict) and isinstance(document.get("errorMessage"), str):
        return str(document["errorMessage"])[:_ERROR_SHOWN_CHARS]
    return "(no reason given)"


def _retry_after_s(text: str | None) -> float | None:
    if text is None or not text.isascii() or not text.isdigit():
        return None
    return min(float(text), MAX_RETRY_AFTER_S)


def _decoded(content: bytes, answer: type[AnswerT]) -> AnswerT:
    # A captive portal answers 200 to anything: only the expected answer acknowledges.
    try:
        return msgspec.json.decode(content, type=answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UploadError("what answered is not a Hopsight server", permanent=False) from None
