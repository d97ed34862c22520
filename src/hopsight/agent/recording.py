"""From what was found to what is spooled: the one place through which everything goes that may leave."""

import asyncio
import random
from collections.abc import Sequence

import structlog

from hopsight.agent.delivery.identity import Identity
from hopsight.agent.delivery.spool import Spool
from hopsight.agent.delivery.spool_batch import SpoolRecord
from hopsight.agent.documents import session_records
from hopsight.agent.measurement import Measurement
from hopsight.agent.pages.archive import web_record
from hopsight.agent.privacy.redaction import Redaction
from hopsight.agent.status import TargetStatus
from hopsight.agent.surroundings import Surroundings
from hopsight.model.agents import Target
from hopsight.model.states import AgentState
from hopsight.model.upload import AgentStateRecord

_log = structlog.get_logger()


class Recorder:
    """Makes records, redacts them, and spools them.

    Args:
        spool: where they wait.
        identity: whose they are.
        rng: draws IDs.
        surroundings: the network that they belong to.
        redaction: what is not told.
    """

    def __init__(
        self,
        spool: Spool,
        identity: Identity,
        rng: random.Random,
        surroundings: Surroundings,
        redaction: Redaction,
    ) -> None:
        self._spool = spool
        self._identity = identity
        self._rng = rng
        self._surroundings = surroundings
        self._redaction = redaction
        self.missing: set[str] = set()
        self.last_round_s: float | None = None
        self.last: dict[str, TargetStatus] = {}

    def note_targets(self, targets: Sequence[Target]) -> None:
        """Forget what was found of others."""
        hosts = {target.host for target in targets}
        self.last = {host: status for host, status in self.last.items() if host in hosts}

    async def measurements(self, found: Sequence[Measurement]) -> None:
        """Keep what a round found; a window that was slept through is nothing, and is not recorded."""
        self._note(found)
        records = [record for one in found for record in self._records_of(one)]
        if records:
            await asyncio.to_thread(self.append, records)

    def states(self, documents: Sequence[AgentState]) -> None:
        """Keep states. Blocks, as ``append``."""
        self.append([AgentStateRecord(document=document, context=0) for document in documents])

    def append(self, records: Sequence[SpoolRecord]) -> None:
        """Spool records that belong to the network of this moment. Blocks for a disk write."""
        told = [self._redaction.record(record) for record in records]
        self._spool.append(told, self._redaction.context(self._surroundings.context()))

    def _records_of(self, found: Measurement) -> list[SpoolRecord]:
        if found.asleep:
            _log.info("the machine slept: measurement discarded", target=found.visited_site)
            return []
        made = session_records(
            found,
            self._identity.aid or 0,
            self._identity.agent_id or "",
            self._rng,
            self._surroundings.profile(),
        )
        if made[0] is None:
            _log.warning("not measured", target=found.visited_site, reason="; ".join(found.errors))
        records: list[SpoolRecord] = [record for record in made if record is not None]
        user = made[1]
        if found.page is not None and user is not None:
            records.append(web_record(found.page, user.document, user.destination_ip, found.system_metrics))
        return records

    def _note(self, found: Sequence[Measurement]) -> None:
        for one in found:
            if not one.asleep:
                self.last_round_s = one.started_at_s
                self.last[one.visited_site] = target_status(one)
        # Once for each reason, not once a minute: that ICMP is not allowed, and how to allow it.
        reasons = {one.icmp_unavailable for one in found if one.icmp_unavailable is not None}
        for reason in sorted(reasons - self.missing):
            _log.warning("measuring by TCP alone", reason=reason)
        self.missing |= reasons


def target_status(found: Measurement) -> TargetStatus:
    """One line of ``hopsight agent status``."""
    ping = found.ping
    times = ping.statistics if ping is not None else None
    return TargetStatus(
        target=found.visited_site,
        loss_percent=ping.loss_percent if ping is not None else None,
        avg_rtt_ms=times.avg_rtt_ms if times is not None else None,
        verdict=found.verdict.result if found.verdict is not None else None,
        error=found.errors[0] if found.errors else None,
    )
