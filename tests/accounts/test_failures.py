"""What a database's errors become, and how long nobody tries after them."""

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from hopsight.accounts.failures import PAUSE_S, PAUSE_TIMES, Failures
from hopsight.errors import StoreUnavailableError
from hopsight.testing import FakeClock

SECRET = "10.0.0.5 is refused for hopsight"


def fail(failures: Failures, clock: FakeClock, takes_s: float, error: type[psycopg.Error]) -> bool:
    """Use a database that fails; whether it was asked."""
    asked = []

    def ask() -> None:
        with failures.translated():
            asked.append(True)
            clock.advance(takes_s)
            raise OperationalError("SELECT 'value'", {}, error(f"{SECRET}\nLINE 1: 'value'"))

    with pytest.raises(StoreUnavailableError) as caught:
        ask()
    assert "value" not in str(caught.value)
    assert (SECRET in str(caught.value)) != failures._is_remote
    return bool(asked)


def test_the_longer_a_failure_takes_the_longer_nobody_tries() -> None:
    """Requests are held up by a host that does not answer for a quarter of the time at most."""
    clock = FakeClock()
    failures = Failures(clock, is_remote=True)
    assert fail(failures, clock, 0.0, psycopg.OperationalError)
    clock.advance(PAUSE_S)
    assert fail(failures, clock, 3.0, psycopg.OperationalError)
    clock.advance(3.0 * PAUSE_TIMES - 0.5)
    assert not fail(failures, clock, 0.0, psycopg.OperationalError)
    clock.advance(0.5)
    assert fail(failures, clock, 0.0, psycopg.OperationalError)


def test_what_says_nothing_of_the_whole_database_stops_nobody() -> None:
    """A statement that took too long is no reason not to try the next."""
    clock = FakeClock()
    failures = Failures(clock, is_remote=True)
    assert fail(failures, clock, 10.0, psycopg.errors.QueryCanceled)
    assert fail(failures, clock, 10.0, psycopg.errors.LockNotAvailable)


def test_who_opens_a_database_may_know_why_not() -> None:
    """Its own words, without the statement; those who only ask a server are not told where it is."""
    assert fail(Failures(FakeClock(), is_remote=False), FakeClock(), 0.0, psycopg.OperationalError)
