"""The log of what left the machine: word for word, bounded, and whole after a crash."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from hopsight.agent.delivery.sent import NEWER_NAME, OLDER_NAME, SentLog, SentUpload, read_sent
from hopsight.errors import HopsightError
from hopsight.model.times import format_utc
from hopsight.model.upload import Refusal, UploadAnswer, UploadBatch
from hopsight.testing import FakeClock

MakeRecords = Callable[..., list[Any]]
UPLOAD_ID = "00000000-0000-4000-8000-{:012d}"


@pytest.fixture
def make_batch(make_records: MakeRecords) -> Callable[[int], UploadBatch]:
    """An upload with a number of its own."""

    def make(number: int) -> UploadBatch:
        return UploadBatch(upload_id=UPLOAD_ID.format(number), network_sessions=make_records(3, number))

    return make


ANSWER = UploadAnswer(
    stored=2, duplicates=0, refused=[Refusal(kind="network-sessions", index=1, reason="no")]
)


def numbers(sent: list[SentUpload]) -> list[int]:
    """Which uploads these are."""
    return [int(msgspec.json.decode(upload.batch, type=UploadBatch).upload_id[-12:]) for upload in sent]


def test_it_shows_what_was_sent_byte_for_byte(
    tmp_path: Path, clock: FakeClock, make_batch: Callable[[int], UploadBatch]
) -> None:
    """What is read back is the JSON that the server got, with time and outcome beside it."""
    SentLog(tmp_path, clock).note(make_batch(1), ANSWER)
    (upload,) = read_sent(tmp_path, 10)
    assert bytes(upload.batch) == msgspec.json.encode(make_batch(1))
    assert upload.date == format_utc(clock.now())
    assert (upload.stored, upload.duplicates, upload.refused) == (2, 0, 1)
    assert (tmp_path / NEWER_NAME).stat().st_mode & 0o777 == 0o600


def test_the_last_uploads_come_in_order_from_both_files(
    tmp_path: Path, clock: FakeClock, make_batch: Callable[[int], UploadBatch]
) -> None:
    """A limit counts from the newest, whichever file it is in; the files stay within their room."""
    most = 40_000
    log = SentLog(tmp_path, clock, max_bytes=most)
    for number in range(120):
        log.note(make_batch(number), ANSWER)
    sizes = [(tmp_path / name).stat().st_size for name in (NEWER_NAME, OLDER_NAME)]
    assert sum(sizes) <= most
    everything = numbers(list(read_sent(tmp_path, 1_000)))
    assert everything == list(range(everything[0], 120))
    assert 0 < everything[0] < 100
    assert numbers(list(read_sent(tmp_path, 3))) == [117, 118, 119]
    assert numbers(list(read_sent(tmp_path, len(everything) - 1))) == everything[1:]


@pytest.mark.parametrize("lost", [1, 7, 500])
def test_a_torn_end_costs_only_itself(
    tmp_path: Path, clock: FakeClock, make_batch: Callable[[int], UploadBatch], lost: int
) -> None:
    """After a kill in the middle of writing, the whole entries are read and the next is found, too."""
    log = SentLog(tmp_path, clock)
    for number in range(3):
        log.note(make_batch(number), ANSWER)
    path = tmp_path / NEWER_NAME
    path.write_bytes(path.read_bytes()[:-lost])
    assert numbers(list(read_sent(tmp_path, 10))) == [0, 1]
    SentLog(tmp_path, clock).note(make_batch(9), ANSWER)
    assert numbers(list(read_sent(tmp_path, 10))) == [0, 1, 9]


def test_an_end_without_content_is_torn(
    tmp_path: Path, clock: FakeClock, make_batch: Callable[[int], UploadBatch]
) -> None:
    """A power cut may leave the length of an entry but zeros for its content."""
    log = SentLog(tmp_path, clock)
    log.note(make_batch(0), ANSWER)
    log.note(make_batch(1), ANSWER)
    path = tmp_path / NEWER_NAME
    content = path.read_bytes()
    path.write_bytes(content[:-50] + bytes(50))
    assert numbers(list(read_sent(tmp_path, 10))) == [0]


def test_other_tools_read_it(
    tmp_path: Path, clock: FakeClock, make_batch: Callable[[int], UploadBatch]
) -> None:
    """It is a Zstandard file of JSON lines."""
    log = SentLog(tmp_path, clock)
    for number in range(3):
        log.note(make_batch(number), ANSWER)
    with (tmp_path / NEWER_NAME).open("rb") as file:
        stream = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        lines = stream.read().splitlines()
    assert numbers([msgspec.json.decode(line, type=SentUpload) for line in lines]) == [0, 1, 2]


def test_a_log_that_cannot_be_written_stops_nothing(
    tmp_path: Path, clock: FakeClock, make_batch: Callable[[int], UploadBatch]
) -> None:
    """Uploading goes on."""
    SentLog(tmp_path / "absent", clock).note(make_batch(0), ANSWER)
    (tmp_path / NEWER_NAME).mkdir()
    SentLog(tmp_path, clock).note(make_batch(0), ANSWER)
    with pytest.raises(HopsightError, match="Cannot read"):
        list(read_sent(tmp_path, 1))


def test_nothing_was_sent_yet(tmp_path: Path) -> None:
    """No file is an empty log."""
    assert list(read_sent(tmp_path, 5)) == []
