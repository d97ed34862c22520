"""The shelf: signed reports are kept whole, apart, and bounded."""

import errno
from pathlib import Path

import pytest
from msgspec import structs
from tests.server.reports.documents import sample_report

from hopsight.config import ServerConfig
from hopsight.errors import ConflictError, InvalidValueError, NotFoundError, StoreUnavailableError
from hopsight.server.reports import shelf as shelves
from hopsight.server.reports.key import KEY_FILE
from hopsight.server.reports.shelf import FOLDER, KEEP_S, Shelf
from hopsight.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """A clock that is told."""
    return FakeClock()


@pytest.fixture
def shelf(tmp_path: Path, clock: FakeClock) -> Shelf:
    """One with a key of its own."""
    return Shelf(ServerConfig(data=tmp_path), clock)


def test_what_was_signed_is_read(shelf: Shelf, tmp_path: Path) -> None:
    """The report comes back as it was, with its signer, from a file of mode 0600 named by its digest."""
    digest = shelf.sign(7, sample_report())
    checked, report = shelf.read(7, digest)
    assert structs.replace(report, signer=None) == sample_report()
    assert report.signer is not None
    assert (checked.digest, checked.fingerprint) == (digest, report.signer.fingerprint)
    (path,) = (tmp_path / FOLDER / "7").iterdir()
    assert path.name == f"{digest}.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [(each.digest, each.start) for each in shelf.kept(7)] == [(digest, report.start)]


def test_account_groups_are_apart(shelf: Shelf) -> None:
    """What one has signed is not there for another."""
    digest = shelf.sign(7, sample_report())
    assert shelf.kept(8) == []
    with pytest.raises(NotFoundError):
        shelf.envelope(8, digest)
    with pytest.raises(NotFoundError):
        shelf.remove(8, digest)


@pytest.mark.parametrize("name", ["", "..", "../7/x", "0" * 63, "g" * 64, f"{'0' * 64}/x", "A" * 64])
def test_only_digests_are_names(shelf: Shelf, name: str) -> None:
    """No name leads out of the directory."""
    with pytest.raises(InvalidValueError, match="64 hexadecimal digits"):
        shelf.envelope(7, name)


def test_a_damaged_file_is_told(shelf: Shelf, tmp_path: Path) -> None:
    """It is not shown as signed, and lists pass over it."""
    digest = shelf.sign(7, sample_report())
    path = tmp_path / FOLDER / "7" / f"{digest}.json"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StoreUnavailableError, match="damaged"):
        shelf.read(7, digest)
    assert shelf.kept(7) == []


def test_a_report_in_the_place_of_another_is_told(shelf: Shelf, tmp_path: Path) -> None:
    """A file that was put under another's name is valid, but not what its name says."""
    digest = shelf.sign(7, sample_report())
    other = shelf.sign(7, structs.replace(sample_report(), created="2026-11-24T00:00:00Z"))
    folder = tmp_path / FOLDER / "7"
    (folder / f"{digest}.json").replace(folder / f"{other}.json")
    with pytest.raises(StoreUnavailableError, match="another one"):
        shelf.read(7, other)


def test_there_are_only_so_many(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> None:
    """One more than fits is refused; what is old makes room by itself, and nothing younger does."""
    monkeypatch.setattr(shelves, "MAX_KEPT", 1)
    old = shelf.sign(7, sample_report())
    newer = structs.replace(sample_report(), created="2026-11-24T00:00:00Z")
    clock.advance(KEEP_S - 10)
    with pytest.raises(ConflictError, match="delete some first"):
        shelf.sign(7, newer)
    clock.advance(20)
    digest = shelf.sign(7, newer)
    assert [each.digest for each in shelf.kept(7)] == [digest]
    shelf.remove(7, digest)
    assert shelf.kept(7) == []
    assert old != digest


def test_too_long_a_report_is_refused(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not kept, and the message says what helps."""
    monkeypatch.setattr(shelves, "MAX_DOCUMENT_BYTES", 100)
    with pytest.raises(InvalidValueError, match="a shorter period"):
        shelf.sign(7, sample_report())


def test_a_broken_key_does_not_tell_where_it_is(shelf: Shelf, tmp_path: Path) -> None:
    """Whoever asks for the public key hears that there is none, not of a path."""
    (tmp_path / KEY_FILE).write_text("broken")
    (tmp_path / KEY_FILE).chmod(0o600)
    with pytest.raises(StoreUnavailableError) as caught:
        _ = shelf.key
    assert str(tmp_path) not in str(caught.value)


def test_what_cannot_be_written_leaves_nothing(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the last step fails, there is no report, and no piece of one."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StoreUnavailableError, match="No space left"):
        shelf.sign(7, sample_report())
    assert list((tmp_path / FOLDER / "7").iterdir()) == []


def test_lists_read_each_report_once(shelf: Shelf, tmp_path: Path) -> None:
    """What a digest names does not change: a list of many reports does not read all of them again."""
    digest = shelf.sign(7, sample_report())
    first = shelf.kept(7)
    (tmp_path / FOLDER / "7" / f"{digest}.json").write_bytes(b"")
    assert shelf.kept(7) == first
    assert shelf.kept(8) == []
    shelf.remove(7, digest)
    assert shelf.kept(7) == []
