"""Request bodies: read with a limit in bytes and in time, and only when they are JSON."""

from typing import Final

from litestar.exceptions import HTTPException
from litestar.types import Receive, Scope

from hopsight.errors import InvalidValueError
from hopsight.server.bodies import BODY_TIMEOUT_S, BodyLimits, read_bounded

MAX_BODY_BYTES: Final = 64 << 10
MAX_CSV_BYTES: Final = 1 << 20


async def read_csv_body(scope: Scope, receive: Receive, timeout_s: float = BODY_TIMEOUT_S) -> str:
    """Read a body of comma-separated values.

    Raises:
        HTTPException: as for JSON; 415 when it is neither ``text/csv`` nor ``text/plain``.
        InvalidValueError: it is not UTF-8.
    """
    headers = {name: value for name, value in scope["headers"] if name in _READ}
    limits = BodyLimits(MAX_CSV_BYTES, MAX_CSV_BYTES, timeout_s)
    body = await read_bounded(headers.get(b"content-length", b""), receive, limits)
    media_type = headers.get(b"content-type", b"text/csv").partition(b";")[0].strip().lower()
    if media_type not in {b"text/csv", b"text/plain"} or headers.get(b"content-encoding", b""):
        shown = media_type.decode("latin-1")
        raise HTTPException(status_code=415, detail=f"Content-Type {shown!r}; accepted: text/csv, text/plain")
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise InvalidValueError("body", "bytes", "text in UTF-8") from None


async def read_json_body(scope: Scope, receive: Receive, timeout_s: float = BODY_TIMEOUT_S) -> bytes:
    """Read the body of a request that takes JSON; empty is fine whatever its type says.

    Raises:
        HTTPException: 400 it ended early, 408 it did not arrive, 413 too long, 415 not JSON or compressed.
    """
    headers = {name: value for name, value in scope["headers"] if name in _READ}
    limits = BodyLimits(MAX_BODY_BYTES, MAX_BODY_BYTES, timeout_s)
    body = await read_bounded(headers.get(b"content-length", b""), receive, limits)
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
