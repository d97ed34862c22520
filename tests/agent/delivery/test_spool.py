"""The spool: bounded, durable, and it lets go only of what it is told to."""

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hopsight.agent.delivery.spool import FILE_NAME, MAX_REFUSED, MIN_SPOOL_BYTES, Spool
from hopsight.agent.delivery.spool_batch import RECORD_TYPES
from hopsight.errors import ConfigError, HopsightError
from hopsight.model.dimensions import WEB_SESSIONS
from hopsight.model.upload import MeasurementContext, NetworkSessionRecord
from hopsight.testing import FakeClock, sample_web_session_record

HOME = MeasurementContext(ssid="home")
OFFICE = MeasurementContext(ssid="office")
Make = Callable[..., list[NetworkSessionRecord]]
MakeEach = Callable[..., list[Any]]


def ids_of(records: list[NetworkSessionRecord]) -> list[str]:
    return [record.document.user_session_id for record in records]


def on_disk(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.glob("spool.*"))


def test_records_come_back_oldest_first_with_their_contexts(spool: Spool, make_records: Make) -> None:
    """Each record of a batch points to the context that it was measured in."""
    first, second = make_records(2, 1), make_records(2, 2)
    spool.append(first, HOME)
    spool.append(second, OFFICE)
    batch = spool.next_batch(3)
    assert ids_of(batch.network_sessions) == ids_of(first + second)[:3]
    assert [batch.contexts[record.context] for record in batch.network_sessions] == [HOME, HOME, OFFICE]


def test_every_kind_comes_back_in_its_own_list(spool: Spool, make_each_kind: MakeEach) -> None:
    """As it went in, with the spool's number of each record by kind and place."""
    first, second = make_each_kind(1), make_each_kind(2)
    spool.append(first, HOME)
    spool.append(second, OFFICE)
    batch = spool.next_batch(100)
    lists = [batch.network_sessions, batch.user_sessions, batch.network_probes, batch.agent_states]
    kinds = [kind for kind in RECORD_TYPES if kind != WEB_SESSIONS]
    for kind, records, old, new in zip(kinds, lists, first, second, strict=True):
        assert records == [old, msgspec.structs.replace(new, context=1)]
        spool.refuse({batch.number_of(kind, 0) or 0: "no good"})
    assert batch.contexts == [HOME, OFFICE]
    assert batch.number_of("web-sessions", 0) is None
    assert batch.number_of("agent-states", 2) is None
    again = spool.next_batch(100)
    assert again.agent_states == [msgspec.structs.replace(second[3], context=0)]
    assert len(again.ids) == 4


def test_a_page_comes_back_in_its_own_list(spool: Spool) -> None:
    """From the disk as it went in, beside what else there is."""
    page = sample_web_session_record(random.Random(1))
    spool.append([page], HOME)
    batch = spool.next_batch(100)
    assert batch.web_sessions == [page]
    assert batch.number_of(WEB_SESSIONS, 0) is not None


def test_a_batch_is_bounded_by_bytes_too(spool: Spool, make_each_kind: MakeEach) -> None:
    """Large records travel in more batches, and one over the bound travels alone."""
    for seed in range(40):
        spool.append(make_each_kind(seed, detail_bytes=8_000), HOME)
    sizes = []
    while (batch := spool.next_batch(500, max_bytes=50_000)).ids:
        sizes.append(sum(len(msgspec.json.encode(record)) for record in batch.user_sessions))
        spool.acknowledge(batch.ids)
    assert max(sizes) <= 50_000
    assert len(sizes) >= 40 * 8_000 / 50_000
    spool.append(make_each_kind(41, detail_bytes=8_000)[1:2], HOME)
    assert len(spool.next_batch(500, max_bytes=10).ids) == 1


def test_a_kind_of_a_newer_version_does_not_hold_up_the_others(
    spool: Spool, tmp_path: Path, make_each_kind: MakeEach
) -> None:
    """It is put aside as refused."""
    spool.append(make_each_kind(), HOME)
    with apsw.Connection(str(tmp_path / FILE_NAME)) as db:
        db.execute("UPDATE record SET kind = 'dreams' WHERE id = 1")
    assert len(spool.next_batch(9).ids) == 3
    assert spool.counts().refused == 1


def test_only_acknowledged_records_go(spool: Spool, make_records: Make) -> None:
    """What was not acknowledged is in the next batch, too."""
    records = make_records(5)
    spool.append(records, HOME)
    spool.acknowledge(spool.next_batch(2).ids)
    assert ids_of(spool.next_batch(10).network_sessions) == ids_of(records)[2:]
    assert spool.counts().waiting == 3


def test_refused_records_are_kept_aside_counted_and_bounded(
    spool: Spool, make_records: Make, tmp_path: Path
) -> None:
    """The newest refused records can be looked at, with the reason."""
    spool.append(make_records(MAX_REFUSED + 50), HOME)
    spool.refuse(dict.fromkeys(spool.next_batch(MAX_REFUSED + 50, 1 << 30).ids, "x" * 9_999))
    assert (spool.counts().waiting, spool.counts().refused) == (0, MAX_REFUSED + 50)
    with apsw.Connection(str(tmp_path / FILE_NAME)) as db:
        kept = list(db.execute("SELECT reason FROM refused"))
    assert len(kept) == MAX_REFUSED
    assert len(kept[0][0]) == 500


def test_a_spool_outlives_its_process(tmp_path: Path, clock: FakeClock, make_records: Make) -> None:
    """Records and counters are there after closing and opening."""
    records = make_records(3)
    first = Spool(tmp_path, clock, max_bytes=MIN_SPOOL_BYTES, max_age_s=60)
    first.append(records, HOME)
    first.refuse({first.next_batch(1).ids[0]: "bad"})
    first.close()
    second = Spool(tmp_path, clock, max_bytes=MIN_SPOOL_BYTES, max_age_s=60)
    assert ids_of(second.next_batch(9).network_sessions) == ids_of(records)[1:]
    assert second.counts().refused == 1
    second.close()


def test_old_records_are_dropped_and_counted(spool: Spool, clock: FakeClock, make_records: Make) -> None:
    """Past its age a record is of no use to anybody."""
    spool.append(make_records(3, 1), HOME)
    clock.advance(86_401)
    young = make_records(2, 2)
    spool.append(young, HOME)
    assert ids_of(spool.next_batch(9).network_sessions) == ids_of(young)
    assert spool.counts().dropped == 3


def test_clearing_drops_and_counts_everything(spool: Spool, make_records: Make) -> None:
    """An agent that changes its account group keeps nothing of the old one."""
    spool.append(make_records(4), HOME)
    assert spool.clear() == 4
    assert spool.is_empty()
    assert spool.counts().dropped == 4


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=st.lists(st.integers(1, 900), min_size=2, max_size=6), extra_bytes=st.integers(0, 1 << 20))
def test_the_budget_holds_whatever_comes(
    tmp_path_factory: pytest.TempPathFactory, make_records: Make, rounds: list[int], extra_bytes: int
) -> None:
    """Never more on disk than allowed; the newest stay, and the count of the others is right."""
    directory = tmp_path_factory.mktemp("spool")
    budget = MIN_SPOOL_BYTES + extra_bytes
    spool = Spool(directory, FakeClock(), max_bytes=budget, max_age_s=86_400)
    given_ids: list[str] = []
    for seed, count in enumerate(rounds):
        records = make_records(count, seed)
        given_ids += ids_of(records)
        assert spool.append(records, HOME) == 0
        assert on_disk(directory) - (directory / f"{FILE_NAME}-shm").stat().st_size <= budget
    counts = spool.counts()
    kept = ids_of(spool.next_batch(10_000, 1 << 30).network_sessions)
    assert counts.waiting + counts.dropped == len(given_ids)
    assert kept == given_ids[counts.dropped :]
    spool.close()


def test_large_records_keep_within_the_smallest_budget(tmp_path: Path, make_each_kind: MakeEach) -> None:
    """User sessions with all their detail: the newest of them stay."""
    spool = Spool(tmp_path, FakeClock(), max_bytes=MIN_SPOOL_BYTES, max_age_s=86_400)
    for seed in range(60):
        records = [make_each_kind(100 * seed + number, detail_bytes=8_000)[1] for number in range(20)]
        assert spool.append(records, HOME) == 0
        kept = spool.next_batch(10_000, 1 << 30).user_sessions
        assert kept[-10:] == records[-10:]
        assert on_disk(tmp_path) - (tmp_path / f"{FILE_NAME}-shm").stat().st_size <= MIN_SPOOL_BYTES
    counts = spool.counts()
    assert counts.waiting + counts.dropped == 60 * 20
    assert counts.dropped > 0
    spool.close()


def test_room_is_given_back(tmp_path: Path, clock: FakeClock, make_records: Make) -> None:
    """After a long time without the server the file shrinks again."""
    spool = Spool(tmp_path, clock, max_bytes=8 << 20, max_age_s=86_400)
    spool.append(make_records(4_000), HOME)
    while not spool.is_empty():
        spool.acknowledge(spool.next_batch(500).ids)
    spool.close()
    assert on_disk(tmp_path) < 1 << 20


def test_a_record_that_cannot_be_read_does_not_hold_up_the_others(
    spool: Spool, tmp_path: Path, make_records: Make
) -> None:
    """It is put aside as refused."""
    records = make_records(3)
    spool.append(records, HOME)
    with apsw.Connection(str(tmp_path / FILE_NAME)) as db:
        db.execute("UPDATE record SET body = CAST('{}' AS BLOB) WHERE id = 1")
    assert ids_of(spool.next_batch(9).network_sessions) == ids_of(records)[1:]
    assert spool.counts().refused == 1


def test_a_budget_too_small_is_refused(tmp_path: Path, clock: FakeClock) -> None:
    """The error names the setting and what is accepted."""
    with pytest.raises(ConfigError, match="spool-bytes"):
        Spool(tmp_path, clock, max_bytes=1000, max_age_s=60)


def test_a_file_that_is_no_spool_is_refused(tmp_path: Path, clock: FakeClock) -> None:
    """Rather than being overwritten."""
    (tmp_path / FILE_NAME).write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(HopsightError, match="Cannot use the spool"):
        Spool(tmp_path, clock, max_bytes=MIN_SPOOL_BYTES, max_age_s=60)


_FILL_DISK = """
import random, sys
from pathlib import Path
from hopsight.agent.delivery.spool import Spool
from hopsight.model.dimensions import WEB_SESSIONS
from hopsight.model.upload import MeasurementContext, NetworkSessionRecord
from hopsight.testing import FakeClock, sample_session
rng = random.Random(1)
spool = Spool(Path(sys.argv[1]), FakeClock(), max_bytes=64 << 20, max_age_s=86400)
last = []
for _ in range(60):
    last = [NetworkSessionRecord(document=sample_session(rng), context=0) for _ in range(100)]
    assert spool.append(last, MeasurementContext()) == 0
counts = spool.counts()
kept = [r.document.user_session_id for r in spool.next_batch(10_000, 1 << 30).network_sessions]
assert kept[-100:] == [r.document.user_session_id for r in last]
print(counts.waiting + counts.dropped, counts.dropped > 0)
"""


def test_a_full_disk_costs_the_oldest_records(tmp_path: Path, require: Callable[[bool, str], None]) -> None:
    """On a file system of 3 MB the newest records are kept, and appending goes on."""
    mounts = subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "none", str(tmp_path)], capture_output=True, check=False
    )
    require(mounts.returncode == 0, "needs root, to mount a small file system in a namespace")
    script = 'mount -t tmpfs -o size=3m none "$1" && exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", str(tmp_path), sys.executable, _FILL_DISK],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["6000 True"], done.stdout[-2000:] + done.stderr[-2000:]


_APPEND_FOREVER = """
import random, sys
from pathlib import Path
from hopsight.agent.delivery.spool import Spool
from hopsight.model.dimensions import WEB_SESSIONS
from hopsight.model.upload import MeasurementContext, NetworkSessionRecord
from hopsight.testing import FakeClock, sample_session
rng = random.Random(int(sys.argv[2]))
spool = Spool(Path(sys.argv[1]), FakeClock(), max_bytes=64 << 20, max_age_s=86400)
while True:
    record = NetworkSessionRecord(document=sample_session(rng), context=0)
    spool.append([record], MeasurementContext())
    print(record.document.user_session_id, flush=True)
    if rng.random() < 0.2:
        batch = spool.next_batch(3)
        print("sending", *(r.document.user_session_id for r in batch.network_sessions), flush=True)
        spool.acknowledge(batch.ids)
"""


def test_kill_9_at_any_moment_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Over 20 kills: what was appended is in the spool or was being sent, once."""
    rng = random.Random(7)
    appended: list[str] = []
    sent: set[str] = set()
    for seed in range(20):
        lines = _run_and_kill(tmp_path, seed, after_lines=rng.randrange(1, 60))
        appended += [line for line in lines if not line.startswith("sending")]
        sent |= {name for line in lines if line.startswith("sending") for name in line.split()[1:]}
    spool = Spool(tmp_path, FakeClock(), max_bytes=64 << 20, max_age_s=86_400)
    waiting = ids_of(spool.next_batch(100_000, 1 << 30).network_sessions)
    spool.close()
    assert len(waiting) == len(set(waiting))
    assert set(appended) <= set(waiting) | sent
    # At most what was in flight at each kill may be there without having been told.
    assert len(set(waiting) - set(appended)) <= 20


def _run_and_kill(directory: Path, seed: int, after_lines: int) -> list[str]:
    command = [sys.executable, "-c", _APPEND_FOREVER, str(directory), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline().strip() for _ in range(after_lines)]
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read()
    # A line cut short by the kill was not said.
    return lines + [line for line in rest.split("\n")[:-1] if line]


def test_stored_bytes_are_the_wire_bytes(spool: Spool, make_records: Make) -> None:
    """A record comes out as it went in."""
    records = make_records(1)
    spool.append(records, HOME)
    assert msgspec.json.encode(spool.next_batch(1).network_sessions) == msgspec.json.encode(records)
