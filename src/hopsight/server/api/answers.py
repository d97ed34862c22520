"""An answer over ASGI: status, headers, body; nothing that a framework would add."""

import re
from typing import Any, Final

from isal import igzip
from litestar.types import Receive, Scope, Send

JSON: Final = b"application/json;charset=UTF-8"
XML: Final = b"text/xml;charset=UTF-8"

COMPRESSED_FROM_BYTES: Final = 1_024
"""Below this, compressing saves no packet."""

_GZIP: Final = re.compile(r"(?:^|,)\s*(?:x-)?gzip\s*(?:;\s*q\s*=\s*(?!0(?:\.0*)?\s*(?:,|$))[^,]*)?(?:,|$)")
_BODYLESS: Final = frozenset({204, 304})
_VARY: Final = (b"vary", b"Accept, Accept-Encoding")


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

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        headers = [*self.headers]
        if self.status not in _BODYLESS:
            # There they would speak of a body that is not sent (RFC 9110, 8.6).
            headers += [(b"content-type", self.content_type), (b"content-length", b"%d" % len(self.body))]
        start: Any = {"type": "http.response.start", "status": self.status, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


def compressed(answer: Answer, accept_encoding: str) -> Answer:
    """Compress a large answer with gzip when the client asks for it by name.

    Level 1 of isal: a page to 22 % of its size, at the cost of half the throughput; hence only on demand.
    """
    headers = (_VARY, *answer.headers)
    body = answer.body
    if len(body) >= COMPRESSED_FROM_BYTES and "gzip" in accept_encoding and _GZIP.search(accept_encoding):
        body = igzip.compress(body, compresslevel=1, mtime=0)
        headers = ((b"content-encoding", b"gzip"), *headers)
    return Answer(body, answer.content_type, status=answer.status, headers=headers)
