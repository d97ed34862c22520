"""How many files and connections this process may have open."""

import sys
from typing import Final

WANTED: Final = 8_192
"""Enough for all connections and as many again that have not agreed on encryption yet."""


def allow_descriptors() -> int | None:
    """Raise this process's own limit to what the system lets it have, at most ``WANTED``.

    Returns:
        The limit from now on; None: a system without one.
    """
    if sys.platform == "win32":
        return None
    # Late: there is no such module on Windows.
    import resource  # noqa: PLC0415

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
