"""What stands before the router: versions, suffixes, HEAD, common headers, and the answer to every error.

Pure ASGI. It knows the paths of the compatible API and touches no others, except that every answer gets
its headers and every error an answer.
"""

import asyncio
import re
import traceback
from collections.abc import Callable
from email.utils import formatdate
from typing import Any, Final

import structlog
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send

from hopsight.errors import StoreUnavailableError
from hopsight.server.api.answers import Answer
from hopsight.server.api.errors import UNEXPECTED, describe_error
from hopsight.server.api.formats import SUFFIXES, Format
from hopsight.server.api.links import link
from hopsight.server.api.v6.routes import RESOURCES, VERSION, answer_error
from hopsight.server.api.v7 import routes as v7
from hopsight.server.api.visits import Dialect, Visit, begin_visit, visit_of
from hopsight.server.auth import recognize_asker
from hopsight.server.metrics import UNROUTED
from hopsight.server.services import Services

_VERSION: Final = re.compile(r"/v([0-9]+)(?=/|$)", re.ASCII)
_ERRORS: Final = {Dialect.V6: answer_error, Dialect.V7: v7.answer_error}
_COMMON: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
_LAST_ANSWER: Final = (b"connection", b"close")
_TRANSPORT_SECURITY: Final = (b"strict-transport-security", b"max-age=31536000")
# All that our pages use comes from here: no inline script, no foreign origin, no framing.
_CONTENT_POLICY: Final = (
    b"content-security-policy",
    b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
)
# What somebody looks at is in the URL: other sites need not know it.
_REFERRER_POLICY: Final = (b"referrer-policy", b"same-origin")

_STOPPING: Final = "The server stops; nothing was acknowledged"

_log = structlog.get_logger(__name__)


class Front:
    """The outermost layer of one server."""

    def __init__(self, router: ASGIApp, services: Services) -> None:
        self._router = router
        self._services = services
        self._name = (b"x-server-name", services.config.server_name.encode())
        self._date_s = 0
        self._date = b""

    @property
    def services(self) -> Services:
        """What the handlers behind it work with."""
        return self._services

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one scope; only HTTP is dressed."""
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        is_head = scope["method"] == "HEAD"
        # A copy: the protocol below looks into its own scope to see that HEAD has no body.
        scope = {**scope, "method": "GET"} if is_head else {**scope}
        begin_visit(scope, Visit(scope["path"], is_head=is_head))
        outlet = _Outlet(scope, send, self._headers, is_head=is_head)
        try:
            await (_answer_by_path(scope) or self._router)(scope, receive, outlet)
        except asyncio.CancelledError:
            # Cut off, as the server stops: whoever stands before it may ask another one.
            if not outlet.status:
                await self._answer_error(StoreUnavailableError(_STOPPING), scope, receive, outlet)
            raise
        except Exception as error:
            if outlet.status:
                raise
            await self._answer_error(error, scope, receive, outlet)
        self._services.metrics.answered(scope.get("path_template") or UNROUTED, outlet.status)

    def _headers(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        now_s = int(self._services.clock.now())
        if now_s != self._date_s:
            self._date_s, self._date = now_s, formatdate(now_s, usegmt=True).encode()
        headers = [(b"date", self._date), *_COMMON, self._name, *visit_of(scope).headers]
        if self._services.draining.is_on:
            headers.append(_LAST_ANSWER)
        if scope["scheme"] == "https":
            headers.append(_TRANSPORT_SECURITY)
        return headers

    async def _answer_error(self, error: Exception, scope: Any, receive: Receive, outlet: Send) -> None:
        dialect = visit_of(scope).dialect
        if isinstance(error, HTTPException) and "route_handler" not in scope and dialect is not None:
            # No handler looked at the credentials: who shows some is answered as one who did.
            error = await recognize_asker(scope, self._services, basic=dialect is not Dialect.V7) or error
        if isinstance(error, StoreUnavailableError):
            self._services.metrics.store_failed()
        described = describe_error(error)
        if described is None:
            # Not `exc_info`: some renderers print the values of variables, and with them credentials.
            lines = "".join(traceback.format_exception(error))
            _log.error("request failed", method=scope["method"], path=scope["path"], traceback=lines)
            described = UNEXPECTED
        answer = _ERRORS[dialect or Dialect.V6](scope, described)
        await answer(scope, receive, outlet)


class _Outlet:
    """Sends on what an application sends, with our headers, and without the body when nobody wants it."""

    def __init__(
        self,
        scope: Scope,
        send: Send,
        headers: Callable[[Scope], list[tuple[bytes, bytes]]],
        *,
        is_head: bool,
    ) -> None:
        self._scope = scope
        self._send = send
        self._headers = headers
        self._is_head = is_head
        self.status = 0

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": self._dressed(list(message.get("headers", ())))}
        elif self._is_head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)

    def _dressed(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        given = {name.lower(): value for name, value in headers}
        common = self._headers(self._scope)
        if given.get(b"content-type", b"").startswith(b"text/html"):
            common += [_CONTENT_POLICY, _REFERRER_POLICY]
        return headers + [pair for pair in common if pair[0] not in given]


def _answer_by_path(scope: Scope) -> Answer | None:
    """Bring a path of the API into the router's form; or answer at once, where the version says so."""
    path = scope["path"]
    if not path.startswith(VERSION + "/"):
        version = _VERSION.match(path)
        if version is not None:
            return _other_version(scope, version)
        if _without_suffix(path.split("/", 2)[1] if path.startswith("/") else "")[0] not in RESOURCES:
            return None
        path = VERSION + path
    visit = visit_of(scope)
    visit.dialect = Dialect.V6
    scope["path"], visit.suffix = _without_suffix(path)
    return None


def _other_version(scope: Scope, version: re.Match[str]) -> Answer | None:
    if version[0] == VERSION:
        visit_of(scope).dialect = Dialect.V6
        return None
    if version[0] == v7.VERSION:
        visit_of(scope).dialect = Dialect.V7
        if _without_suffix(scope["path"])[1] is not None:
            raise HTTPException(status_code=404, detail="Version 7 has no suffixes; it is JSON throughout")
        return None
    location = link("", VERSION + scope["path"][version.end() :], [scope["query_string"]])
    return Answer(
        b"The current version is 6.\n", b"text/plain", status=301, headers=((b"location", location.encode()),)
    )


def _without_suffix(path: str) -> tuple[str, Format | None]:
    for suffix, format_ in SUFFIXES.items():
        stem = path.removesuffix(suffix)
        if stem != path and not stem.endswith("/"):
            return stem, format_
    return path, None
