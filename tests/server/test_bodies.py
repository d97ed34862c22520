"""Uploaded bodies: what is read, what is refused, and that no more is held than was allowed."""

import asyncio
import gzip
import io
import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from litestar.exceptions import HTTPException

from hopsight.server.bodies import BodyLimits, read_body

pytestmark = pytest.mark.anyio

BOMB_MIB = 200
LIMITS = BodyLimits(wire_bytes=4_096, decoded_bytes=65_536)
JSON = b'{"records": [' + b"1, " * 400 + b"2]}"


def read(
    *chunks: bytes, headers: dict[str, str] | None = None, limits: BodyLimits = LIMITS, ends: bool = True
) -> bytes:
    """Read a body that arrives in chunks; one that does not end stays out for ever."""
    scope: Any = {
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    }
    waiting = list(chunks) or [b""]

    async def receive() -> Any:
        if not waiting:
            await asyncio.Event().wait()
        chunk = waiting.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(waiting) or not ends}

    return asyncio.run(read_body(scope, receive, limits)).content


def refusal(*chunks: bytes, **options: Any) -> HTTPException:
    """The error that reading ends with."""
    with pytest.raises(HTTPException) as caught:
        read(*chunks, **options)
    return caught.value


def zstd_of_unknown_size(content: bytes) -> bytes:
    """A stream, as a program writes it that does not know the length before."""
    target = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(target, closefd=False) as writer:
        writer.write(content)
    return target.getvalue()


SKIPPABLE_FRAME = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"

ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("encoding", ENCODERS)
def test_a_body_comes_out_as_it_went_in(encoding: str) -> None:
    """Plain, gzip and zstd are read, in however many pieces they arrive."""
    encoded = ENCODERS[encoding](JSON)
    half = len(encoded) // 2
    assert read(encoded[:half], encoded[half:], headers={"Content-Encoding": encoding}) == JSON


def test_a_stream_of_unknown_size_is_read() -> None:
    """A zstd stream need not say its length at the front."""
    assert read(zstd_of_unknown_size(JSON), headers={"Content-Encoding": "zstd"}) == JSON


@pytest.mark.parametrize("encode", [gzip.compress, ENCODERS["zstd"], zstd_of_unknown_size])
def test_what_decompresses_to_too_much_is_413(encode: Callable[[bytes], bytes]) -> None:
    """A small body that is a large one inside is refused at the limit, not after."""
    encoded = encode(b" " * 10_000_000)
    limits = BodyLimits(wire_bytes=1 << 20, decoded_bytes=65_536)
    encoding = "gzip" if encode is gzip.compress else "zstd"
    assert refusal(encoded, headers={"Content-Encoding": encoding}, limits=limits).status_code == 413


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "zstd of unknown size"])
def test_a_bomb_takes_no_more_memory_than_the_limit(encoding: str) -> None:
    """200 MB inside a few kilobytes cost the server a few megabytes, measured in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, encoding], capture_output=True, text=True, check=True, timeout=60
    )
    status, grown_bytes = done.stdout.split()
    assert int(status) == 413
    assert int(grown_bytes) < 8 << 20


def bomb(encoding: str) -> bytes:
    """200 MB of zeros, made without having them."""
    target = io.BytesIO()
    if encoding == "gzip":
        writer: Any = gzip.GzipFile(fileobj=target, mode="wb")
    else:
        size = BOMB_MIB << 20 if encoding == "zstd" else -1
        writer = zstandard.ZstdCompressor().stream_writer(target, size=size, closefd=False)
    with writer:
        for _ in range(BOMB_MIB):
            writer.write(bytes(1 << 20))
    return target.getvalue()


def explode(encoding: str) -> None:
    """Read a bomb, and print how it ended and by how much the peak of memory has grown."""
    limits = BodyLimits(wire_bytes=1 << 20, decoded_bytes=65_536)
    made = bomb(encoding)
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error = refusal(made, headers={"Content-Encoding": encoding.partition(" ")[0]}, limits=limits)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
    sys.stdout.write(f"{error.status_code} {grown_kib << 10}")


def test_a_body_may_have_its_limit_and_no_more() -> None:
    """The bound holds for what is declared and for what arrives."""
    exact = b"1" * LIMITS.wire_bytes
    assert read(exact, headers={"Content-Length": str(len(exact))}) == exact
    assert refusal(exact, b"1").status_code == 413
    assert refusal(b"1", headers={"Content-Length": "999999999999999999999999"}).status_code == 413


@pytest.mark.parametrize(
    ("encoding", "damage"),
    [
        ("gzip", lambda body: body[:-9]),
        ("gzip", lambda body: body + b"more"),
        ("gzip", lambda body: b"\0" + body),
        ("gzip", lambda body: body[:20] + b"\xff\xff" + body[22:]),
        ("zstd", lambda body: body[:-3]),
        ("zstd", lambda body: b"\0" + body),
        ("zstd", lambda body: body + b"more"),
        ("zstd", lambda body: body + body),
        ("zstd", lambda _: b""),
        ("zstd", lambda _: zstandard.ZstdCompressor().compress(b"")),
        ("zstd", lambda _: zstd_of_unknown_size(JSON)[:-1]),
        ("zstd", lambda _: zstd_of_unknown_size(JSON)[:20]),
        ("zstd", lambda _: zstd_of_unknown_size(JSON) + b"more"),
        ("zstd", lambda _: zstd_of_unknown_size(JSON) * 2),
        ("zstd", lambda body: SKIPPABLE_FRAME + body),
        ("gzip", lambda body: body + body),
    ],
)
def test_a_damaged_stream_is_400(encoding: str, damage: Callable[[bytes], bytes]) -> None:
    """What is cut short, followed by something, or no stream at all is refused."""
    assert (
        refusal(damage(ENCODERS[encoding](JSON)), headers={"Content-Encoding": encoding}).status_code == 400
    )


@given(encoding=st.sampled_from(["gzip", "zstd", "identity"]), body=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(encoding: str, body: bytes) -> None:
    """No bytes end in anything but content or a 4xx."""
    try:
        assert read(body, headers={"Content-Encoding": encoding})
    except HTTPException as error:
        assert error.status_code in {400, 413}  # noqa: PT017 - either end is right


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, zstd", "zstd;q=1"])
def test_an_unknown_encoding_is_415_and_says_what_is_accepted(encoding: str) -> None:
    """Nothing is guessed."""
    error = refusal(JSON, headers={"Content-Encoding": encoding})
    assert error.status_code == 415
    assert "zstd, gzip or none" in error.detail


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "json"])
def test_what_is_not_json_is_415(media_type: str) -> None:
    """The type is looked at before the body."""
    assert refusal(JSON, headers={"Content-Type": media_type}).status_code == 415


def test_an_empty_body_is_400() -> None:
    """An upload without anything in it is a mistake."""
    assert refusal().status_code == 400


def test_a_body_that_does_not_come_is_408() -> None:
    """Who sends half and waits is not waited for; the rest cannot be told from a next request."""
    limits = BodyLimits(wire_bytes=100, decoded_bytes=100, timeout_s=0.05)
    error = refusal(b"[", limits=limits, ends=False)
    assert error.status_code == 408
    assert error.headers == {"Connection": "close"}


async def test_a_sender_who_hangs_up_is_400() -> None:
    """A connection that ends in the middle ends the reading."""

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    with pytest.raises(HTTPException, match="ended"):
        await read_body({"headers": []}, receive, LIMITS)  # type: ignore[arg-type]


if __name__ == "__main__":
    explode(sys.argv[1])
