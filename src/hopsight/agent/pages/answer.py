"""Reads an HTTP/1.1 answer, bounded: headers, and as much of the body as is counted."""

import asyncio
import re
from typing import Final

from hopsight.agent.pages.exchange import Exchange

MAX_BODY_BYTES: Final = 2 << 20
TITLE_BYTES: Final = 64 << 10

_STATUS: Final = re.compile(r"(HTTP/1\.[01]) ([1-9]\d\d)(?: (.*))?")
_PIECE_BYTES: Final = 64 << 10
_MAX_HEADERS: Final = 200
_NO_BODY: Final = {204, 304}


async def read_line(reader: asyncio.StreamReader) -> str:
    """One line of a head.

    Raises:
        EOFError: the connection ended.
        asyncio.LimitOverrunError: the line is too long.
    """
    return (await reader.readuntil(b"\n")).decode("latin-1").rstrip("\r\n")


async def read_answer(reader: asyncio.StreamReader, exchange: Exchange, status_line: str) -> None:
    """Read the rest of an answer into an exchange.

    Raises:
        ValueError: it is not HTTP/1.1.
        EOFError: the connection ended in the midst of it.
    """
    found = _STATUS.fullmatch(status_line)
    while found is not None and found[2].startswith("1"):
        await read_headers(reader)
        found = _STATUS.fullmatch(await read_line(reader))
    if found is None:
        raise ValueError("the answer is not HTTP/1.1")
    exchange.version, exchange.status, exchange.reason = found[1], int(found[2]), found[3] or ""
    exchange.headers = await read_headers(reader)
    if exchange.status in _NO_BODY:
        return
    if exchange.header("transfer-encoding").lower() == "chunked":
        while not exchange.truncated and (size := int((await read_line(reader)).partition(";")[0], 16)):
            await _take(reader, exchange, size)
            if not exchange.truncated:
                await read_line(reader)
        return
    length = exchange.header("content-length")
    await _take(reader, exchange, int(length) if length else None)


async def read_headers(reader: asyncio.StreamReader) -> tuple[tuple[str, str], ...]:
    """Names and values up to the empty line.

    Raises:
        ValueError: there are too many.
    """
    headers: list[tuple[str, str]] = []
    while line := await read_line(reader):
        name, _, value = line.partition(":")
        headers.append((name.strip(), value.strip()))
        if len(headers) > _MAX_HEADERS:
            raise ValueError(f"more than {_MAX_HEADERS} headers")
    return tuple(headers)


async def _take(reader: asyncio.StreamReader, exchange: Exchange, size: int | None) -> None:
    """Read so much of the body (None: all that comes); keep only its start."""
    left = size if size is not None else MAX_BODY_BYTES + 1
    while left > 0:
        room = MAX_BODY_BYTES - exchange.body_bytes
        if room <= 0:
            exchange.truncated = True
            return
        piece = await reader.read(min(left, room, _PIECE_BYTES))
        if not piece:
            if size is not None:
                raise EOFError("the connection ended in the midst of the body")
            return
        exchange.body_bytes += len(piece)
        exchange.start += piece[: TITLE_BYTES - len(exchange.start)]
        left -= len(piece)
