"""How long to wait before trying again.

Our own, because ``stamina`` waits by the event loop: time here comes in by the clock's door.
"""

import random
from typing import Final

from hopsight.errors import UploadError

FIRST_S: Final = 5.0
LONGEST_S: Final = 300.0
CREDENTIALS_S: Final = 600.0
"""A server that does not know us is restored by a person: no use in asking it often."""


class Backoff:
    """Doubles from try to try, up to a limit, and scatters a fleet that failed at the same moment."""

    def __init__(self, rng: random.Random, first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> None:
        self._rng = rng
        self._first_s = first_s
        self._longest_s = longest_s
        self.failures = 0

    def reset(self) -> None:
        """It worked: the next failure is a first one."""
        self.failures = 0

    def next_s(self, at_least_s: float | None = None) -> float:
        """Seconds to wait after one more failure: never less than the server asked for."""
        limit_s = min(self._longest_s, self._first_s * 2.0 ** min(self.failures, 32))
        self.failures += 1
        # Half is kept, so that the first retry is never immediate; the other half scatters.
        waited_s = limit_s / 2 + self._rng.uniform(0, limit_s / 2)
        if at_least_s is None:
            return waited_s
        return at_least_s + self._rng.uniform(0, min(at_least_s, limit_s))

    def after(self, error: UploadError, *, credentials: bool) -> float:
        """Seconds to wait after this failure."""
        return self.next_s(CREDENTIALS_S if credentials else error.retry_after_s)
