"""The accounts database: opening it, transactions, and knowing when somebody else has changed it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import Connection, Engine, select, text, update

from hopsight.accounts import apsw_driver, engines, migrations
from hopsight.accounts.failures import Failures
from hopsight.accounts.schema import revision
from hopsight.clock import Clock
from hopsight.errors import ConfigError, HopsightError, StoreUnavailableError
from hopsight.locks import alone_with

REVISION_AGE_S: Final = 2.0
"""How long a change by another server may go unseen on PostgreSQL; SQLite tells of it at once, for free."""


class Database:
    """An engine with two kinds of transaction, and the revision of who may do what."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._failures = Failures(clock, is_remote=not self._is_sqlite)
        self._reader, self._writer = _kinds(engine)
        # Kept for `PRAGMA data_version`, which counts what *other* connections commit: so it never writes.
        self._watcher = engine.raw_connection() if self._is_sqlite else None
        self._seen_version = -1
        self._revision = 0
        self._revision_read_s = float("-inf")
        self.on_change: Callable[[], None] | None = None
        """Called after a transaction that may have changed rights, by whoever waits for it."""

    @classmethod
    def open(cls, url: str | None, data: Path, clock: Clock) -> Self:
        """Open the database at ``url``: SQLite or PostgreSQL; None: ``accounts.db`` in ``data``.

        Raises:
            ConfigError: no database is to be had at ``url``, or a newer Hopsight has written it.
            StoreUnavailableError: it is there but cannot be used now.
        """
        try:
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            accepted = f"a directory that can be made ({error.strerror})"
            raise ConfigError("data directory", data, accepted) from None
        engine = engines.create(url, data)
        try:
            # Whoever opens it has its URL, and may know why it cannot be used.
            with Failures(clock, is_remote=False).translated(), _alone(engine):
                _check_encoding(engine)
                _, writer = _kinds(engine)
                with writer.execution_options(writes="tables").begin() as connection:
                    migrations.migrate(connection)
                return cls(engine, clock)
        except HopsightError:
            engine.dispose()
            raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that reads, all of it from one moment."""
        with self._failures.translated(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def write(self, *, changes_rights: bool = True) -> Iterator[Connection]:
        """A transaction that writes; it waits for other writers before it reads anything.

        Args:
            changes_rights: whether it could make a cached principal wrong.
        """
        try:
            with self._failures.translated(), self._writer.begin() as connection:
                yield connection
                if changes_rights:
                    connection.execute(update(revision).values(number=revision.c.number + 1))
        finally:
            if changes_rights:
                # What we change we see at once; also when it was kept and the answer to that got lost.
                self.look_again()
                if self.on_change is not None:
                    self.on_change()

    def look_again(self) -> None:
        """Ask for the revision when it is needed next, however lately it was read."""
        self._revision_read_s = float("-inf")

    def current_revision(self) -> int:
        """A number that differs when rights may have changed: here, or ``REVISION_AGE_S`` ago elsewhere.

        It costs microseconds, and on PostgreSQL one question every ``REVISION_AGE_S``.
        """
        with self._failures.translated():
            if self._watcher is None:
                self._ask_now_and_then()
            else:
                self._ask_when_changed(self._watcher.driver_connection)
        return self._revision

    def _ask_now_and_then(self) -> None:
        now_s = self._clock.monotonic()
        if now_s - self._revision_read_s >= REVISION_AGE_S:
            self._read_revision()
            # Not before: while it cannot be read, nobody may act on what was so once.
            self._revision_read_s = now_s

    def _ask_when_changed(self, watcher: Any) -> None:
        version: int = watcher.raw.pragma("data_version")
        if version != self._seen_version:
            self._read_revision()
            self._seen_version = version

    def _read_revision(self) -> None:
        with self._reader.begin() as connection:
            self._revision = connection.execute(select(revision.c.number)).scalar_one()

    def sweep(self) -> bool:
        """See to it that the bytes of what was deleted are gone from the files, too.

        Returns:
            False: it is not SQLite, and has ways of its own to do that.

        Raises:
            StoreUnavailableError: somebody else holds on to the file, or the disk is full.
        """
        if not self._is_sqlite:
            return False
        pooled = self._engine.raw_connection()
        try:
            pooled.driver_connection.sweep()  # type: ignore[union-attr]
        except apsw_driver.Error as error:
            raise StoreUnavailableError(f"The accounts database cannot be swept now: {error}") from error
        finally:
            pooled.close()
        return True

    def close(self) -> None:
        """Let go of the database."""
        if self._watcher is not None:
            self._watcher.close()
        self._engine.dispose()


def _kinds(engine: Engine) -> tuple[Engine, Engine]:
    """The engine for those who read, and for those who write."""
    writer = engine.execution_options(writes=True)
    if engine.dialect.name == "sqlite":
        return engine, writer
    return (
        engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True),
        # Each statement sees what was there when it began: so also what those wrote for whom it has waited.
        writer.execution_options(isolation_level="READ COMMITTED"),
    )


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """No other process opens the same file meanwhile: SQLite cannot wait when it changes to its WAL."""
    if engine.dialect.name != "sqlite":
        yield
        return
    path = Path(str(engine.url.database))
    with ExitStack() as locked:
        try:
            locked.enter_context(alone_with(path))
        except OSError as error:
            reason = f"Accounts database: {path}.lock cannot be made: {error.strerror}"
            raise StoreUnavailableError(reason) from error
        yield


def _check_encoding(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        return
    with engine.begin() as connection:
        encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise ConfigError("encoding of the accounts database", encoding, "UTF8")
