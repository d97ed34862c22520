"""Uploaded bodies: read, checked and decompressed without ever holding more than was allowed.

Uploads are untrusted: a body may lie about its length, never end, or be a decompression bomb.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import zstandard
from isal import isal_zlib
from litestar.exceptions import HTTPException
from litestar.types import Receive, Scope
from msgspec import Struct

BODY_TIMEOUT_S: Final = 30.0
_GZIP_WINDOW: Final = 31
_WINDOW_BYTES: Final = 8 << 20
_PIECES: Final = 65_536
_MIN_PIECE_BYTES: Final = 16
_GZIP_FAULTS: Final[tuple[type[Exception], ...]] = (isal_zlib.error,)  # type: ignore[assignment]  # its stub errs


class Body(Struct, frozen=True):
    """A body as JSON text, and how many bytes it was on the wire."""

    content: bytes
    wire_bytes: int


class BodyLimits(Struct, frozen=True):
    """How much is read, and for how long.

    Args:
        wire_bytes: as it arrives.
        decoded_bytes: after decompression.
        timeout_s: until its last byte.
    """

    wire_bytes: int
    decoded_bytes: int
    timeout_s: float = BODY_TIMEOUT_S


async def read_body(scope: Scope, receive: Receive, limits: BodyLimits) -> Body:
    """Read a JSON body, compressed or not.

    Raises:
        HTTPException: 400 broken or empty, 408 too slow, 413 too long, 415 not JSON or an unknown encoding.
    """
    headers = dict(scope["headers"])
    decode = _decoder(headers)
    raw = await read_bounded(headers.get(b"content-length", b""), receive, limits)
    content = decode(raw, limits.decoded_bytes)
    if not content:
        raise HTTPException(status_code=400, detail="The body is empty; accepted: JSON")
    return Body(content, len(raw))


async def read_bounded(declared: bytes, receive: Receive, limits: BodyLimits) -> bytes:
    """Read a body as it arrives; ``declared`` is its ``Content-Length``, believed only when it is too long.

    Raises:
        HTTPException: 400 it ended early, 408 too slow, 413 too long.
    """
    if declared.isdigit() and int(declared[:20]) > limits.wire_bytes:
        raise too_long(limits.wire_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.timeout_s):
            while True:
                message: Any = await receive()
                if message["type"] == "http.disconnect":
                    raise _broken("it ended before its length")
                body += message.get("body", b"")
                if len(body) > limits.wire_bytes:
                    raise too_long(limits.wire_bytes)
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        detail = f"The body did not arrive within {limits.timeout_s:.0f} s"
        raise HTTPException(status_code=408, detail=detail, headers={"Connection": "close"}) from None


def too_long(limit_bytes: int) -> HTTPException:
    """413; what is unread stays so, hence the connection cannot be used again."""
    detail = f"The body is too long; accepted: at most {limit_bytes} bytes"
    return HTTPException(status_code=413, detail=detail, headers={"Connection": "close"})


def _decoder(headers: dict[bytes, bytes]) -> Callable[[bytes, int], bytes]:
    media_type = headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
    if media_type != b"application/json" and not media_type.endswith(b"+json"):
        shown = media_type.decode("latin-1")
        raise HTTPException(status_code=415, detail=f"Content-Type {shown!r}; accepted: application/json")
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    decode = _DECODERS.get(encoding)
    if decode is None:
        shown, accepted = encoding.decode("latin-1"), "zstd, gzip or none"
        raise HTTPException(status_code=415, detail=f"Content-Encoding {shown!r}; accepted: {accepted}")
    return decode


def _as_it_is(raw: bytes, limit: int) -> bytes:
    if len(raw) > limit:
        raise too_long(limit)
    return raw


def _gunzip(raw: bytes, limit: int) -> bytes:
    stream = isal_zlib.decompressobj(wbits=_GZIP_WINDOW)
    try:
        content = bytes(stream.decompress(raw, limit + 1))
    except _GZIP_FAULTS as error:
        raise _broken(f"gzip: {error}") from None
    if len(content) > limit:
        raise too_long(limit)
    if not stream.eof or stream.unused_data:
        raise _broken("gzip: it ends early, or something follows it")
    return content


def _unzstd(raw: bytes, limit: int) -> bytes:
    try:
        declared = zstandard.get_frame_parameters(raw).content_size
        if declared in _UNKNOWN_SIZES:
            return _unzstd_stream(raw, limit)
        if declared > limit:
            raise too_long(limit)
        return _zstd(limit).decompress(raw, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise _broken(f"zstd: {error}") from None


def _zstd(limit: int) -> zstandard.ZstdDecompressor:
    # Even a small body may have been written with a large window; RFC 8878 asks for 8 MiB at least.
    return zstandard.ZstdDecompressor(max_window_size=max(limit, _WINDOW_BYTES))


def _unzstd_stream(raw: bytes, limit: int) -> bytes:
    # A piece at a time: the library does not bound what one call puts out, only a small piece does (three
    # bytes can stand for 128 KiB).
    stream = _zstd(limit).decompressobj()
    content = bytearray()
    piece_bytes = max(_MIN_PIECE_BYTES, limit // _PIECES)
    for start in range(0, len(raw), piece_bytes):
        content += stream.decompress(raw[start : start + piece_bytes])
        if len(content) > limit:
            raise too_long(limit)
        if stream.eof:
            if stream.unused_data or start + piece_bytes < len(raw):
                raise _broken("zstd: something follows it")
            return bytes(content)
    raise _broken("zstd: it ends early")


_UNKNOWN_SIZES: Final = frozenset({zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR})
_DECODERS: Final[dict[bytes, Callable[[bytes, int], bytes]]] = {
    b"": _as_it_is,
    b"identity": _as_it_is,
    b"gzip": _gunzip,
    b"x-gzip": _gunzip,
    b"zstd": _unzstd,
}


def _broken(reason: str) -> HTTPException:
    return HTTPException(status_code=400, detail=f"The body is broken: {reason}")
