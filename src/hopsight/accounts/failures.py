"""What a database's errors are to those who ask it; and a pause after one that says that it is away."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from hopsight.clock import Clock
from hopsight.errors import ConflictError, InvalidValueError, StoreUnavailableError

PAUSE_S: Final = 1.0
"""For so long after PostgreSQL was away nobody tries, at least."""
PAUSE_TIMES: Final = 3.0
"""And for so many times as long as it took to find out: meanwhile everything else was held up."""

_AWAY: Final = "The accounts database is not available"
# PostgreSQL's classes of errors that are about the connection, who connects, resources, and shutting down.
_AWAY_STATES: Final = ("08", "28", "3D", "53", "57P")

_log = structlog.get_logger(__name__)


class Failures:
    """Translates errors to ours.

    Args:
        clock: the time.
        is_remote: whether it is a server: those who ask are not told its address and its user's name, which
            its errors show; the log is.
    """

    def __init__(self, clock: Clock, *, is_remote: bool) -> None:
        self._clock = clock
        self._is_remote = is_remote
        self._away_until_s = float("-inf")

    @contextmanager
    def translated(self) -> Iterator[None]:
        """What happens inside raises our errors.

        Raises:
            ConflictError: a constraint does not hold.
            InvalidValueError: a text or number is none that a database takes.
            StoreUnavailableError: anything else that the database says.
        """
        began_s = self._clock.monotonic()
        if began_s < self._away_until_s:
            raise StoreUnavailableError(_AWAY)
        try:
            yield
        except IntegrityError as error:
            raise ConflictError("Somebody else changed the same thing at the same time; try again") from error
        except DataError as error:
            accepted = "text without NUL characters, and numbers of 64 bits"
            raise InvalidValueError("value", "(not shown)", accepted) from error
        except (DBAPIError, PoolTimeoutError) as error:
            raise self._unavailable(error, began_s) from error

    def _unavailable(self, error: DBAPIError | PoolTimeoutError, began_s: float) -> StoreUnavailableError:
        if not self._is_remote:
            return StoreUnavailableError(f"{_AWAY}: {reason_of(error)}")
        if _is_away(error):
            now_s = self._clock.monotonic()
            self._away_until_s = now_s + max(PAUSE_S, PAUSE_TIMES * (now_s - began_s))
        _log.warning("accounts database not available", reason=reason_of(error))
        return StoreUnavailableError(_AWAY)


def reason_of(error: DBAPIError | PoolTimeoutError) -> str:
    """The database's own words: without the statement and its values, which the next lines show."""
    said = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    return said.partition("\n")[0]


def _is_away(error: DBAPIError | PoolTimeoutError) -> bool:
    if not isinstance(error, DBAPIError) or error.connection_invalidated:
        return True
    # Without a state it did not come from the server.
    state = getattr(error.orig, "sqlstate", None)
    return state is None or state.startswith(_AWAY_STATES)
