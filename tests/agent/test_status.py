"""What an agent says of itself."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
import pytest

from hopsight.agent.status import (
    FILE_NAME,
    AgentStatus,
    StatusFile,
    TargetStatus,
    UsageMeter,
    is_running,
)
from hopsight.errors import HopsightError
from hopsight.testing import FakeClock

STATUS = AgentStatus(
    written_s=1.5,
    pid=os.getpid(),
    process_started_s=psutil.Process().create_time(),
    version="1",
    server="http://127.0.0.1:9",
    targets=(TargetStatus(target="site", loss_percent=0.0),),
    missing=("no ICMP; do this",),
)


def test_a_status_is_replaced_whole_and_private(tmp_path: Path) -> None:
    """Written twice, read as the second; readable by the owner alone; nothing else is left behind."""
    file = StatusFile(tmp_path)
    assert file.read() is None
    file.write(STATUS)
    file.write(msgspec.structs.replace(STATUS, waiting=3))
    assert file.read() == msgspec.structs.replace(STATUS, waiting=3)
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_what_cannot_be_read_or_written_is_said(tmp_path: Path) -> None:
    """One sentence with the path."""
    with pytest.raises(HopsightError, match=r"Cannot write .*status\.json: No such file"):
        StatusFile(tmp_path / "absent").write(STATUS)
    (tmp_path / FILE_NAME).write_text("{")
    with pytest.raises(HopsightError, match=r"status file.*what an agent wrote"):
        StatusFile(tmp_path).read()
    (tmp_path / FILE_NAME).unlink()
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(HopsightError, match="Cannot read"):
        StatusFile(tmp_path).read()
    with pytest.raises(HopsightError, match="Cannot write"):
        StatusFile(tmp_path).write(STATUS)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_running_is_the_same_process_not_the_same_number() -> None:
    """A process number that somebody else has now is not the agent."""
    assert is_running(STATUS)
    assert not is_running(msgspec.structs.replace(STATUS, process_started_s=STATUS.process_started_s - 60))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    started_s = psutil.Process(ended.pid).create_time()
    ended.wait()
    assert not is_running(msgspec.structs.replace(STATUS, pid=ended.pid, process_started_s=started_s))


def test_usage_is_counted_since_it_was_last_asked(clock: FakeClock) -> None:
    """CPU time over the time between two questions; memory is the kernel's figure."""
    meter = UsageMeter(clock)
    before_s = _cpu_s()
    while _cpu_s() - before_s < 0.2:
        sum(range(10_000))
    clock.monotonic_s += 2
    usage = meter.agent_usage(waiting=4, dropped=5)
    assert 0.09 <= usage.cpu_fraction <= (_cpu_s() - before_s + 0.1) / 2
    assert usage.resident_bytes > 1 << 20
    assert (usage.waiting, usage.dropped) == (4, 5)
    clock.monotonic_s += 100
    assert meter.agent_usage().cpu_fraction < usage.cpu_fraction / 10
    assert meter.agent_usage().cpu_fraction == 0
    assert abs(meter.process_started_s - STATUS.process_started_s) < 0.1


def _cpu_s() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)
