"""Records that are too old go, in whole rounds, while everything else goes on."""

from typing import Final

import structlog

from hopsight.clock import Clock
from hopsight.errors import StoreUnavailableError
from hopsight.model.ids import round_of
from hopsight.model.kinds import KINDS
from hopsight.server.metrics import Metrics
from hopsight.storage.store import Store

EVERY_S: Final = 3600.0

_log = structlog.get_logger(__name__)


async def keep_young(store: Store, metrics: Metrics, clock: Clock, keep_s: int) -> None:
    """Delete what is older than ``keep_s``: now, and then every hour, until cancelled."""
    while True:
        await prune_once(store, metrics, clock, keep_s)
        await clock.sleep(EVERY_S)


async def prune_once(store: Store, metrics: Metrics, clock: Clock, keep_s: int) -> None:
    """Delete what is older than ``keep_s`` in every kind; what could not go now goes next time.

    A store that deletes whole days keeps the oldest day as long as any of it is young enough.
    """
    for kind in KINDS.values():
        before_round = round_of(clock.now() - keep_s, kind.round_s)
        before_round -= before_round % store.prune_step_s
        try:
            gone = await store.prune(kind.name, before_round)
        except StoreUnavailableError as error:
            _log.warning("old records stay for now", kind=kind.name, reason=str(error))
            continue
        if gone:
            metrics.pruned(kind.name, gone)
            _log.info("old records deleted", kind=kind.name, records=gone, before_round=before_round)
