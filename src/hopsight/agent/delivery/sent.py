"""What left this machine, word for word: the last uploads that the server acknowledged.

Two files, the newer one being written until it has half of the room. Each upload is one line of JSON in a
Zstandard frame of its own, so that ``zstd -dc`` reads the files, too. In front of every frame stands a
*skippable* frame (RFC 8878, 3.1.2), which decoders pass over, with the length and the checksum of what
follows: by them a reader finds the last uploads without unpacking the others, and a torn end for sure.
"""

import os
import struct
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import msgspec
import structlog
import zstandard
from msgspec import Raw, Struct

from hopsight.clock import Clock
from hopsight.errors import HopsightError
from hopsight.model.times import format_utc
from hopsight.model.upload import UploadAnswer, UploadBatch

NEWER_NAME: Final = "sent.jsonl.zst"
OLDER_NAME: Final = "sent.1.jsonl.zst"
MAX_BYTES: Final = 16 << 20

_MAX_ENTRY_BYTES: Final = 64 << 20
_MARK: Final = struct.Struct("<IIII")
_SKIPPABLE: Final = 0x184D2A5C
_INSIDE: Final = 8

_log = structlog.get_logger()


class SentUpload(Struct, rename="camel", frozen=True, kw_only=True):
    """One upload.

    Args:
        date: when the server had acknowledged it, UTC.
        stored: records that were new to the server.
        duplicates: records that it had before.
        refused: records that it never takes.
        batch: ``UploadBatch`` as it was sent.
    """

    date: str
    stored: int
    duplicates: int
    refused: int
    batch: Raw


class _Entry(NamedTuple):
    offset: int
    length: int


class SentLog:
    """The log as the agent writes it.

    Args:
        directory: the agent's.
        max_bytes: most that the two files take together (a single larger upload excepted).
    """

    def __init__(self, directory: Path, clock: Clock, *, max_bytes: int = MAX_BYTES) -> None:
        self._newer = directory / NEWER_NAME
        self._older = directory / OLDER_NAME
        self._clock = clock
        self._half = max_bytes // 2
        self._compressor = zstandard.ZstdCompressor(level=3)
        self._mended = False

    def note(self, batch: UploadBatch, answer: UploadAnswer) -> None:
        """Write an acknowledged upload down; that this fails is said in the agent's log, and no more."""
        sent = SentUpload(
            date=format_utc(self._clock.now()),
            stored=answer.stored,
            duplicates=answer.duplicates,
            refused=len(answer.refused),
            batch=Raw(msgspec.json.encode(batch)),
        )
        try:
            self._append(self._compressor.compress(msgspec.json.encode(sent) + b"\n"))
        except OSError as error:
            _log.warning("what was sent cannot be written down", reason=str(error))

    def _append(self, frame: bytes) -> None:
        if not self._mended:
            # A process that was killed may have left half an entry; the next would be lost behind it.
            self._mend()
            self._mended = True
        entry = _MARK.pack(_SKIPPABLE, _INSIDE, len(frame), zlib.crc32(frame)) + frame
        if self._newer.exists() and self._newer.stat().st_size + len(entry) > self._half:
            self._newer.replace(self._older)
        handle = os.open(self._newer, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "ab") as file:
            file.write(entry)

    def _mend(self) -> None:
        try:
            with self._newer.open("r+b") as file:
                entries = list(_entries(file))
                file.truncate(entries[-1].offset + entries[-1].length if entries else 0)
        except FileNotFoundError:
            return


def read_sent(directory: Path, limit: int) -> Iterator[SentUpload]:
    """The last ``limit`` uploads, the oldest of them first.

    Raises:
        HopsightError: the log cannot be read.
    """
    # Both are open before either is read: the agent may start the next file meanwhile.
    with ExitStack() as opened:
        newer = _opened(opened, directory / NEWER_NAME)
        older = _opened(opened, directory / OLDER_NAME)
        recent = deque(_entries(newer) if newer is not None else (), maxlen=limit)
        before = deque(_entries(older) if older is not None else (), maxlen=limit - len(recent))
        for file, entries in ((older, before), (newer, recent)):
            if file is not None:
                yield from _uploads(file, entries)


def _opened(stack: ExitStack, path: Path) -> BinaryIO | None:
    try:
        return stack.enter_context(path.open("rb"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HopsightError(f"Cannot read {path}: {error.strerror}") from None


def _entries(file: BinaryIO) -> Iterator[_Entry]:
    """Where the whole entries are; what comes behind a torn or foreign one is none."""
    size = file.seek(0, os.SEEK_END)
    offset = 0
    while offset + _MARK.size <= size:
        file.seek(offset)
        magic, inside, length, checksum = _MARK.unpack(file.read(_MARK.size))
        behind = offset + _MARK.size
        if magic != _SKIPPABLE or inside != _INSIDE or behind + length > size:
            return
        if behind + length == size and zlib.crc32(file.read(length)) != checksum:
            # Only the last can be torn: the room of a file may be on disk before its content is.
            return
        yield _Entry(behind, length)
        offset = behind + length


def _uploads(file: BinaryIO, entries: Iterable[_Entry]) -> Iterator[SentUpload]:
    unpacker = zstandard.ZstdDecompressor()
    try:
        for entry in entries:
            file.seek(entry.offset)
            line = unpacker.decompress(file.read(entry.length), max_output_size=_MAX_ENTRY_BYTES)
            yield msgspec.json.decode(line, type=SentUpload)
    except OSError as error:
        raise HopsightError(f"Cannot read {file.name}: {error.strerror}") from None
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise HopsightError(f"{file.name} is damaged: {error}") from None
