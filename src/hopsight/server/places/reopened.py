"""A file that is looked things up in, and opened again when somebody has replaced it."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

import structlog

from hopsight.clock import Clock
from hopsight.errors import ConfigError

LOOK_EVERY_S: Final = 60.0
_CACHED: Final = 16_384
"""Addresses: a fleet comes from a few, and its paths go by the same routers."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_log = structlog.get_logger(__name__)


class Database(Protocol[T_co]):
    """What is said of addresses."""

    def find(self, address: str) -> T_co | None:
        """What is known of an address."""
        ...

    def close(self) -> None:
        """Let the file go."""
        ...


class _Stamp(NamedTuple):
    """What changes with a file."""

    inode: int
    size: int
    changed_ns: int


class Reopened(Generic[T]):
    """The newest good file at a path; it is looked at once a minute, when somebody asks.

    A new file that is none of its kind is told in the log, and the old one goes on to be used: unless it was
    written over, and so is gone.

    Args:
        path: where the file is.
        opened: opens it; ``ConfigError`` when it is no good.
        clock: says when to look again.

    Raises:
        ConfigError: it is no good now.
    """

    def __init__(self, path: Path, opened: Callable[[Path], Database[T]], clock: Clock) -> None:
        self._path = path
        self._open = opened
        self._clock = clock
        self._stamp = _stamp_of(path)
        self._database = opened(path)
        self._find: Callable[[str], T | None] = lru_cache(_CACHED)(self._database.find)
        self._in_use = self._stamp
        self._looked_s = clock.monotonic()

    def find(self, address: str) -> T | None:
        """What is known of an address."""
        now_s = self._clock.monotonic()
        if now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = now_s
            self._look()
        return self._find(address)

    def close(self) -> None:
        """Let the file go."""
        self._database.close()

    def _look(self) -> None:
        # Read before the file is: what changes while it is opened is seen the next time.
        stamp = _stamp_of(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            opened = self._open(self._path)
        except ConfigError as error:
            _log.warning("a new file cannot be used", path=str(self._path), reason=str(error))
            if stamp is not None and self._in_use is not None and stamp.inode == self._in_use.inode:
                self._find = _nothing
            return
        self._database.close()
        self._database = opened
        self._find = lru_cache(_CACHED)(opened.find)
        self._in_use = stamp
        _log.info("a new file is in use", path=str(self._path))


def _nothing(_: str) -> None:
    return None


def _stamp_of(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return _Stamp(found.st_ino, found.st_size, found.st_mtime_ns)
