"""One process at a time, by a lock on a file: for what a database cannot wait for by itself."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone_with(path: Path) -> Iterator[None]:
    """No other process that asks for the same does the block meanwhile; locks ``path`` with ``.lock`` behind.

    Raises:
        OSError: that file cannot be made.
    """
    lock = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
