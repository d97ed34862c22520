"""What the agent tells of itself: to its server with each upload, and to whoever asks on this machine."""

import os

import structlog
from msgspec import Struct

from hopsight import __version__
from hopsight.agent.delivery.configuration import Configuration
from hopsight.agent.delivery.identity import Identity
from hopsight.agent.delivery.spool import Spool
from hopsight.agent.network import IPV4, Network
from hopsight.agent.passive.sessions import PassiveSessions
from hopsight.agent.recording import Recorder
from hopsight.agent.states.keeper import StateKeeper
from hopsight.agent.status import AgentStatus, StatusFile, UsageMeter
from hopsight.clock import Clock
from hopsight.config import AgentConfig
from hopsight.errors import HopsightError, ProbeUnavailableError
from hopsight.model.upload import AgentUsage

_log = structlog.get_logger()


class Told(Struct, frozen=True, kw_only=True):
    """The parts that a report is read from, and by what kind of socket this process may ping."""

    config: AgentConfig
    identity: Identity
    configuration: Configuration
    spool: Spool
    recorder: Recorder
    keeper: StateKeeper
    icmp: str | None
    passive: PassiveSessions | None


def icmp_kind(network: Network) -> str | None:
    """By what kind of socket this process may ping; None: by none."""
    try:
        opened = network.open_icmp(IPV4, 0)
    except ProbeUnavailableError:
        return None
    kind = opened.kind
    opened.close()
    return kind


class Reporter:
    """Writes the status, and measures what the agent costs.

    Args:
        told: the parts that a report is read from.
        file: where the status goes.
        clock: dates it.
    """

    def __init__(self, told: Told, file: StatusFile, clock: Clock) -> None:
        self._told = told
        self._file = file
        self._clock = clock
        # Two, as each tells of the time since it was last asked.
        self._for_server = UsageMeter(clock)
        self._for_people = UsageMeter(clock)
        self._uploaded_s: float | None = None
        self._upload_error: str | None = None

    def usage(self) -> AgentUsage:
        """What the agent costs, for the server. Blocks for a look into the spool."""
        counts = self._told.spool.counts()
        return self._for_server.agent_usage(counts.waiting, counts.dropped)

    def uploaded(self) -> None:
        """The server took something."""
        self._uploaded_s, self._upload_error = self._clock.now(), None

    def not_uploaded(self, reason: str) -> None:
        """It did not."""
        self._upload_error = reason

    def write(self) -> None:
        """Write the status. Blocks, for the spool and the file."""
        try:
            self._file.write(self._status())
        except HopsightError as error:
            _log.warning("the status cannot be written", reason=str(error))

    def _status(self) -> AgentStatus:
        told = self._told
        counts = told.spool.counts()
        condition = told.keeper.condition
        passive_missing = told.passive.missing if told.passive is not None else set[str]()
        return AgentStatus(
            written_s=self._clock.now(),
            pid=os.getpid(),
            process_started_s=self._for_people.process_started_s,
            version=__version__,
            server=told.identity.url,
            agent_id=told.identity.agent_id,
            aid=told.identity.aid,
            enabled=told.configuration.current.enabled,
            last_round_s=told.recorder.last_round_s,
            last_upload_s=self._uploaded_s,
            last_upload_error=self._upload_error,
            waiting=counts.waiting,
            dropped=counts.dropped,
            refused=counts.refused,
            targets=tuple(told.recorder.last.values()),
            icmp=told.icmp,
            missing=tuple(sorted(told.recorder.missing | passive_missing)),
            usage=self._for_people.agent_usage(counts.waiting, counts.dropped),
            state=condition or ("server-unreachable" if self._upload_error is not None else None),
            passive=told.config.passive,
            redactions=told.config.redact,
        )
