"""One thread that writes: whatever waits when it is free goes into one transaction (group commit).

An fsync costs as much as storing a thousand records; so those who come while one is under way share the next.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, NamedTuple, TypeVar

import apsw

from hopsight.errors import ErasedError, StoreUnavailableError

MAX_QUEUED_RECORDS: Final = 20_000
MAX_QUEUED_JOBS: Final = 256

T = TypeVar("T")


class _Job(NamedTuple):
    work: Callable[[], Any]
    weight: int
    answer: Future[Any]


class Writer:
    """Runs jobs in the order given, each of them whole or not at all, and answers after COMMIT.

    Args:
        connection: belongs to the writer from now on; ``close`` closes it.
        forget: called when what jobs have learnt of the file may no longer hold: after a rollback, and
            when another process has written. Runs in the writer's thread.
    """

    def __init__(self, connection: apsw.Connection, forget: Callable[[], None]) -> None:
        self._connection = connection
        self._forget = forget
        self._jobs: deque[_Job] = deque()
        self._queued = 0
        self._closing = False
        self._changed = threading.Condition()
        self._data_version = -1
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], T], weight: int = 0) -> Future[T]:
        """Queue a job that writes ``weight`` records.

        Raises:
            StoreUnavailableError: too much is waiting, or the writer is closed.
        """
        answer: Future[T] = Future()
        with self._changed:
            if self._closing:
                raise StoreUnavailableError("The store is closed")
            if self._is_full(weight):
                raise StoreUnavailableError("The store is busy: too many records are waiting to be written")
            self._jobs.append(_Job(work, weight, answer))
            self._queued += weight
            self._changed.notify()
        return answer

    def close(self) -> None:
        """Finish what is queued, then close the connection. Blocks; may be called twice."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _is_full(self, weight: int) -> bool:
        # A batch beyond the bound is taken when nothing else waits: otherwise it could never be stored.
        too_heavy = weight > 0 and self._queued > 0 and self._queued + weight > MAX_QUEUED_RECORDS
        return too_heavy or len(self._jobs) >= MAX_QUEUED_JOBS

    def _run(self) -> None:
        try:
            while group := self._take():
                self._commit_group(group)
        finally:
            self._stop()

    def _take(self) -> list[_Job]:
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closing)
            group = list(self._jobs)
            self._jobs.clear()
            self._queued = 0
        return group

    def _commit_group(self, group: list[_Job]) -> None:
        running = [job for job in group if job.answer.set_running_or_notify_cancel()]
        results: list[tuple[_Job, Any]] = []
        try:
            self._begin()
            results = [(job, result) for job in running if (result := self._try(job)) is not _FAILED]
            self._connection.execute("COMMIT")
        except apsw.Error as error:
            self._roll_back("ROLLBACK")
            _refuse(running, error)
        else:
            for job, result in results:
                job.answer.set_result(result)
        finally:
            _refuse(running, None)

    def _begin(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        version = self._connection.pragma("data_version")
        if version != self._data_version:
            self._data_version = version
            self._forget()

    def _try(self, job: _Job) -> Any:
        """Run a job; when its own values are at fault, undo it alone, so that the others do not suffer."""
        self._connection.execute("SAVEPOINT job")
        try:
            result = job.work()
        except (TypeError, ValueError, OverflowError, LookupError, ErasedError) as error:
            self._roll_back("ROLLBACK TO job")
            job.answer.set_exception(error)
            result = _FAILED
        self._connection.execute("RELEASE job")
        return result

    def _roll_back(self, how: str) -> None:
        self._forget()
        # On some errors (disk full among them) SQLite has rolled back already.
        if self._connection.in_transaction:
            self._connection.execute(how)

    def _stop(self) -> None:
        with self._changed:
            self._closing = True
            left = list(self._jobs)
            self._jobs.clear()
        _refuse(left, None)
        self._connection.close()


_FAILED: Final = object()


def _refuse(jobs: list[_Job], error: apsw.Error | None) -> None:
    """Tell those who have no answer yet that nothing of theirs was kept."""
    for job in jobs:
        if not job.answer.done():
            refusal = StoreUnavailableError(f"The store could not write: {error or 'it stopped'}")
            refusal.__cause__ = error
            job.answer.set_exception(refusal)
