"""What several servers share, put together."""

from typing import Final, NamedTuple

from hopsight.accounts.accounts import Accounts
from hopsight.clock import Clock
from hopsight.server.limits import MemoryLimits
from hopsight.server.shared.address import parse
from hopsight.server.shared.limits import SharedLimits
from hopsight.server.shared.link import Link
from hopsight.server.shared_metrics import SharedMetrics

CHANGED: Final = "changed"
"""The topic that tells that rights may have changed: everybody looks at the database again."""


class Shared(NamedTuple):
    """The way to the others, and limits over all of them."""

    link: Link
    limits: SharedLimits


def share(url: str, memory: MemoryLimits, accounts: Accounts, clock: Clock, metrics: SharedMetrics) -> Shared:
    """Count through the Redis at ``url``, and tell through it when accounts change.

    Raises:
        ConfigError: there is no Redis to be had at ``url``.
    """
    link = Link(parse(url), clock, metrics)
    accounts.tell_changes(lambda: link.tell(CHANGED))
    link.hear(CHANGED, lambda _: accounts.look_again())
    link.when_found(accounts.look_again)
    return Shared(link, SharedLimits(link, memory))
