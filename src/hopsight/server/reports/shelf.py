"""Where signed reports are kept: a directory of each account group, a file of each report.

A file is named by the digest of its document. What is kept is the envelope as it was signed: pages and files
are both made from it, and are the same therefore.
"""

import asyncio
import base64
import os
import re
import tempfile
from pathlib import Path
from typing import Final

import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct, structs

from hopsight.clock import Clock
from hopsight.config import DAY_S, ServerConfig
from hopsight.durable import sync_directory
from hopsight.errors import (
    ConfigError,
    ConflictError,
    InvalidValueError,
    NotFoundError,
    StoreUnavailableError,
)
from hopsight.server.reports.document import MAX_DOCUMENT_BYTES, Report, decode_report, encode_report
from hopsight.server.reports.key import own_key, read_key
from hopsight.server.reports.signing import (
    MAX_ENVELOPE_BYTES,
    Checked,
    Envelope,
    InvalidReportError,
    check,
    digest_of,
    sign,
    signer_of,
)

FOLDER: Final = "reports"
MAX_AT_ONCE: Final = 2
MAX_KEPT: Final = 200
"""Signed reports of one account group."""
KEEP_S: Final = 400 * DAY_S
"""After this they are removed, when another is signed: a year can be looked back on."""
_MAX_LISTED: Final = 10_000
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_log = structlog.get_logger(__name__)


class Kept(Struct, frozen=True, kw_only=True):
    """A signed report, as lists name it (its signature is looked at when it is opened)."""

    digest: str
    created: str
    start: str
    end: str
    names_shown: bool


class Shelf:
    """Signs reports and keeps them; every method is short, and may raise ``StoreUnavailableError``.

    ``slots`` bounds the reports that are being made at once.

    Raises:
        ConfigError: the key of the settings is none.
    """

    def __init__(self, config: ServerConfig, clock: Clock) -> None:
        self._data = config.data
        self._clock = clock
        self.slots = asyncio.Semaphore(MAX_AT_ONCE)
        self._listed: dict[str, Kept] = {}
        self._key = None if config.report_key is None else read_key(config.report_key)

    @property
    def key(self) -> Ed25519PrivateKey:
        """What reports are signed with.

        Raises:
            StoreUnavailableError: what is kept is no key, or none can be made.
        """
        if self._key is None:
            try:
                self._key = own_key(self._data)
            except ConfigError as error:
                # Who asks may be anybody: only the log says where it is.
                _log.error("reports cannot be signed", reason=str(error))
                raise StoreUnavailableError("The key that reports are signed with cannot be used") from None
        return self._key

    def sign(self, aid: int, report: Report) -> str:
        """Sign a report and keep it; its digest.

        Raises:
            ConflictError: the account group has as many as it may.
            InvalidValueError: it is too long.
        """
        key = self.key
        payload = encode_report(structs.replace(report, signer=signer_of(key.public_key())))
        if len(payload) > MAX_DOCUMENT_BYTES:
            raise InvalidValueError(
                "report", f"{len(payload)} bytes", f"at most {MAX_DOCUMENT_BYTES}: a shorter period"
            )
        digest = digest_of(payload)
        try:
            self._make_room(aid)
            self._write(self._folder(aid) / _file_name(digest), sign(payload, key))
        except OSError as error:
            raise StoreUnavailableError(f"The report cannot be kept: {error.strerror}") from None
        return digest

    def envelope(self, aid: int, digest: str) -> bytes:
        """A signed report as it is in the file.

        Raises:
            NotFoundError: the account group has no such report.
        """
        if _DIGEST.fullmatch(digest) is None:
            raise InvalidValueError("report", digest, "the SHA-256 of a signed report, 64 hexadecimal digits")
        try:
            with (self._folder(aid) / _file_name(digest)).open("rb") as file:
                return file.read(MAX_ENVELOPE_BYTES + 1)
        except FileNotFoundError:
            raise NotFoundError("There is no such signed report in this account group") from None
        except OSError as error:
            raise StoreUnavailableError(f"The report cannot be read: {error.strerror}") from None

    def read(self, aid: int, digest: str) -> tuple[Checked, Report]:
        """A signed report, checked and read.

        Raises:
            NotFoundError: there is none; or the file is damaged.
        """
        try:
            checked = check(self.envelope(aid, digest))
        except InvalidReportError as error:
            raise StoreUnavailableError(f"The kept report is damaged: {error}") from None
        if checked.digest != digest:
            raise StoreUnavailableError("The kept report is damaged: it is another one")
        return checked, decode_report(checked.payload)

    def kept(self, aid: int) -> list[Kept]:
        """What is kept for an account group, the newest first; damaged ones are passed over."""
        found = []
        for digest in self._digests(aid):
            try:
                # What has this digest never says anything else.
                known = self._listed.get(digest) or _listed(digest, self.envelope(aid, digest))
            except (NotFoundError, StoreUnavailableError, ValueError, msgspec.MsgspecError):
                continue
            found.append(known)
        self._remember(found)
        return sorted(found, key=lambda each: (each.created, each.digest), reverse=True)

    def _remember(self, found: list[Kept]) -> None:
        if len(self._listed) > _MAX_LISTED:
            self._listed.clear()
        self._listed |= {each.digest: each for each in found}

    def remove(self, aid: int, digest: str) -> None:
        """Delete a signed report.

        Raises:
            NotFoundError: there is no such.
        """
        self.envelope(aid, digest)
        try:
            (self._folder(aid) / _file_name(digest)).unlink(missing_ok=True)
        except OSError as error:
            raise StoreUnavailableError(f"The report cannot be deleted: {error.strerror}") from None

    def _folder(self, aid: int) -> Path:
        return self._data / FOLDER / str(aid)

    def _digests(self, aid: int) -> list[str]:
        try:
            names = [path.stem for path in self._folder(aid).glob("*.json")]
        except OSError:
            return []
        return sorted(name for name in names if _DIGEST.fullmatch(name))[: 2 * MAX_KEPT]

    def _make_room(self, aid: int) -> None:
        folder = self._folder(aid)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        young_s = self._clock.now() - KEEP_S
        left = 0
        for path in folder.iterdir():
            if path.stat().st_mtime < young_s:
                path.unlink(missing_ok=True)
            else:
                left += path.suffix == ".json"
        if left >= MAX_KEPT:
            raise ConflictError(f"{MAX_KEPT} signed reports are kept already; delete some first")

    def _write(self, path: Path, content: bytes) -> None:
        """Whole or not at all, on disk on return, for the owner alone."""
        handle, beside = tempfile.mkstemp(prefix=".new.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            # The age is told by the clock that will be asked for it.
            now_s = self._clock.now()
            os.utime(beside, (now_s, now_s))
            Path(beside).replace(path)
        except OSError:
            Path(beside).unlink(missing_ok=True)
            raise
        sync_directory(path.parent)


def _file_name(digest: str) -> str:
    return f"{digest}.json"


def _listed(digest: str, content: bytes) -> Kept:
    head = _heads.decode(base64.b64decode(_envelopes.decode(content).payload, validate=True))
    return Kept(
        digest=digest,
        created=head.created,
        start=head.start,
        end=head.end,
        names_shown=head.names_shown,
    )


class _Head(Struct, rename="camel"):
    """What lists need of a document; the rest is skipped."""

    created: str
    start: str
    end: str
    names_shown: bool


_envelopes: Final = msgspec.json.Decoder(Envelope)
_heads: Final = msgspec.json.Decoder(_Head)
