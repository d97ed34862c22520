"""The heap of a server process."""

import ctypes
import sys

from hopsight.server.allocator import keep_heap


def test_the_heap_is_kept_where_the_system_has_a_way() -> None:
    """Linux with glibc has; the answer tells, and asking twice does no harm."""
    glibc = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")
    assert keep_heap() is glibc
    assert keep_heap() is glibc
