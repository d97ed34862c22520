"""Request bodies: read with a limit in bytes and in time, and only when they are JSON."""

import asyncio
from typing import Any, Final

from litestar.exceptions import HTTPException
from litestar.types import Receive, Scope

MAX_BODY_BYTES: Final = 64 << 10
BODY_TIMEOUT_S: Final = 30.0


async def read_json_body(scope: Scope, receive: Receive, timeout_s: float = BODY_TIMEOUT_S) -> bytes:
    """Read the body of a request that takes JSON; empty is fine whatever its type says.

    Raises:
        HTTPException: 413 too long, 415 not JSON or compressed, 400 it did not arrive.
    """
    headers = {name: value for name, value in scope["headers"] if name in _READ}
    body = await _read(headers.get(b"content-length", b""), receive, timeout_s)
    if body:
        _check_type(headers)
    return body


_READ: Final = frozenset({b"content-length", b"content-type", b"content-encoding"})


def _check_type(headers: dict[bytes, bytes]) -> None:
    encoding = headers.get(b"content-encoding", b"").strip().lower()
    if encoding not in {b"", b"identity"}:
        shown = encoding.decode("latin-1")
        raise HTTPException(status_code=415, detail=f"Content-Encoding {shown!r}; accepted: none")
    media_type = headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
    if media_type != b"application/json" and not media_type.endswith(b"+json"):
        shown = media_type.decode("latin-1")
        raise HTTPException(status_code=415, detail=f"Content-Type {shown!r}; accepted: application/json")


async def _read(declared: bytes, receive: Receive, timeout_s: float) -> bytes:
    if declared.isdigit() and (len(declared) > len(str(MAX_BODY_BYTES)) or int(declared) > MAX_BODY_BYTES):
        raise _too_long()
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                message: Any = await receive()
                if message["type"] == "http.disconnect":
                    raise HTTPException(status_code=400, detail="The body ended before its length")
                body += message.get("body", b"")
                if len(body) > MAX_BODY_BYTES:
                    raise _too_long()
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        detail = f"The body did not arrive within {timeout_s:.0f} s"
        raise HTTPException(status_code=400, detail=detail) from None


def _too_long() -> HTTPException:
    # The rest of the body stays unread, so the connection cannot be used again.
    detail = f"The body is too long; accepted: at most {MAX_BODY_BYTES} bytes"
    return HTTPException(status_code=413, detail=detail, headers={"Connection": "close"})
