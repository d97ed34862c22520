"""Where records rest: ``open_store`` and the table of backends."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from hopsight.clock import Clock
from hopsight.errors import ConfigError
from hopsight.storage.clickhouse.address import parse
from hopsight.storage.clickhouse.store import ClickHouseStore
from hopsight.storage.memory import MemoryStore
from hopsight.storage.sqlite import SqliteStore
from hopsight.storage.store import Store

FILE_NAME: Final = "sessions.db"
ACCEPTED: Final = "sqlite, sqlite:PATH, clickhouse://USER:PASSWORD@HOST:PORT/DATABASE or memory:"


def _open_sqlite(rest: str, data: Path, clock: Clock) -> Store:
    del clock
    return SqliteStore(Path(rest) if rest else data / FILE_NAME)


def _open_memory(rest: str, data: Path, clock: Clock) -> Store:
    del data, clock
    if rest:
        raise ConfigError("store", f"memory:{rest}", "memory: with nothing behind it")
    return MemoryStore()


def _open_clickhouse(rest: str, data: Path, clock: Clock) -> Store:
    del data
    return ClickHouseStore(parse(rest), clock)


# Scheme of the URL -> opens a store, given what follows the colon, the data directory and the clock.
BACKENDS: Final[dict[str, Callable[[str, Path, Clock], Store]]] = {
    "sqlite": _open_sqlite,
    "memory": _open_memory,
    "clickhouse": _open_clickhouse,
}


def store_file(url: str, data: Path) -> Path | None:
    """The file that ``open_store`` would open; None: the store is in no file."""
    scheme, _, rest = url.partition(":")
    if scheme != "sqlite":
        return None
    return Path(rest) if rest else data / FILE_NAME


def open_store(url: str, data: Path, clock: Clock) -> Store:
    """Open the store that ``url`` names: one of ``ACCEPTED``; plain ``sqlite`` is a file in ``data``.

    Raises:
        ConfigError: no such backend, or its file is not one of ours.
        StoreUnavailableError: it cannot be opened now.
    """
    scheme, _, rest = url.partition(":")
    if scheme not in BACKENDS:
        raise ConfigError("store", f"{scheme}:...", ACCEPTED)
    return BACKENDS[scheme](rest, data, clock)
