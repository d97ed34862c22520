"""Disk space kept for bad times: on a full disk, even deleting needs room to write down that it is done."""

import os
from pathlib import Path
from typing import Final

RESERVE_BYTES: Final = 512 << 10


class Reserve:
    """A file that is there to be removed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held = False

    def hold(self) -> bool:
        """Take the space, if there is any; whether it is held now."""
        if not self._held:
            try:
                with self._path.open("wb") as file:
                    _allocate(file.fileno())
            except OSError:
                self.release()
            else:
                self._held = True
        return self._held

    def release(self) -> None:
        """Give the space back, for others to write in."""
        self._held = False
        self._path.unlink(missing_ok=True)


def _allocate(file: int) -> None:
    # Not merely a length: a sparse file would hold nothing.
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, RESERVE_BYTES)
    else:
        os.write(file, bytes(RESERVE_BYTES))
