"""How many files a server process may have open."""

import resource

from hopsight.server.descriptors import WANTED, allow_descriptors


def test_as_many_files_may_be_open_as_the_system_lets_us() -> None:
    """The limit goes up to what is wanted or allowed, and never down."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        allowed = min(WANTED, before[1])
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed // 2, before[1]))
        assert allow_descriptors() == allowed
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (allowed, before[1])
        assert allow_descriptors() == allowed
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
