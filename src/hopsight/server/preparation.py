"""What charts are made from is made ready as records come in, not when the first visitor waits for it."""

from typing import Final

import structlog

from hopsight.accounts.accounts import Accounts
from hopsight.clock import Clock
from hopsight.errors import StoreUnavailableError
from hopsight.model.dimensions import NETWORK_SESSIONS, USER_SESSIONS
from hopsight.storage.store import Store

EVERY_S: Final = 300.0
LOOKED_AT_S: Final = 7 * 86_400
"""How far back pages look mostly."""
STEP_S: Final = 6 * 3_600
"""At most so much is made ready at once: questions of visitors wait meanwhile."""
WHOLE_EVERY: Final = 12
"""Each time the newest step is made ready, and every so many times all of them: agents come back with
what they measured before."""
PAUSE_S: Final = 1.0
"""Between steps, for who else has something to read or to write."""
KINDS_CHARTED: Final = (USER_SESSIONS, NETWORK_SESSIONS)

_log = structlog.get_logger(__name__)


async def keep_prepared(store: Store, accounts: Accounts, clock: Clock) -> None:
    """Make the last week ready for charts, the newest first; then what comes, until cancelled."""
    done = 0
    while True:
        span_s = LOOKED_AT_S if done % WHOLE_EVERY == 0 else STEP_S
        try:
            await prepare_once(store, accounts, clock, span_s)
        except StoreUnavailableError as error:
            _log.warning("charts are not made ready for now", reason=str(error))
        done += 1
        await clock.sleep(EVERY_S)


async def prepare_once(store: Store, accounts: Accounts, clock: Clock, span_s: int) -> None:
    """Make the last ``span_s`` seconds ready, in all account groups.

    Raises:
        StoreUnavailableError: not now.
    """
    now_s = int(clock.now())
    aids = [each.aid for each in accounts.account_groups()]
    for back_s in range(0, span_s, STEP_S):
        last_round = now_s - back_s
        for kind in KINDS_CHARTED:
            for aid in aids:
                await store.prepare(kind, aid, last_round - STEP_S + 1, last_round)
        if back_s + STEP_S < span_s:
            await clock.sleep(PAUSE_S)
