"""The accounts database: opening it, transactions, and knowing when somebody else has changed it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import Connection, Engine, create_engine, event, select, update
from sqlalchemy.dialects import registry
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError

from hopsight.accounts import apsw_driver, migrations
from hopsight.accounts.schema import revision
from hopsight.clock import Clock
from hopsight.errors import ConfigError, ConflictError, StoreUnavailableError

FILE_NAME: Final = "accounts.db"
BUSY_TIMEOUT_MS: Final = 10_000
REVISION_AGE_S: Final = 2.0
"""How long a change by another process may go unseen where the database cannot tell for free (not SQLite)."""

registry.register("sqlite.apsw", "hopsight.accounts.apsw_dialect", "ApswDialect")


class Database:
    """An engine with two kinds of transaction, and the revision of who may do what."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._writer = engine.execution_options(writes=True)
        self._is_sqlite = engine.dialect.name == "sqlite"
        # Kept for `PRAGMA data_version`, which counts what *other* connections commit: so it never writes.
        self._watcher = engine.raw_connection() if self._is_sqlite else None
        self._seen_version = -1
        self._revision = 0
        self._revision_read_s = float("-inf")

    @classmethod
    def open(cls, url: str | None, data: Path, clock: Clock) -> Self:
        """Open the database at ``url`` (SQLAlchemy's spelling), or ``accounts.db`` in ``data``.

        Raises:
            ConfigError: no database is to be had at ``url``, or a newer Hopsight has written it.
            StoreUnavailableError: it is there but cannot be used now.
        """
        try:
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            accepted = f"a directory that can be made ({error.strerror})"
            raise ConfigError("data directory", data, accepted) from None
        engine = _create_engine(_parse(url, data))
        try:
            with _our_errors():
                with engine.execution_options(writes=True).begin() as connection:
                    migrations.migrate(connection)
                return cls(engine, clock)
        except (StoreUnavailableError, ConflictError, ConfigError):
            engine.dispose()
            raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that reads."""
        with _our_errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self, *, changes_rights: bool = True) -> Iterator[Connection]:
        """A transaction that writes; it waits for other writers before it reads anything.

        Args:
            changes_rights: whether it could make a cached principal wrong.
        """
        with _our_errors(), self._writer.begin() as connection:
            yield connection
            if changes_rights:
                connection.execute(update(revision).values(number=revision.c.number + 1))

    def current_revision(self) -> int:
        """A number that differs when rights may have changed, in whatever process; costs microseconds."""
        with _our_errors():
            if self._may_have_changed():
                with self._engine.begin() as connection:
                    self._revision = connection.execute(select(revision.c.number)).scalar_one()
        return self._revision

    def _may_have_changed(self) -> bool:
        if self._watcher is None:
            if self._clock.monotonic() - self._revision_read_s < REVISION_AGE_S:
                return False
            self._revision_read_s = self._clock.monotonic()
            return True
        version: int = self._watcher.driver_connection.raw.pragma("data_version")  # type: ignore[union-attr]
        changed = version != self._seen_version
        self._seen_version = version
        return changed

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


def _parse(url: str | None, data: Path) -> URL:
    if url is None:
        parsed = URL.create("sqlite", database=str(data / FILE_NAME))
    else:
        try:
            parsed = make_url(url)
        except ArgumentError:
            # Not repeated: it may hold a password.
            raise ConfigError("accounts URL", "(not shown)", "for example sqlite:///PATH") from None
    if parsed.get_backend_name() != "sqlite":
        return parsed
    if parsed.database in {None, "", ":memory:"}:
        raise ConfigError("accounts URL", parsed, "an SQLite file: sqlite:///PATH")
    return parsed.set(drivername="sqlite+apsw")


def _create_engine(url: URL) -> Engine:
    try:
        if url.get_backend_name() != "sqlite":
            return create_engine(url, pool_pre_ping=True)
        assert url.database is not None  # noqa: S101 - _parse has seen to it
        _create_private(Path(url.database))
        engine = create_engine(url, connect_args={"busy_timeout_ms": BUSY_TIMEOUT_MS})
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigError("accounts URL", url.drivername, f"an installed database driver ({error})") from None
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _create_private(path: Path) -> None:
    # SQLite gives the WAL beside it the mode of the database.
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreUnavailableError(f"Accounts database {path} cannot be opened: {error.strerror}") from error


def _set_pragmas(connection: Any, _record: object) -> None:
    if connection.raw.pragma("journal_mode") != "wal":
        connection.raw.pragma("journal_mode", "wal")
    connection.raw.pragma("synchronous", "FULL")
    connection.raw.pragma("foreign_keys", "ON")


def _begin(connection: Connection) -> None:
    # A transaction that reads first and wants to write later can find that it may not: so it says so at once.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise ConflictError("Somebody else changed the same thing at the same time; try again") from error
    except DBAPIError as error:
        raise StoreUnavailableError(f"The accounts database is not available: {error.orig}") from error
