"""An answer over ASGI: status, headers, body; nothing that a framework would add."""

from typing import Any, Final

from litestar.types import Receive, Scope, Send

JSON: Final = b"application/json;charset=UTF-8"
XML: Final = b"text/xml;charset=UTF-8"


class Answer:
    """What goes back, whole. Handlers return it; the router calls it.

    Args:
        body: the bytes to send.
        content_type: their type.
        status: HTTP status code.
        headers: more headers, names in lower case.
    """

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self,
        body: bytes,
        content_type: bytes = JSON,
        *,
        status: int = 200,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self.body = body
        self.content_type = content_type
        self.status = status
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        headers = [
            (b"content-type", self.content_type),
            (b"content-length", b"%d" % len(self.body)),
            *self.headers,
        ]
        start: Any = {"type": "http.response.start", "status": self.status, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": self.body, "more_body": False})
