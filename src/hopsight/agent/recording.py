"""From what was found to what is spooled: the one place through which everything goes that may leave."""

import asyncio
import random
from collections.abc import Callable, Sequence

import structlog

from hopsight.agent.documents import network_session
from hopsight.agent.identity import Identity
from hopsight.agent.measurement import Measurement
from hopsight.agent.spool import Spool
from hopsight.agent.spool_batch import SpoolRecord
from hopsight.model.states import AgentState
from hopsight.model.upload import AgentStateRecord, MeasurementContext, NetworkSessionRecord

_log = structlog.get_logger()


class Recorder:
    """Makes records, and spools them.

    Args:
        spool: where they wait.
        identity: whose they are.
        rng: draws IDs.
        context: what they have in common now.
    """

    def __init__(
        self, spool: Spool, identity: Identity, rng: random.Random, context: Callable[[], MeasurementContext]
    ) -> None:
        self._spool = spool
        self._identity = identity
        self._rng = rng
        self._context = context
        self._missing: set[str] = set()

    async def measurements(self, found: Sequence[Measurement]) -> None:
        """Keep what a round found; a window that was slept through is nothing, and is not recorded."""
        self._say_what_is_missing(found)
        records = [record for one in found for record in self._records_of(one)]
        if records:
            await asyncio.to_thread(self.append, records)

    def states(self, documents: Sequence[AgentState]) -> None:
        """Keep states. Blocks, as ``append``."""
        self.append([AgentStateRecord(document=document, context=0) for document in documents])

    def append(self, records: Sequence[SpoolRecord]) -> None:
        """Spool records that belong to the network of this moment. Blocks for a disk write."""
        self._spool.append(records, self._context())

    def _records_of(self, found: Measurement) -> list[SpoolRecord]:
        if found.asleep:
            _log.info("the machine slept: measurement discarded", target=found.visited_site)
            return []
        document = network_session(found, self._identity.aid or 0, self._identity.agent_id or "", self._rng)
        if document is None:
            _log.warning("not measured", target=found.visited_site, reason="; ".join(found.errors))
            return []
        return [NetworkSessionRecord(document=document, context=0, visited_site=found.visited_site)]

    def _say_what_is_missing(self, found: Sequence[Measurement]) -> None:
        """Once for each reason, not once a minute: that ICMP is not allowed, and how to allow it."""
        reasons = {one.icmp_unavailable for one in found if one.icmp_unavailable is not None}
        for reason in sorted(reasons - self._missing):
            _log.warning("measuring by TCP alone", reason=reason)
        self._missing |= reasons
