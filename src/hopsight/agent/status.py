"""What the agent says of itself to whoever has its directory: ``hopsight agent status`` reads it."""

import os
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from hopsight.clock import Clock
from hopsight.errors import HopsightError, InvalidValueError
from hopsight.model.upload import AgentUsage

FILE_NAME: Final = "status.json"
_SAME_PROCESS_S: Final = 2.0
"""Start times of one process are told to the hundredth; those of two with one number lie further apart."""


class TargetStatus(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """One target at its last measurement; None: not measured."""

    target: str
    loss_percent: float | None = None
    avg_rtt_ms: float | None = None
    verdict: str | None = None
    error: str | None = None


class AgentStatus(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """A running agent, at one moment. Times are epoch seconds; None: not yet, or not known.

    Args:
        written_s: that moment.
        pid: its process.
        process_started_s: when that process started: a process number alone is used again.
        version: of Hopsight.
        server: where it reports.
        agent_id: given by the server; None: not enrolled yet.
        aid: account group, likewise.
        enabled: False: the server has it measure nothing.
        last_round_s: start of the last round that was measured.
        last_upload_s: when the server last took something.
        last_upload_error: why the last try failed; None: it did not.
        waiting: records in the spool.
        dropped: records that the spool had to let go.
        refused: records that the server never takes.
        targets: what is measured.
        icmp: ``datagram`` (unprivileged), ``raw`` or None: TCP alone.
        missing: one line for each thing that cannot be had here, and how to get it.
        usage: what it costs the machine.
        state: what holds now (``disabled``, ``offline``, ``server-unreachable``); None: all is well.
        passive: whether it watches the machine's own connections.
        redactions: what it does not tell.
    """

    written_s: float
    pid: int
    process_started_s: float
    version: str
    server: str
    agent_id: str | None = None
    aid: int | None = None
    enabled: bool = True
    last_round_s: float | None = None
    last_upload_s: float | None = None
    last_upload_error: str | None = None
    waiting: int = 0
    dropped: int = 0
    refused: int = 0
    targets: tuple[TargetStatus, ...] = ()
    icmp: str | None = None
    missing: tuple[str, ...] = ()
    usage: AgentUsage | None = None
    state: str | None = None
    passive: bool = False
    redactions: tuple[str, ...] = ()


class StatusFile:
    """``status.json`` in the agent's directory: replaced in one step, for the owner alone."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME

    def write(self, status: AgentStatus) -> None:
        """Replace the file. It is not forced to disk: after a crash of the machine it would be stale anyway.

        Raises:
            HopsightError: it cannot be written.
        """
        temporary: str | None = None
        try:
            # mkstemp makes the file with mode 0600.
            handle, temporary = tempfile.mkstemp(prefix=f".{FILE_NAME}.", dir=self._path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(status))
            Path(temporary).replace(self._path)
        except OSError as error:
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)
            raise HopsightError(f"Cannot write {self._path}: {error.strerror}") from None

    def read(self) -> AgentStatus | None:
        """What was written last; None: nothing was.

        Raises:
            HopsightError: it cannot be read.
        """
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=AgentStatus)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise HopsightError(f"Cannot read {self._path}: {error.strerror}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidValueError("status file", self._path, f"what an agent wrote ({error})") from None


class UsageMeter:
    """What this process costs the machine. One per reader: each has a "since last time" of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._process: Any = None
        self._read_s = clock.monotonic()
        self._cpu_s = self._own_cpu_s()

    def agent_usage(self, waiting: int = 0, dropped: int = 0) -> AgentUsage:
        """Memory now, and CPU since it was last asked (at first: since the meter was made).

        Args:
            waiting: records in the spool.
            dropped: records that the spool had to let go.
        """
        now_s, cpu_s = self._clock.monotonic(), self._own_cpu_s()
        elapsed_s, spent_s = now_s - self._read_s, max(0.0, cpu_s - self._cpu_s)
        self._read_s, self._cpu_s = now_s, cpu_s
        return AgentUsage(
            resident_bytes=self._process.memory_info().rss,
            cpu_fraction=round(spent_s / elapsed_s, 6) if elapsed_s > 0 else 0.0,
            waiting=waiting,
            dropped=dropped,
        )

    @property
    def process_started_s(self) -> float:
        """When this process started, epoch seconds."""
        return float(self._process.create_time())

    def _own_cpu_s(self) -> float:
        if self._process is None:
            import psutil  # noqa: PLC0415 - as in ``system``

            self._process = psutil.Process()
        times = self._process.cpu_times()
        return float(times.user + times.system)


def is_running(status: AgentStatus) -> bool:
    """Whether the process that wrote this is still there."""
    import psutil  # noqa: PLC0415 - as in ``system``

    try:
        started_s = float(psutil.Process(status.pid).create_time())
    except psutil.Error:
        return False
    return abs(started_s - status.process_started_s) < _SAME_PROCESS_S
