"""How much memory this process may have: the machine's, or what its control groups leave of it.

Both versions of Linux's control groups, each group from our own up to the root: in a container the path that
``/proc/self/cgroup`` says may be the host's, and then the root's files are the container's
(kernel.org: admin-guide/cgroup-v2.rst, "memory.max"; cgroup-v1/memory.rst, "memory.limit_in_bytes").
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

_V2: Final = ("sys/fs/cgroup", "memory.max")
_V1: Final = ("sys/fs/cgroup/memory", "memory.limit_in_bytes")


def memory_bytes(root: Path = Path("/")) -> int:
    """The least of them.

    Args:
        root: where ``proc`` and ``sys`` are.
    """
    return min([psutil.virtual_memory().total, *_group_limits(root)])


def _group_limits(root: Path) -> Iterator[int]:
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" or "memory" in controllers.split(","):
            base, name = _V2 if number == "0" else _V1
            yield from _limits_up(root / base, path.strip("/"), name)


def _limits_up(base: Path, path: str, name: str) -> Iterator[int]:
    group = base / path
    for each in (group, *group.parents):
        said = _text(each / name).strip()
        if said.isdigit():
            yield int(said)
        if each == base:
            return


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
