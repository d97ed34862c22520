"""Files that are replaced while the server runs."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.maxmind.written import MARKER, database

from hopsight.errors import ConfigError
from hopsight.maxmind.asn import AsnDatabase, AsnEntry
from hopsight.server.places.reopened import LOOK_EVERY_S, Reopened
from hopsight.testing import FakeClock

ADDRESS = "1.1.1.7"


def content(asn: int) -> bytes:
    """A file in which our address is of this AS."""
    return database({"1.1.1.0/24": {"autonomous_system_number": asn}})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is, with AS 1 in it."""
    made = tmp_path / "asn.mmdb"
    made.write_bytes(content(1))
    return made


@pytest.fixture
def clock() -> FakeClock:
    """Time that the test moves."""
    return FakeClock()


@pytest.fixture
def file(path: Path, clock: FakeClock) -> Iterator[Reopened[AsnEntry]]:
    """The file, opened as the server does."""
    opened = Reopened(path, lambda each: AsnDatabase(each, "--asn-db", mapped=False), clock)
    yield opened
    opened.close()


def asn_of(file: Reopened[AsnEntry]) -> int | None:
    """The AS number of our address."""
    found = file.find(ADDRESS)
    return None if found is None else found.asn


def replace(path: Path, new: bytes) -> None:
    """Put another file in its place, as programs that fetch new ones do."""
    beside = path.with_suffix(".new")
    beside.write_bytes(new)
    beside.rename(path)


def test_a_new_file_is_used_within_a_minute(file: Reopened[AsnEntry], path: Path, clock: FakeClock) -> None:
    """Not before: looking at it costs little, but every look-up would."""
    assert asn_of(file) == 1
    replace(path, content(2))
    clock.advance(LOOK_EVERY_S - 1)
    assert asn_of(file) == 1
    clock.advance(1)
    assert asn_of(file) == 2


def test_a_bad_new_file_leaves_the_old_one_in_use(
    file: Reopened[AsnEntry], path: Path, clock: FakeClock
) -> None:
    """Damaged, of another kind, or gone: until there is a good one."""
    for bad in (b"", b"no database", content(3)[:-1], database({"1.1.1.0/24": {"country": "ZZ"}})):
        replace(path, bad)
        clock.advance(LOOK_EVERY_S)
        assert asn_of(file) == 1
    path.unlink()
    clock.advance(LOOK_EVERY_S)
    assert asn_of(file) == 1
    replace(path, content(4))
    clock.advance(LOOK_EVERY_S)
    assert asn_of(file) == 4


def test_a_file_that_is_written_over_is_no_longer_used(
    file: Reopened[AsnEntry], path: Path, clock: FakeClock
) -> None:
    """Its bytes are gone: nothing is known until all of the new ones are there; and nothing crashes."""
    for bad in (content(5).replace(MARKER, bytes(len(MARKER))), content(5)[:40]):
        path.write_bytes(bad)
        assert asn_of(file) in {1, 5, None}
        clock.advance(LOOK_EVERY_S)
        assert asn_of(file) is None
    path.write_bytes(content(5))
    os.utime(path, ns=(1, 1))
    clock.advance(LOOK_EVERY_S)
    assert asn_of(file) == 5


def test_a_bad_file_is_an_error_at_start(path: Path, clock: FakeClock) -> None:
    """The server says so, instead of running without what it was told to use."""
    path.write_bytes(b"")
    with pytest.raises(ConfigError, match="--asn-db"):
        Reopened(path, lambda each: AsnDatabase(each, "--asn-db", mapped=False), clock)
