"""The writing thread: group commit, bounds, cancelling, closing."""

import functools
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import apsw
import pytest

from hopsight.errors import StoreUnavailableError
from hopsight.storage.sqlite_writer import MAX_QUEUED_JOBS, MAX_QUEUED_RECORDS, Writer

WAIT_S = 30


@pytest.fixture
def connection(tmp_path: Path) -> apsw.Connection:
    opened = apsw.Connection(str(tmp_path / "any.db"))
    opened.execute("CREATE TABLE t (x)")
    return opened


@pytest.fixture
def writer(connection: apsw.Connection) -> Iterator[Writer]:
    made = Writer(connection, lambda: None)
    yield made
    made.close()


class Held:
    """Keeps a writer busy with a job until told to let go."""

    def __init__(self, writer: Writer) -> None:
        self._go = threading.Event()
        started = threading.Event()
        self.answer: Future[None] = writer.submit(lambda: self._hold(started))
        assert started.wait(WAIT_S)

    def _hold(self, started: threading.Event) -> None:
        started.set()
        assert self._go.wait(WAIT_S)

    def let_go(self) -> None:
        """End the job."""
        self._go.set()


def test_jobs_that_wait_share_one_commit(connection: apsw.Connection, writer: Writer) -> None:
    """Jobs queued while the writer is busy are committed together, in order."""
    commits: list[int] = []

    def count_commit() -> bool:
        commits.append(1)
        return False

    def insert(place: int) -> int:
        connection.execute("INSERT INTO t VALUES (?)", (place,))
        return place

    held = Held(writer)
    connection.set_commit_hook(count_commit)
    answers = [writer.submit(functools.partial(insert, place)) for place in range(10)]
    held.let_go()
    assert [answer.result(WAIT_S) for answer in answers] == list(range(10))
    assert len(commits) == 2  # the job that held the writer, and all the others
    assert connection.execute("SELECT group_concat(x) FROM t").get == "0,1,2,3,4,5,6,7,8,9"


def test_a_failing_commit_answers_everybody(connection: apsw.Connection, writer: Writer) -> None:
    """When COMMIT fails no job of the group is acknowledged, and nothing of theirs stays."""
    held = Held(writer)
    connection.set_commit_hook(lambda: True)
    insert = "INSERT INTO t VALUES (1)"
    answers = [writer.submit(lambda: connection.execute(insert).fetchall()) for _ in range(3)]
    held.let_go()
    for answer in answers:
        with pytest.raises(StoreUnavailableError):
            answer.result(WAIT_S)
    connection.set_commit_hook(None)
    assert writer.submit(lambda: connection.execute("SELECT count(*) FROM t").get).result(WAIT_S) == 0


def test_a_rollback_forgets(connection: apsw.Connection) -> None:
    """What jobs have learnt of the file is dropped at a rollback, and when another connection has written."""
    forgotten: list[int] = []
    filename = connection.filename
    writer = Writer(connection, lambda: forgotten.append(1))
    writer.submit(lambda: None).result(WAIT_S)
    writer.submit(lambda: None).result(WAIT_S)
    assert len(forgotten) == 1  # the first look at the file

    def fail() -> None:
        raise ValueError("no such value")

    with pytest.raises(ValueError, match="no such value"):
        writer.submit(fail).result(WAIT_S)
    # A job at fault hears so before the rest of its group is committed: wait for that.
    writer.submit(lambda: None).result(WAIT_S)
    assert len(forgotten) == 2
    other = apsw.Connection(filename)
    other.execute("INSERT INTO t VALUES (5)")
    other.close()
    writer.submit(lambda: None).result(WAIT_S)
    assert len(forgotten) == 3
    writer.close()


def test_the_queue_is_bounded(writer: Writer) -> None:
    """Too many waiting records or jobs are refused at once; a large batch alone is taken."""
    held = Held(writer)
    writer.submit(lambda: None, weight=MAX_QUEUED_RECORDS * 2)
    with pytest.raises(StoreUnavailableError, match="busy"):
        writer.submit(lambda: None, weight=1)
    for _ in range(MAX_QUEUED_JOBS - 1):
        writer.submit(lambda: None)
    with pytest.raises(StoreUnavailableError, match="busy"):
        writer.submit(lambda: None)
    held.let_go()
    writer.close()


def test_a_cancelled_job_does_not_run(writer: Writer) -> None:
    """A job cancelled before its turn is left out."""
    ran: list[int] = []
    held = Held(writer)
    cancelled = writer.submit(lambda: ran.append(1))
    other = writer.submit(lambda: None)
    assert cancelled.cancel()
    held.let_go()
    other.result(WAIT_S)
    assert ran == []


def test_close_finishes_what_is_queued(connection: apsw.Connection, writer: Writer) -> None:
    """Queued jobs are committed before close returns; later ones are refused."""
    held = Held(writer)
    insert = "INSERT INTO t VALUES (1)"
    answers = [writer.submit(lambda: connection.execute(insert).fetchall()) for _ in range(5)]
    held.let_go()
    writer.close()
    assert all(answer.done() and answer.exception() is None for answer in answers)
    with pytest.raises(StoreUnavailableError, match="closed"):
        writer.submit(lambda: None)
