"""New rounds as they arrive: a stream of server-sent events, for pages that renew themselves."""

import asyncio
from typing import Any, Final

import msgspec
from litestar import get
from litestar.connection import Request
from litestar.types import ASGIApp, Receive, Scope, Send

from hopsight.errors import AuthenticationError
from hopsight.model.accounts import Principal
from hopsight.server.api.answers import Answer
from hopsight.server.api.errors import describe_error
from hopsight.server.api.visits import header, visit_of
from hopsight.server.auth import parse_authorization
from hopsight.server.live import Listener, News
from hopsight.server.services import Services
from hopsight.server.web.refusals import REFUSALS
from hopsight.server.web.signed_in import recognize
from hopsight.server.web.visitor import see

PATH: Final = "/live"
RETRY_MS: Final = 3_000

_TEXT: Final = b"text/plain;charset=UTF-8"
_HEADERS: Final = [
    (b"content-type", b"text/event-stream;charset=UTF-8"),
    (b"cache-control", b"no-store"),
    # Else nginx collects events until it has a buffer full of them.
    (b"x-accel-buffering", b"no"),
]
_encode: Final = msgspec.json.Encoder().encode


class Stream:
    """An answer that goes on: rounds as they come, and beats between them.

    Args:
        services: what it is answered with.
        listener: who waits, joined already; left when the stream ends.
        last_id: what the browser heard last, and need not hear again.
    """

    def __init__(self, services: Services, listener: Listener, last_id: str) -> None:
        self._services = services
        self._listener = listener
        self._last_id = last_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until one of the two goes."""
        gone = asyncio.create_task(_until_gone(receive))
        telling = asyncio.create_task(self._tell(scope, send))
        try:
            await asyncio.wait((gone, telling), return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                telling.result()
        finally:
            gone.cancel()
            telling.cancel()
            self._services.live.leave(self._listener)

    async def _tell(self, scope: Scope, send: Send) -> None:
        clock, pace, loop = self._services.clock, self._services.live.pace, asyncio.get_running_loop()
        ends_s, beat_due_s = clock.monotonic() + pace.life_s, loop.time() + pace.beat_s
        start: Any = {"type": "http.response.start", "status": 200, "headers": _HEADERS}
        await send(start)
        await _send(send, b"retry: %d\n" % RETRY_MS + self._beat())
        while not self._listener.over and clock.monotonic() < ends_s:
            news = await self._listener.wait(beat_due_s - loop.time())
            if news is not None and (event := self._round(news)) is not None:
                await _send(send, event)
            if loop.time() < beat_due_s:
                continue
            if not may_listen(scope, self._services, self._listener.aid):
                await _send(send, b"event: over\ndata: {}\n\n")
                break
            await _send(send, self._beat())
            beat_due_s = loop.time() + pace.beat_s
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _round(self, news: News) -> bytes | None:
        event_id = f"{news.round_id}-{news.sessions}"
        if event_id == self._last_id:
            return None
        self._last_id = event_id
        data = {
            "round": news.round_id,
            "sessions": news.sessions,
            "agents": news.agents,
            "now": self._now_s(),
        }
        return b"event: round\nid: %s\ndata: %s\n\n" % (event_id.encode(), _encode(data))

    def _beat(self) -> bytes:
        return b"event: beat\ndata: %s\n\n" % _encode({"now": self._now_s()})

    def _now_s(self) -> int:
        return int(self._services.clock.now())


@get(PATH)
async def listen(request: Request[Any, Any, Any]) -> ASGIApp:
    """Tell of the account group's rounds from now on, to whoever has signed in."""
    scope = request.scope
    services: Services = request.app.state.services
    try:
        visitor = await see(request)
        listener = services.live.join(visitor.group.aid, visitor.principal.uid)
        if visit_of(scope).is_head:
            services.live.leave(listener)
            return Answer(b"", _HEADERS[0][1])
    except REFUSALS as error:
        return _refused(scope, error)
    return Stream(services, listener, header(scope, b"last-event-id"))


def may_listen(scope: Scope, services: Services, aid: int) -> bool:
    """Whether who opened a stream would be let in now; not counted as a request."""
    known = recognize(scope, services)
    principal = known.principal if known is not None else _of_token(scope, services)
    return principal is not None and aid in principal.roles


def _of_token(scope: Scope, services: Services) -> Principal | None:
    shown = parse_authorization(header(scope, b"authorization"))
    return None if shown is None else services.accounts.authenticate_token(shown.token, shown.email)


def _refused(scope: Scope, error: Exception) -> Answer:
    described = describe_error(error)
    if described is None:
        raise error
    headers = described.headers
    if isinstance(error, AuthenticationError) and not header(scope, b"authorization"):
        # A browser would ask for a password over the page.
        headers = ()
    return Answer(described.message.encode() + b"\n", _TEXT, status=described.status, headers=headers)


async def _send(send: Send, content: bytes) -> None:
    await send({"type": "http.response.body", "body": content, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


HANDLERS: Final[list[Any]] = [listen]
