"""Tell the C library to keep its heap between requests.

glibc gives memory back after each page of a megabyte and asks for it again for the next: hundreds of page
faults a request, and half the throughput.
"""

import ctypes
import sys
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
TRIM_BYTES: Final = 256 << 20
MMAP_BYTES: Final = 32 << 20


def keep_heap() -> bool:
    """Raise glibc's thresholds for this process.

    Returns:
        Whether it was done: only Linux with glibc has them.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_TRIM_THRESHOLD, TRIM_BYTES) and mallopt(_M_MMAP_THRESHOLD, MMAP_BYTES))
