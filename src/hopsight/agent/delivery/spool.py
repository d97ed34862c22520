"""Records wait on disk until the server has them.

``synchronous=FULL``: a record that was appended outlives a power cut, not only a crash. It costs one sync a
transaction; rounds append what finished together, so that is a few a minute.

The budget counts everything: ``max_page_count`` stops the database; the write-ahead log, which one
connection can always check-point, and a reserve for a full disk take the rest. Past the budget the oldest
records go, and are counted.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw
import msgspec
import structlog
from msgspec import Struct

from hopsight.agent.delivery.reserve import RESERVE_BYTES, Reserve
from hopsight.agent.delivery.spool_batch import (
    Spooled,
    SpoolRecord,
    Written,
    batch_of,
    chunks,
    rows_within,
    written,
)
from hopsight.clock import Clock
from hopsight.errors import ConfigError, ConflictError, HopsightError, StoreUnavailableError
from hopsight.model.upload import MeasurementContext

__all__ = ["Spool", "SpoolCounts", "Spooled"]

FILE_NAME: Final = "spool.db"
MIN_SPOOL_BYTES: Final = 2 << 20
MAX_REFUSED: Final = 1_000
"""Refused records that are kept for a person to look at."""
BATCH_BYTES: Final = 2 << 20
"""Most of records in one batch, as JSON: with contexts and uncompressed, far under what a server takes."""

_SCHEMA_VERSION: Final = 1
_PAGE_BYTES: Final = 4_096
_WAL_BYTES: Final = 256 << 10
"""Cut back to this at every check-point; one transaction may go over it by as much again."""
_CHECKPOINT_PAGES: Final = 64
_APPEND_RECORDS: Final = 100
_APPEND_BYTES: Final = 96 << 10
"""Of one transaction, so that the log stays within its bound whatever size records have."""
_DROP_RECORDS: Final = 100
_DROP_BYTES: Final = 128 << 10
"""Of one dropping: a spool at its smallest must not lose all it has for one large record."""
_ROOM_PAGES: Final = 48
_FULL_TRIES: Final = 20
_REASON_CHARS: Final = 500

_SCHEMA: Final = """
CREATE TABLE context (id INTEGER PRIMARY KEY, body BLOB NOT NULL UNIQUE);
CREATE TABLE record (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    spooled_s INTEGER NOT NULL,
    context INTEGER NOT NULL REFERENCES context (id),
    body BLOB NOT NULL
);
CREATE TABLE refused (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    refused_s INTEGER NOT NULL,
    reason TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""

_OLDEST: Final = """
SELECT r.id, r.kind, r.body, c.id, c.body
FROM record r JOIN context c ON c.id = r.context ORDER BY r.id LIMIT ?
"""

_log = structlog.get_logger()


class SpoolCounts(Struct, frozen=True):
    """What a spool holds, and what it had to let go of since it was made."""

    waiting: int
    dropped: int
    refused: int


class Spool:
    """One file. Its methods block for a disk write: call them from a thread; they take turns by themselves.

    Args:
        directory: where ``spool.db`` is.
        clock: dates records.
        max_bytes: everything on disk, the write-ahead log included.
        max_age_s: older records are dropped.

    Raises:
        ConfigError: the budget is too small to work with.
        HopsightError: the file cannot be used.
    """

    def __init__(self, directory: Path, clock: Clock, *, max_bytes: int, max_age_s: int) -> None:
        if max_bytes < MIN_SPOOL_BYTES:
            raise ConfigError("spool-bytes", max_bytes, f"at least {MIN_SPOOL_BYTES} bytes")
        self._clock = clock
        self._max_age_s = max_age_s
        self._lock = threading.Lock()
        self._max_pages = (max_bytes - 2 * _WAL_BYTES - RESERVE_BYTES) // _PAGE_BYTES
        path = directory / FILE_NAME
        try:
            self._db = _opened(path, self._max_pages)
        except apsw.Error as error:
            raise HopsightError(f"Cannot use the spool {path}: {error}") from None
        self._reserve = Reserve(directory / "spool.reserve")
        self._reserve.hold()

    def append(self, records: Sequence[SpoolRecord], context: MeasurementContext) -> int:
        """Keep records that were made in one context; on return they are on disk.

        Returns:
            How many could not be kept although older ones were dropped (the disk is full); 0 is the rule.
        """
        lost = 0
        bodies = [written(record) for record in records]
        with self._lock:
            for chunk in chunks(bodies, _APPEND_RECORDS, _APPEND_BYTES):
                lost += 0 if self._append_chunk(chunk, context) else len(chunk)
                self._keep_within_budget()
        if lost:
            _log.error("spool cannot be written: records are lost", lost=lost)
        return lost

    def next_batch(self, limit: int, max_bytes: int = BATCH_BYTES) -> Spooled:
        """The oldest records with their contexts. They stay until acknowledged or refused.

        Args:
            limit: at most so many records.
            max_bytes: and no more of their JSON, unless the first alone is larger.

        Raises:
            StoreUnavailableError: the file cannot be read now (as in all below).
        """
        while True:
            with self._transaction():
                self._drop_aged()
                rows = rows_within(self._db.execute(_OLDEST, (limit,)), max_bytes)
            batch, unreadable = batch_of(rows)
            if not unreadable:
                return batch
            # Never met in practice; but one such record would hold up all behind it for good.
            self.refuse(unreadable)

    def acknowledge(self, ids: Iterable[int]) -> None:
        """Let go of records that the server has."""
        with self._transaction():
            self._delete(ids)
        with self._lock:
            self._shrink()

    def refuse(self, reasons: Mapping[int, str]) -> None:
        """Let go of records that the server will never take; the newest of them are kept aside."""
        now_s = int(self._clock.now())
        with self._transaction():
            for record_id, reason in reasons.items():
                self._db.execute(
                    "INSERT OR REPLACE INTO refused SELECT id, kind, ?, ?, body FROM record WHERE id = ?",
                    (now_s, reason[:_REASON_CHARS], record_id),
                )
            self._db.execute(
                "DELETE FROM refused WHERE id NOT IN (SELECT id FROM refused ORDER BY id DESC LIMIT ?)",
                (MAX_REFUSED,),
            )
            self._count("refused", self._delete(reasons))

    def clear(self) -> int:
        """Drop every record: they belong to an account group that this agent has left.

        Returns:
            How many those were.
        """
        with self._transaction():
            self._db.execute("DELETE FROM record")
            dropped = self._db.changes()
            self._count("dropped", dropped)
        return dropped

    def counts(self) -> SpoolCounts:
        """Take stock."""
        with self._lock:
            waiting = int(self._db.execute("SELECT count(*) FROM record").get)
            counters = dict(self._db.execute("SELECT name, value FROM counter"))
        return SpoolCounts(waiting, counters.get("dropped", 0), counters.get("refused", 0))

    def is_empty(self) -> bool:
        """Whether nothing waits."""
        with self._lock:
            return self._db.execute("SELECT 1 FROM record LIMIT 1").fetchone() is None

    def close(self) -> None:
        """Let go of the file, after whatever is being written."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing, one thread at a time."""
        try:
            with self._lock, _committed(self._db):
                yield
        except apsw.Error as error:
            raise StoreUnavailableError(f"the spool cannot be used now: {error}") from None

    def _append_chunk(self, records: Sequence[Written], context: MeasurementContext) -> bool:
        for _ in range(_FULL_TRIES):
            try:
                with _committed(self._db):
                    self._insert(records, context)
            except (apsw.FullError, apsw.IOError) as error:
                if not self._make_room(str(error)):
                    return False
            else:
                return True
        return False

    def _insert(self, records: Sequence[Written], context: MeasurementContext) -> None:
        body = msgspec.json.encode(context)
        self._db.execute("INSERT OR IGNORE INTO context (body) VALUES (?)", (body,))
        context_id = self._db.execute("SELECT id FROM context WHERE body = ?", (body,)).get
        now_s = int(self._clock.now())
        self._db.executemany(
            "INSERT INTO record (kind, spooled_s, context, body) VALUES (?, ?, ?, ?)",
            [(record.kind, now_s, context_id, record.body) for record in records],
        )

    def _make_room(self, reason: str) -> bool:
        """Drop until the reserve, which dropping needs, is back: on a full disk the file has to shrink."""
        self._reserve.release()
        dropped = False
        for _ in range(_FULL_TRIES):
            if not self._drop_oldest(reason):
                break
            dropped = True
            if self._reserve.hold():
                break
            self._vacuum()
        return dropped

    def _keep_within_budget(self) -> None:
        """Drop before the hard stop is met: room to work keeps every later step possible."""
        while self._pages_left() < max(self._max_pages // 16, _ROOM_PAGES):
            if not self._drop_oldest("over its budget"):
                return

    def _pages_left(self) -> int:
        free = int(self._db.pragma("freelist_count") or 0)
        return self._max_pages - int(self._db.pragma("page_count") or 0) + free

    def _drop_oldest(self, reason: str) -> bool:
        """Make room by dropping the oldest; False: it cannot be made."""
        try:
            with _committed(self._db):
                self._db.execute("DELETE FROM record WHERE id <= ?", (self._last_to_drop(),))
                dropped = self._db.changes()
                self._count("dropped", dropped)
                self._forget_contexts()
            # From here on the log is written over, which needs no new space.
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
        except (apsw.FullError, apsw.IOError) as error:
            _log.warning("spool cannot make room", reason=str(error))
            return False
        if dropped:
            _log.warning("spool dropped its oldest records", dropped=dropped, reason=reason)
        return dropped > 0

    def _last_to_drop(self) -> int:
        last = size = 0
        oldest = "SELECT id, length(body) FROM record ORDER BY id LIMIT ?"
        for number, length in self._db.execute(oldest, (_DROP_RECORDS,)):
            if last and size + length > _DROP_BYTES:
                break
            last, size = number, size + length
        return last

    def _drop_aged(self) -> None:
        oldest_s = int(self._clock.now()) - self._max_age_s
        # IDs rise with time, so the oldest record tells without an index whether there is anything to do.
        row = self._db.execute("SELECT spooled_s FROM record ORDER BY id LIMIT 1").fetchone()
        if row is None or row[0] >= oldest_s:
            return
        self._db.execute("DELETE FROM record WHERE spooled_s < ?", (oldest_s,))
        dropped = self._db.changes()
        self._count("dropped", dropped)
        _log.warning("spool dropped records over their age", dropped=dropped, days=self._max_age_s // 86_400)

    def _delete(self, ids: Iterable[int]) -> int:
        before = self._db.total_changes()
        self._db.executemany("DELETE FROM record WHERE id = ?", [(record_id,) for record_id in ids])
        deleted = self._db.total_changes() - before
        self._forget_contexts()
        return deleted

    def _forget_contexts(self) -> None:
        # Contexts are few (one a network and place), and a laptop that travels must not collect them.
        self._db.execute("DELETE FROM context WHERE id NOT IN (SELECT DISTINCT context FROM record)")

    def _count(self, name: str, by: int) -> None:
        self._db.execute(
            "INSERT INTO counter VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
            (name, by),
        )

    def _shrink(self) -> None:
        """Give the file system its room back after a long time without the server."""
        if int(self._db.pragma("freelist_count") or 0) > _DROP_RECORDS:
            self._vacuum()

    def _vacuum(self) -> None:
        try:
            # Stepping through it is what frees the pages; the check-point, what shortens the file.
            for _ in self._db.execute(f"PRAGMA incremental_vacuum({_DROP_RECORDS * 4})"):
                pass
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
        except (apsw.FullError, apsw.IOError) as error:
            _log.warning("spool cannot shrink now", reason=str(error))


def _opened(path: Path, max_pages: int) -> apsw.Connection:
    db = apsw.Connection(str(path))
    db.set_busy_timeout(1_000)
    db.pragma("page_size", _PAGE_BYTES)
    db.pragma("auto_vacuum", "INCREMENTAL")
    db.pragma("journal_mode", "WAL")
    db.pragma("synchronous", "FULL")
    db.pragma("wal_autocheckpoint", _CHECKPOINT_PAGES)
    db.pragma("journal_size_limit", _WAL_BYTES)
    db.pragma("cache_size", -512)
    version = db.pragma("user_version")
    if version == 0:
        with _committed(db):
            db.execute(_SCHEMA)
            db.pragma("user_version", _SCHEMA_VERSION)
    elif version != _SCHEMA_VERSION:
        db.close()
        raise ConflictError(
            f"The spool {path} was written by a newer Hopsight (schema {version}); update this one"
        )
    path.chmod(0o600)
    db.pragma("max_page_count", max_pages)
    return db


@contextmanager
def _committed(db: apsw.Connection) -> Iterator[None]:
    """All or nothing. Not apsw's own ``with``: it stumbles when a full disk has rolled back by itself."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
