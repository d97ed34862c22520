"""What a process may have of the machine's memory, read from files as Linux has them."""

from pathlib import Path

import psutil
import pytest

from hopsight.storage.memory_limit import memory_bytes

MIB = 1 << 20


def write(root: Path, files: dict[str, str]) -> None:
    """Make files below a root."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, None),
        (
            {
                "proc/self/cgroup": "0::/system.slice/hopsight.service\n",
                "sys/fs/cgroup/system.slice/memory.max": f"{300 * MIB}\n",
                "sys/fs/cgroup/system.slice/hopsight.service/memory.max": f"{200 * MIB}\n",
            },
            200 * MIB,
        ),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/memory.max": f"{100 * MIB}\n",
                "sys/fs/cgroup/a/b/memory.max": "max\n",
            },
            100 * MIB,
        ),
        (
            {
                "proc/self/cgroup": "5:cpu,memory:/docker/0123\n0::/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{150 * MIB}\n",
            },
            150 * MIB,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/x\n",
                "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "9223372036854771712\n",
            },
            None,
        ),
        ({"proc/self/cgroup": "nonsense\n\n:\n"}, None),
    ],
    ids=["no groups", "no limit", "a service's", "a slice's", "a container's, v1", "v1, none", "nonsense"],
)
def test_the_least_limit_counts(tmp_path: Path, files: dict[str, str], expected: int | None) -> None:
    """Of the machine, the group and all groups around it."""
    write(tmp_path, files)
    assert memory_bytes(tmp_path) == (expected or psutil.virtual_memory().total)


def test_this_process_has_some() -> None:
    """Read from the real files it is a number that makes sense."""
    assert 16 * MIB < memory_bytes() <= psutil.virtual_memory().total
