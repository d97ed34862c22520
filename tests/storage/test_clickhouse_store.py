"""What is ClickHouse's alone: merged inserts, repeats of two servers, hosts that are away, versions."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.clickhouse import ESCAPED_PASSWORD, PASSWORD, USER, ClickHouseServer, ask, free_ports
from tests.storage.conftest import initialized

from hopsight.errors import ConfigError, ErasedError, StoreUnavailableError
from hopsight.model.dimensions import NETWORK_SESSIONS, Dimensions
from hopsight.model.query import Filter, Query
from hopsight.storage import open_store
from hopsight.storage.clickhouse import writer
from hopsight.storage.clickhouse.address import parse
from hopsight.storage.clickhouse.client import SET_ASIDE_S, Client
from hopsight.storage.clickhouse.management import look_at_tables, prepare_tables
from hopsight.storage.memory import MemoryStore
from hopsight.storage.store import Added, Store
from hopsight.testing import AGENT_ID, ROUND_ID, FakeClock, sample_record

pytestmark = pytest.mark.anyio

AID = 7625
EVERYTHING = Query(kind=NETWORK_SESSIONS, aid=AID, first_round=0, last_round=2 * ROUND_ID)

Open = Callable[[str], Store]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Open]:
    """Opens stores, and closes them in the end."""
    async with AsyncExitStack() as stack:

        def open_one(url: str) -> Store:
            store = open_store(url, tmp_path, FakeClock())
            stack.push_async_callback(store.close)
            return store

        yield open_one


def database_of(url: str) -> str:
    return parse(url.partition(":")[2]).database


async def test_many_uploads_are_few_inserts(clickhouse: ClickHouseServer, opened: Open) -> None:
    """Batches that come while an insert is under way go into the next one, each with its own answer."""
    url = await initialized(clickhouse.new_url())
    store, rng = opened(url), random.Random(1)
    batches = [[sample_record(rng) for _ in range(5)] for _ in range(40)]
    answers = await asyncio.gather(*(store.add(NETWORK_SESSIONS, [*batch, batch[0]]) for batch in batches))
    assert answers == [Added(stored=5, duplicates=1)] * 40
    blocks = ask(
        clickhouse.port,
        "SELECT max(max_block_number) FROM system.parts"
        f" WHERE database = '{database_of(url)}' AND table = 'network_sessions'",
    )
    assert int(blocks) <= 4
    assert len((await store.page(EVERYTHING)).bodies) == 200


async def test_one_erased_agent_spoils_no_other_upload(clickhouse: ClickHouseServer, opened: Open) -> None:
    """Of batches that share an insert only those of the erased agent are refused."""
    store, rng = opened(await initialized(clickhouse.new_url())), random.Random(2)
    await store.erase(AGENT_ID)
    ours = [sample_record(rng, dimensions=Dimensions(agent_id=f"agent {number}")) for number in range(6)]
    theirs = sample_record(rng)
    done = await asyncio.gather(
        *(store.add(NETWORK_SESSIONS, [record]) for record in [*ours[:3], theirs, *ours[3:]]),
        return_exceptions=True,
    )
    assert isinstance(done[3], ErasedError)
    assert [each for each in done if isinstance(each, Added)] == [Added(stored=1, duplicates=0)] * 6
    assert len((await store.page(EVERYTHING)).bodies) == 6


async def test_too_much_that_waits_is_refused(
    clickhouse: ClickHouseServer, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When as much waits as memory may hold, who comes next is told to come again; what waits is stored."""
    store: Any = opened(await initialized(clickhouse.new_url()))
    rng = random.Random(3)
    records = [sample_record(rng) for _ in range(3)]
    monkeypatch.setattr(writer, "MAX_WAITING_BYTES", 2 * len(records[0].body))
    await store.check()
    free = asyncio.Event()
    execute = store._client.execute

    async def slowly(*arguments: Any, **options: Any) -> bytes:
        await free.wait()
        answer: bytes = await execute(*arguments, **options)
        return answer

    monkeypatch.setattr(store._client, "execute", slowly)
    first = asyncio.create_task(store.add(NETWORK_SESSIONS, [records[0]]))
    await asyncio.sleep(0.05)  # it is under way, and counts no more
    second = asyncio.create_task(store.add(NETWORK_SESSIONS, [records[1]]))
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailableError, match="busy"):
        await store.add(NETWORK_SESSIONS, [records[2], records[2]])
    free.set()
    assert [await first, await second] == [Added(stored=1, duplicates=0)] * 2


async def test_two_servers_that_store_one_id_at_once_store_it_once(
    clickhouse: ClickHouseServer, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both insert it; every question sees the one that came first, before and after they are merged."""
    url = await initialized(clickhouse.new_url())
    first, second = opened(url), opened(url)
    record = sample_record(random.Random(4))
    later = structs.replace(record, body=b'{"later":1}', latency_ms=1.0)

    async def know_nothing(*_: object) -> set[object]:
        return set()

    await first.add(NETWORK_SESSIONS, [record])
    monkeypatch.setattr(writer.Writer, "_known", know_nothing)
    second._clock.advance(1)  # type: ignore[attr-defined]
    assert await second.add(NETWORK_SESSIONS, [later]) == Added(stored=1, duplicates=0)
    rows = f"SELECT count() FROM {database_of(url)}.network_sessions"
    assert int(ask(clickhouse.port, rows)) == 2
    for _ in range(2):
        assert (await first.page(EVERYTHING)).bodies == [record.body]
        assert (await second.get(NETWORK_SESSIONS, AID, record.round_id, record.record_id)) == record
        whole = (
            await first.summarize(structs.replace(EVERYTHING, first_round=ROUND_ID), 1_000_000_000)
        ).whole
        assert (whole.records, whole.latency_p50_ms) == (1, record.latency_ms)
        assert await first.count_by(EVERYTHING, "agent_id") == {AGENT_ID: 1}
        assert len(await first.measurements(EVERYTHING)) == 1
        ask(clickhouse.port, f"OPTIMIZE TABLE {database_of(url)}.network_sessions FINAL")
    assert int(ask(clickhouse.port, rows)) == 1


async def test_a_host_that_is_away_is_passed_over(clickhouse: ClickHouseServer) -> None:
    """Another host answers, and the one that did not is not asked first for a while."""
    (nobody,) = free_ports(1)
    rest = f"//{USER}:{ESCAPED_PASSWORD}@127.0.0.1:{nobody},127.0.0.1:{clickhouse.port}/x"
    clock = FakeClock()
    client = Client(parse(rest), clock)
    client._first = 0  # otherwise the process ID decides
    away, there = f"127.0.0.1:{nobody}", f"127.0.0.1:{clickhouse.port}"
    try:
        assert list(client._hosts()) == [away, there]
        assert await client.execute("SELECT 1") == b"1\n"
        assert list(client._hosts()) == [there, away]
        clock.advance(SET_ASIDE_S + 1)
        assert list(client._hosts()) == [away, there]
    finally:
        await client.close()


async def test_nobody_there_is_unavailable(opened: Open) -> None:
    """Not an error of the program, and without a password in it."""
    (nobody,) = free_ports(1)
    store = opened(f"clickhouse://{USER}:{ESCAPED_PASSWORD}@127.0.0.1:{nobody}/x")
    with pytest.raises(StoreUnavailableError) as caught:
        await store.page(EVERYTHING)
    assert PASSWORD not in str(caught.value)


async def test_wrong_credentials_are_told_without_them(clickhouse: ClickHouseServer, opened: Open) -> None:
    """ClickHouse's own words go to the log; who asks learns the number of the error."""
    store = opened(f"clickhouse://{USER}:wr0ng@127.0.0.1:{clickhouse.port}/x")
    with pytest.raises(StoreUnavailableError, match=r"error \d+") as caught:
        await store.check()
    assert "wr0ng" not in str(caught.value)


async def test_tables_are_made_once_and_only_when_told(clickhouse: ClickHouseServer, opened: Open) -> None:
    """A store without tables says how to make them; made again they stay as they are."""
    url = clickhouse.new_url()
    late = opened(url)
    with pytest.raises(ConfigError, match="admin store init"):
        await late.check()
    # An agent that is told that its upload is wrong drops it; it is not.
    with pytest.raises(StoreUnavailableError):
        await late.add(NETWORK_SESSIONS, [sample_record(random.Random(5))])
    address = parse(url.partition(":")[2])
    assert await prepare_tables(address, FakeClock()) == ["records"]
    assert await late.add(NETWORK_SESSIONS, [sample_record(random.Random(5))]) == Added(1, 0)
    assert await prepare_tables(address, FakeClock()) == []
    status, sizes = await look_at_tables(address, FakeClock())
    assert (status.version, status.known, status.is_usable) == (1, 1, True)
    assert {each.table: each.rows for each in sizes}["network_sessions"] == 1


@pytest.mark.parametrize(("compatible_from", "is_usable"), [(1, True), (2, False)])
async def test_newer_tables_are_used_as_far_as_they_allow(
    clickhouse: ClickHouseServer, opened: Open, compatible_from: int, is_usable: bool
) -> None:
    """A server goes on beside a newer one whose tables only have more; else it says what to run."""
    url = await initialized(clickhouse.new_url())
    ask(
        clickhouse.port,
        f"INSERT INTO {database_of(url)}.schema_versions (version, compatible_from, name, applied_s)"
        f" VALUES (2, {compatible_from}, 'next', 1)",
    )
    store = opened(url)
    if is_usable:
        await store.check()
        await store.add(NETWORK_SESSIONS, [sample_record(random.Random(6))])
    else:
        with pytest.raises(ConfigError, match="version 2"):
            await store.check()
        with pytest.raises(ConfigError, match="version 2"):
            await prepare_tables(parse(url.partition(":")[2]), FakeClock())


async def test_a_server_that_comes_back_is_used_again(clickhouse: ClickHouseServer, opened: Open) -> None:
    """While ClickHouse is away nothing is acknowledged; then all goes on, and nothing is missing."""
    store, rng = opened(await initialized(clickhouse.new_url())), random.Random(7)
    records = [sample_record(rng) for _ in range(3)]
    await store.add(NETWORK_SESSIONS, records[:1])
    clickhouse.kill()
    try:
        for asked in (store.add(NETWORK_SESSIONS, records[1:2]), store.page(EVERYTHING)):
            with pytest.raises(StoreUnavailableError):
                await asked
    finally:
        await asyncio.to_thread(clickhouse.start)
    assert await store.add(NETWORK_SESSIONS, records) == Added(stored=2, duplicates=1)
    assert len((await store.page(EVERYTHING)).bodies) == 3


async def settled_day(store: Any, rng: random.Random) -> tuple[MemoryStore, Query]:
    """Records of three days, of which the first two are over and merged; and the same in memory."""
    plain = MemoryStore()
    for number in range(60):
        some = [sample_record(rng, round_id=ROUND_ID + 3_600 * number) for _ in range(3)]
        await store.add(NETWORK_SESSIONS, some)
        await plain.add(NETWORK_SESSIONS, some)
    store._clock.advance(60 * 3_600)
    query = structs.replace(EVERYTHING, first_round=ROUND_ID, last_round=ROUND_ID + 60 * 3_600)
    assert not await store._settled.parts(query)
    await store.prepare(NETWORK_SESSIONS, AID, query.first_round, query.last_round)
    assert len(await store._settled.parts(query)) == 2
    return plain, query


async def test_settled_days_say_the_same(clickhouse: ClickHouseServer, opened: Open) -> None:
    """Charts over days that are merged and one that is not are those of the other stores, filtered or not."""
    store, rng = opened(await initialized(clickhouse.new_url())), random.Random(8)
    plain, query = await settled_day(store, rng)
    narrowed = structs.replace(
        query, filters=(Filter("agent_id", (AGENT_ID,)),), first_round=ROUND_ID + 7_200
    )
    for asked in (query, narrowed, structs.replace(query, last_round=ROUND_ID + 60)):
        assert await store.summarize(asked, 3_600) == await plain.summarize(asked, 3_600)
        for column in ("agent_id", "ssid"):
            options: Any = {"bucket_s": 7_200, "order": "latency", "limit": 5}
            assert await store.rank(asked, column, **options) == await plain.rank(asked, column, **options)
            assert await store.count_by(asked, column) == await plain.count_by(asked, column)
    backwards = structs.replace(query, last_round=ROUND_ID - 60)
    assert (await store.summarize(backwards, 3_600)).buckets == ()


async def test_a_repeat_in_a_settled_day_counts_once(
    clickhouse: ClickHouseServer, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it came before a chart was asked for or while it was worked out."""
    url = await initialized(clickhouse.new_url())
    store: Any = opened(url)
    other = opened(url)
    plain, query = await settled_day(store, random.Random(9))
    repeated = [record async for record in plain.records_between(NETWORK_SESSIONS, AID, ROUND_ID, ROUND_ID)]

    async def know_nothing(*_: object) -> set[object]:
        return set()

    await other.check()
    monkeypatch.setattr(writer.Writer, "_known", know_nothing)
    parts = store._settled.parts
    looks = 0

    async def look(asked: Query) -> Any:
        nonlocal looks
        looks += 1
        found = await parts(asked)
        if looks == 1:
            await other.add(NETWORK_SESSIONS, repeated)
        return found

    monkeypatch.setattr(store._settled, "parts", look)
    expected = await plain.summarize(query, 3_600)
    assert await store.summarize(query, 3_600) == expected
    assert looks == 2
    assert len(await parts(query)) == 1
    assert await store.summarize(query, 3_600) == expected
    await store.prepare(NETWORK_SESSIONS, AID, query.first_round, query.last_round)
    assert len(await parts(query)) == 2
    assert await store.summarize(query, 3_600) == expected
