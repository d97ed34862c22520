"""Going away without anybody noticing: a server that is to stop says so first, and goes on answering."""


class Draining:
    """Whether the server is about to stop.

    From ``begin`` on it is not ready any more, and closes each connection after the answer on it; so whoever
    spreads requests over several servers sends the next ones elsewhere, and none is refused.
    """

    def __init__(self) -> None:
        self._began = False

    @property
    def is_on(self) -> bool:
        """Whether it has begun."""
        return self._began

    def begin(self) -> None:
        """Say that this server is going."""
        self._began = True
