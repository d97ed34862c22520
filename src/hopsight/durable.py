"""What it takes for a file to be there after a power failure, beside writing it."""

import os
from pathlib import Path


def sync_directory(directory: Path) -> None:
    """See to it that the names in a directory are on disk.

    Raises:
        OSError: they cannot be brought there.
    """
    # Windows cannot open directories, and makes names durable by itself.
    if os.name != "posix":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
