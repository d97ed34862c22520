"""The agent's directory: made private, and held by one agent at a time."""

import sys
from pathlib import Path
from typing import IO, Final, Self

from hopsight.errors import ConflictError, HopsightError

LOCK_NAME: Final = "lock"


class AgentDirectory:
    """``<data>/agent``, held until closed. The system lets go of it by itself when the process dies."""

    def __init__(self, path: Path, lock: IO[bytes]) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def hold(cls, data: Path) -> Self:
        """Make ``<data>/agent`` if need be and claim it.

        Raises:
            ConflictError: another agent works there.
            HopsightError: it cannot be made or written.
        """
        path = data / "agent"
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (path / LOCK_NAME).open("ab")
        except OSError as error:
            raise HopsightError(f"Cannot use the agent's directory {path}: {error.strerror}") from None
        try:
            _claim(lock)
        except OSError:
            lock.close()
            raise ConflictError(
                f"Another agent is already running with the data directory {data}; "
                "stop it, or give this one its own with --data"
            ) from None
        return cls(path, lock)

    def close(self) -> None:
        """Let another agent have it."""
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


if sys.platform == "win32":  # pragma: no cover - not to be run on the systems that test this
    import msvcrt

    def _claim(lock: IO[bytes]) -> None:
        msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _claim(lock: IO[bytes]) -> None:
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
