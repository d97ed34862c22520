"""psycopg's connection, which waits for an answer only so long.

``statement_timeout`` is kept by PostgreSQL itself, and ``tcp_user_timeout`` by the kernels of both machines.
A server that stands still (its disk does, or it was stopped) keeps neither, for its kernel acknowledges all
that is sent. Accounts are asked on the event loop: everything would stand still with it
(docs/decisions/0026-a-postgresql-that-is-silent.md). Imported late, as psycopg is an extra.
"""

from typing import Any, Final, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.errors import OperationalError

RV = TypeVar("RV")

INTERVAL_S: Final = 0.1
"""How often a wait looks whether it was interrupted, as psycopg's own."""
SILENT: Final = "PostgreSQL did not answer in time"

_ACTIVE: Final = psycopg.pq.TransactionStatus.ACTIVE


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed when an answer takes longer than ``patience_s``."""

    patience_s: float = 30.0

    def wait(self, gen: PQGen[RV], interval: float = INTERVAL_S, timeout: float | None = None) -> RV:
        """Wait for what was asked.

        Raises:
            OperationalError: there was no answer; the connection is closed, for one may still come.
        """
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.patience_s)
        except OperationalError as error:
            # psycopg's own class for this is private. What PostgreSQL itself answered has a state.
            if error.sqlstate is not None or self.pgconn.transaction_status != _ACTIVE:
                raise
            self.close()
            raise OperationalError(SILENT) from error
