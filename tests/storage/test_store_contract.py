"""Every behaviour of a store, over every backend: what ``storage/store.py`` promises."""

import asyncio
import random

import msgspec
import pytest

from hopsight.errors import ErasedError, StoreUnavailableError
from hopsight.model.dimensions import FILTERS, NETWORK_SESSIONS, USER_SESSIONS, Dimensions, FilterKey
from hopsight.model.kinds import KINDS
from hopsight.model.query import Cursor, Filter, Query, Record
from hopsight.storage.store import Added, Store, Stretch, digest_of
from hopsight.testing import AGENT_ID, ROUND_ID, sample_record

pytestmark = pytest.mark.anyio

AID = 7625
OTHER_AID = 11


@pytest.fixture
def rng() -> random.Random:
    return random.Random(7)


def question(
    *,
    aid: int = AID,
    first_round: int = 0,
    last_round: int = ROUND_ID * 2,
    filters: tuple[Filter, ...] = (),
    after: Cursor | None = None,
    skip: int = 0,
    limit: int = 1000,
) -> Query:
    return Query(
        kind=NETWORK_SESSIONS,
        aid=aid,
        first_round=first_round,
        last_round=last_round,
        filters=filters,
        after=after,
        skip=skip,
        limit=limit,
    )


def in_order(records: list[Record]) -> list[bytes]:
    return [record.body for record in sorted(records, key=lambda record: (record.round_id, record.record_id))]


def some(rng: random.Random, count: int, **values: object) -> list[Record]:
    made = [sample_record(rng, round_id=ROUND_ID + 60 * rng.randrange(5)) for _ in range(count)]
    return [msgspec.structs.replace(record, **values) for record in made]


async def bodies(store: Store, query: Query) -> list[bytes]:
    return (await store.page(query)).bodies


async def test_records_come_back_in_order_of_round_then_id(store: Store, rng: random.Random) -> None:
    """Whatever order records come in, a page has them by round, then ID, with their bodies byte for byte."""
    records = some(rng, 50)
    assert await store.add(NETWORK_SESSIONS, records) == Added(stored=50, duplicates=0)
    page = await store.page(question())
    assert page.bodies == in_order(records)
    assert page.next is None


async def test_an_empty_store_answers_with_nothing(store: Store) -> None:
    """Without records every question has an empty answer and no error."""
    page = await store.page(question())
    assert (page.bodies, page.next) == ([], None)
    assert await store.last_round(NETWORK_SESSIONS, AID) is None
    assert await store.get(NETWORK_SESSIONS, AID, ROUND_ID, "00011:60:aaaaaaaa") is None
    assert await store.prune(NETWORK_SESSIONS, ROUND_ID) == 0


async def test_an_empty_batch_stores_nothing(store: Store) -> None:
    """Adding no records is fine."""
    assert await store.add(NETWORK_SESSIONS, []) == Added(stored=0, duplicates=0)


async def test_a_range_includes_both_ends(store: Store, rng: random.Random) -> None:
    """Records of the first and of the last round of a range belong to it, their neighbours do not."""
    records = [sample_record(rng, round_id=ROUND_ID + 60 * place) for place in range(5)]
    await store.add(NETWORK_SESSIONS, records)
    found = await bodies(store, question(first_round=ROUND_ID + 60, last_round=ROUND_ID + 180))
    assert found == in_order(records[1:4])


async def test_a_range_may_be_as_wide_as_it_likes(store: Store, rng: random.Random) -> None:
    """Numbers beyond what a database holds are no error."""
    records = some(rng, 3)
    await store.add(NETWORK_SESSIONS, records)
    assert await bodies(store, question(first_round=-(10**30), last_round=10**30)) == in_order(records)
    assert await bodies(store, question(after=Cursor(10**30, "a"), last_round=10**30)) == []


async def test_account_groups_do_not_see_each_other(store: Store, rng: random.Random) -> None:
    """The same ID in two account groups is two records, each seen by its own group only."""
    ours = sample_record(rng, aid=AID)
    theirs = msgspec.structs.replace(ours, aid=OTHER_AID, body=b'{"theirs":1}')
    assert await store.add(NETWORK_SESSIONS, [ours, theirs]) == Added(stored=2, duplicates=0)
    by_agent = (Filter("agent_id", (AGENT_ID,)),)
    for filters in ((), by_agent):
        assert await bodies(store, question(aid=AID, filters=filters)) == [ours.body]
        assert await bodies(store, question(aid=OTHER_AID, filters=filters)) == [theirs.body]
    assert await bodies(store, question(aid=5)) == []
    assert await store.last_round(NETWORK_SESSIONS, 5) is None


@pytest.mark.parametrize("row", FILTERS.values(), ids=lambda row: row.key)
async def test_each_filter_compares_its_column(store: Store, rng: random.Random, row: FilterKey) -> None:
    """A filter finds records whose column equals one of its values, exactly, and none where it is unknown."""
    records = []
    for value in ("one", "two", "Two", None):
        known = Dimensions(agent_id="nobody")
        if value is not None:
            known = msgspec.structs.replace(known, **{row.column: value})
        records.append(sample_record(rng, dimensions=known))
    await store.add(NETWORK_SESSIONS, records)
    found = await bodies(store, question(filters=(Filter(row.column, ("one", "two", "three")),)))
    assert found == in_order(records[:2])


async def test_filters_hold_together_and_their_values_apart(store: Store, rng: random.Random) -> None:
    """AND across filters, OR within the values of one, also for one column twice."""
    pairs = [(ssid, gateway) for ssid in ("a", "b", None) for gateway in ("1", "2")]
    records = [
        sample_record(rng, dimensions=Dimensions(agent_id=AGENT_ID, ssid=ssid, gateway=gateway))
        for ssid, gateway in pairs
    ]
    await store.add(NETWORK_SESSIONS, records)
    both = (Filter("ssid", ("a", "b")), Filter("gateway", ("2",)))
    assert await bodies(store, question(filters=both)) == in_order([records[1], records[3]])
    twice = (Filter("ssid", ("a", "b")), Filter("ssid", ("b",)))
    assert await bodies(store, question(filters=twice)) == in_order(records[2:4])


@pytest.mark.parametrize(
    "values", [(), ("a\0",), ("a' OR 1=1 --",), ("\ud800",), tuple(map(str, range(1000)))]
)
async def test_odd_filter_values_match_nothing(
    store: Store, rng: random.Random, values: tuple[str, ...]
) -> None:
    """No values, NULs, quotes, half a surrogate pair and a thousand values are all just compared."""
    await store.add(NETWORK_SESSIONS, some(rng, 3, dimensions=Dimensions(agent_id=AGENT_ID, ssid="a")))
    assert await bodies(store, question(filters=(Filter("ssid", values),))) == []


async def test_a_stored_nul_is_found(store: Store, rng: random.Random) -> None:
    """A value with a NUL inside equals itself and not its beginning."""
    record = sample_record(rng, dimensions=Dimensions(agent_id=AGENT_ID, ssid="a\0b"))
    await store.add(NETWORK_SESSIONS, [record])
    assert await bodies(store, question(filters=(Filter("ssid", ("a\0b",)),))) == [record.body]
    assert await bodies(store, question(filters=(Filter("ssid", ("a",)),))) == []


async def test_a_filter_on_an_unknown_column_is_refused(store: Store, rng: random.Random) -> None:
    """A column that records do not have is the caller's error, not an empty answer."""
    await store.add(NETWORK_SESSIONS, some(rng, 1))
    with pytest.raises((LookupError, AttributeError)):
        await store.page(question(filters=(Filter("no_such_column", ("1",)),)))


async def test_a_cursor_starts_behind_its_place(store: Store, rng: random.Random) -> None:
    """The record at the cursor is left out, its successor comes first; the place itself need not exist."""
    records = some(rng, 20)
    await store.add(NETWORK_SESSIONS, records)
    records.sort(key=lambda record: (record.round_id, record.record_id))
    at = Cursor(records[7].round_id, records[7].record_id)
    assert await bodies(store, question(after=at)) == in_order(records[8:])
    before_all = Cursor(ROUND_ID - 60, "zzz")
    assert await bodies(store, question(after=before_all)) == in_order(records)
    assert await bodies(store, question(after=before_all, first_round=records[5].round_id)) == in_order(
        [record for record in records if record.round_id >= records[5].round_id]
    )
    assert await bodies(store, question(after=Cursor(ROUND_ID * 3, ""))) == []


async def test_limit_and_skip_cut_a_page(store: Store, rng: random.Random) -> None:
    """A page holds at most ``limit`` records, after leaving out ``skip`` of them behind the cursor."""
    records = some(rng, 20)
    await store.add(NETWORK_SESSIONS, records)
    ordered = in_order(records)
    assert await bodies(store, question(limit=5)) == ordered[:5]
    assert await bodies(store, question(limit=5, skip=5)) == ordered[5:10]
    assert await bodies(store, question(limit=5, skip=18)) == ordered[18:]
    assert await bodies(store, question(limit=5, skip=20)) == []
    assert await bodies(store, question(skip=10**30)) == []


@pytest.mark.parametrize("filters", [(), (Filter("agent_id", (AGENT_ID,)),)], ids=["plain", "filtered"])
async def test_exactly_a_page_has_no_next(
    store: Store, rng: random.Random, filters: tuple[Filter, ...]
) -> None:
    """1,000 records are one page without a next, 1,001 are two."""
    records = some(rng, 1001)
    await store.add(NETWORK_SESSIONS, records[:1000])
    page = await store.page(question(filters=filters))
    assert (len(page.bodies), page.next) == (1000, None)
    await store.add(NETWORK_SESSIONS, records[1000:])
    page = await store.page(question(filters=filters))
    assert page.next is not None
    rest = await store.page(question(filters=filters, after=page.next))
    assert page.bodies + rest.bodies == in_order(records)
    assert (len(rest.bodies), rest.next) == (1, None)


async def test_the_last_round_is_the_newest_with_records(store: Store, rng: random.Random) -> None:
    """Each account group has its own last round."""
    for aid, round_id in (
        (AID, ROUND_ID),
        (AID, ROUND_ID + 120),
        (AID, ROUND_ID + 60),
        (OTHER_AID, ROUND_ID),
    ):
        await store.add(NETWORK_SESSIONS, [sample_record(rng, aid=aid, round_id=round_id)])
    assert await store.last_round(NETWORK_SESSIONS, AID) == ROUND_ID + 120
    assert await store.last_round(NETWORK_SESSIONS, OTHER_AID) == ROUND_ID


async def test_get_returns_the_whole_record(store: Store, rng: random.Random) -> None:
    """Every field comes back as it was given, those that are not known as None."""
    full = Dimensions(**dict.fromkeys(Dimensions.__struct_fields__, "väl"))
    records = [
        sample_record(rng, dimensions=full),
        sample_record(rng, dimensions=Dimensions(agent_id=AGENT_ID)),
        *some(rng, 1, loss_percent=None, latency_ms=None, jitter_ms=None),
    ]
    await store.add(NETWORK_SESSIONS, records)
    for record in records:
        assert await store.get(NETWORK_SESSIONS, AID, record.round_id, record.record_id) == record
    assert await store.get(NETWORK_SESSIONS, OTHER_AID, records[0].round_id, records[0].record_id) is None


async def test_a_duplicate_leaves_the_first_untouched(store: Store, rng: random.Random) -> None:
    """Sent twice, in one batch or in two, a record is stored once, as it came first."""
    first, other = some(rng, 2)
    again = msgspec.structs.replace(first, body=b"{}", dimensions=Dimensions(agent_id="else"), latency_ms=1.0)
    assert await store.add(NETWORK_SESSIONS, [first, again, again]) == Added(stored=1, duplicates=2)
    assert await store.add(NETWORK_SESSIONS, [again, other, first]) == Added(stored=1, duplicates=2)
    assert await store.get(NETWORK_SESSIONS, AID, first.round_id, first.record_id) == first
    assert await bodies(store, question()) == in_order([first, other])


KINDS_WITH_DETAILS = [name for name, kind in KINDS.items() if kind.detail is not None]


@pytest.mark.parametrize("kind", KINDS_WITH_DETAILS)
async def test_a_detail_comes_back_with_its_record_alone(store: Store, rng: random.Random, kind: str) -> None:
    """``get`` gives each record's own detail back, byte for byte; pages know bodies only."""
    details = [b"{}", b"", None, b"x" * 1_000_000, bytes(range(256)), b'{"network":{}}']
    records = [
        msgspec.structs.replace(record, detail=detail)
        for record, detail in zip(some(rng, len(details)), details, strict=True)
    ]
    await store.add(kind, records)
    for record in records:
        assert await store.get(kind, AID, record.round_id, record.record_id) == record
    page = await store.page(msgspec.structs.replace(question(), kind=kind))
    assert page.bodies == in_order(records)


@pytest.mark.parametrize("kind", KINDS_WITH_DETAILS)
async def test_the_first_of_an_id_keeps_its_detail(store: Store, rng: random.Random, kind: str) -> None:
    """A duplicate changes no detail, and brings none where the first had none; also within one batch."""
    first, without = some(rng, 2)
    first = msgspec.structs.replace(first, detail=b'{"first":1}')
    later = [msgspec.structs.replace(record, detail=b'{"later":1}') for record in (first, without)]
    assert await store.add(kind, [first, without, *later]) == Added(stored=2, duplicates=2)
    assert await store.add(kind, later) == Added(stored=0, duplicates=2)
    for record in (first, without):
        assert await store.get(kind, AID, record.round_id, record.record_id) == record


async def test_a_kind_without_a_detail_keeps_none(store: Store, rng: random.Random) -> None:
    """What is given all the same is dropped; the record is kept."""
    (record,) = some(rng, 1, detail=b"{}")
    await store.add(NETWORK_SESSIONS, [record])
    kept = await store.get(NETWORK_SESSIONS, AID, record.round_id, record.record_id)
    assert kept == msgspec.structs.replace(record, detail=None)


@pytest.mark.parametrize("kind", KINDS_WITH_DETAILS)
async def test_a_detail_goes_with_its_record(store: Store, rng: random.Random, kind: str) -> None:
    """What was pruned and comes again without a detail has none; in all account groups, and no other goes."""
    old = [
        sample_record(rng, aid=aid, round_id=ROUND_ID + place * 60)
        for aid in (AID, OTHER_AID)
        for place in range(5)
    ]
    old = [msgspec.structs.replace(record, detail=b"{}") for record in old]
    await store.add(kind, old)
    assert await store.prune(kind, ROUND_ID + 180) == 6
    bare = [msgspec.structs.replace(record, detail=None) for record in old]
    assert await store.add(kind, bare) == Added(stored=6, duplicates=4)
    for before, now in zip(old, bare, strict=True):
        expected = now if before.round_id < ROUND_ID + 180 else before
        assert await store.get(kind, before.aid, before.round_id, before.record_id) == expected


async def test_records_are_counted_by_a_dimension(store: Store, rng: random.Random) -> None:
    """Counts are those of all that range and filters admit, unknown values under None, others' not at all."""
    records = [
        sample_record(
            rng,
            aid=aid,
            round_id=ROUND_ID + 60 * place,
            dimensions=Dimensions(agent_id=AGENT_ID, verdict=verdict, ssid=ssid),
        )
        for aid in (AID, OTHER_AID)
        for place in range(4)
        for verdict in ("healthy", "healthy", "lan", None)
        for ssid in ("a", "b")
    ]
    await store.add(USER_SESSIONS, records)
    asked = msgspec.structs.replace(
        question(first_round=ROUND_ID + 60, last_round=ROUND_ID + 120, limit=1, skip=3), kind=USER_SESSIONS
    )
    assert await store.count_by(asked, "verdict") == {"healthy": 8, "lan": 4, None: 4}
    by_ssid = msgspec.structs.replace(asked, filters=(Filter("ssid", ("b", "c")),))
    assert await store.count_by(by_ssid, "verdict") == {"healthy": 4, "lan": 2, None: 2}
    assert await store.count_by(msgspec.structs.replace(asked, first_round=10**30), "verdict") == {}
    assert await store.count_by(msgspec.structs.replace(asked, kind=NETWORK_SESSIONS), "verdict") == {}
    with pytest.raises(LookupError):
        await store.count_by(asked, "no_such_column")


async def test_prune_removes_exactly_the_old_rounds(store: Store, rng: random.Random) -> None:
    """Rounds before the given one go in all account groups; that one and newer ones stay."""
    records = [
        sample_record(rng, aid=aid, round_id=ROUND_ID + 60 * place)
        for aid in (AID, OTHER_AID, 0)
        for place in range(6)
        for _ in range(20)
    ]
    await store.add(NETWORK_SESSIONS, records)
    assert await store.prune(NETWORK_SESSIONS, ROUND_ID + 180) == 180
    for aid in (AID, OTHER_AID, 0):
        kept = [record for record in records if record.aid == aid and record.round_id >= ROUND_ID + 180]
        assert await bodies(store, question(aid=aid)) == in_order(kept)
    assert await store.prune(NETWORK_SESSIONS, ROUND_ID + 180) == 0


async def test_what_was_pruned_may_come_again(store: Store, rng: random.Random) -> None:
    """A store forgets pruned IDs and their dimensions, and takes them anew."""
    records = some(rng, 10)
    await store.add(NETWORK_SESSIONS, records)
    await store.prune(NETWORK_SESSIONS, ROUND_ID * 2)
    assert await store.last_round(NETWORK_SESSIONS, AID) is None
    assert await store.add(NETWORK_SESSIONS, records) == Added(stored=10, duplicates=0)
    by_agent = (Filter("agent_id", (AGENT_ID,)),)
    assert await bodies(store, question(filters=by_agent)) == in_order(records)


OTHER_AGENT = "1dc785bb-d391-47e1-8b33-1ba47bcd3315"


def of_both(rng: random.Random, kind: str, count: int = 3) -> tuple[list[Record], list[Record]]:
    """Records of two agents in the same rounds of two account groups, and details if the kind has any."""
    pair = []
    for agent_id in (AGENT_ID, OTHER_AGENT):
        made = [
            sample_record(
                rng,
                aid=aid,
                round_id=ROUND_ID + 60 * place,
                dimensions=Dimensions(agent_id=agent_id, ssid=ssid),
            )
            for aid in (AID, OTHER_AID)
            for place in range(count)
            for ssid in ("a", None)
        ]
        detail = None if KINDS[kind].detail is None else b'{"of":"%s"}' % agent_id.encode()
        pair.append([msgspec.structs.replace(record, detail=detail) for record in made])
    return pair[0], pair[1]


async def test_the_records_of_an_agent_are_read_whole(store: Store, rng: random.Random) -> None:
    """All kinds and account groups, with details, and none of another agent's."""
    expected = []
    for kind in KINDS:
        ours, theirs = of_both(rng, kind)
        await store.add(kind, [*ours, *theirs])
        expected += [(kind, record) for record in ours]
    found = [each async for each in store.records_of(AGENT_ID)]

    def place(each: tuple[str, Record]) -> tuple[str, str]:
        return each[0], each[1].record_id

    assert sorted(found, key=place) == sorted(expected, key=place)
    assert [each async for each in store.records_of("nobody")] == []


async def test_many_records_of_an_agent_are_read_once_each(store: Store, rng: random.Random) -> None:
    """However many there are of one kind, none is left out and none comes twice."""
    records = some(rng, 1_001)
    await store.add(USER_SESSIONS, records)
    found = [record.record_id async for _, record in store.records_of(AGENT_ID)]
    assert sorted(found) == sorted(record.record_id for record in records)


async def test_an_erased_agent_is_in_no_table(store: Store, rng: random.Random) -> None:
    """Every kind, detail and account group is counted before and after; other agents keep all of theirs."""
    kept = {}
    for kind in KINDS:
        ours, kept[kind] = of_both(rng, kind)
        await store.add(kind, [*ours, *kept[kind]])
    other = await store.count_of(OTHER_AGENT)
    before = await store.count_of(AGENT_ID)
    assert before == other
    erased = await store.erase(AGENT_ID)
    assert {each.table: each.found for each in erased} == before
    assert {each.left for each in erased} == {0}
    for row in KINDS.values():
        assert before[row.table] == 12
        assert before.get(f"{row.table}_detail", 12) == 12
    assert not any((await store.count_of(AGENT_ID)).values())
    assert await store.count_of(OTHER_AGENT) == other
    for kind, records in kept.items():
        for record in records:
            assert await store.get(kind, record.aid, record.round_id, record.record_id) == record


async def test_an_erased_agent_does_not_come_back(store: Store, rng: random.Random) -> None:
    """What is still on its way is refused with all that is in the same batch; others are taken as ever."""
    ours, theirs = of_both(rng, NETWORK_SESSIONS)
    await store.add(NETWORK_SESSIONS, ours[:2])
    await store.erase(AGENT_ID)
    for batch in (ours, [*theirs, *ours]):
        with pytest.raises(ErasedError):
            await store.add(NETWORK_SESSIONS, batch)
    assert await bodies(store, question()) == []
    assert await store.add(NETWORK_SESSIONS, theirs) == Added(stored=12, duplicates=0)


async def test_many_records_are_erased(store: Store, rng: random.Random) -> None:
    """More than one transaction takes, while another agent's are added."""
    records = some(rng, 4_500)
    await store.add(USER_SESSIONS, [msgspec.structs.replace(each, detail=b"{}") for each in records])
    _, theirs = of_both(rng, USER_SESSIONS)
    erased, added = await asyncio.gather(store.erase(AGENT_ID), store.add(USER_SESSIONS, theirs))
    assert added.stored == len(theirs)
    assert max(each.found for each in erased) == 4_500
    assert not any((await store.count_of(AGENT_ID)).values())


async def test_erasing_twice_or_nobody_is_fine(store: Store, rng: random.Random) -> None:
    """The second time there is nothing, as for an agent that never was."""
    await store.add(NETWORK_SESSIONS, some(rng, 3))
    await store.erase(AGENT_ID)
    for agent_id in (AGENT_ID, "nobody"):
        assert {(each.found, each.left) for each in await store.erase(agent_id)} == {(0, 0)}
    await store.sweep()
    await store.sweep()


async def test_a_closed_store_says_so(store: Store, rng: random.Random) -> None:
    """After close every method refuses, and closing again is fine."""
    record = sample_record(rng)
    await store.close()
    await store.close()
    by_agent = (Filter("agent_id", (AGENT_ID,)),)
    for asked in (
        store.add(NETWORK_SESSIONS, [record]),
        store.page(question()),
        store.page(question(filters=by_agent)),
        store.last_round(NETWORK_SESSIONS, AID),
        store.get(NETWORK_SESSIONS, AID, ROUND_ID, record.record_id),
        store.prune(NETWORK_SESSIONS, ROUND_ID),
        store.count_by(question(), "verdict"),
        store.count_of(AGENT_ID),
        anext(aiter(store.records_of(AGENT_ID))),
        store.erase(AGENT_ID),
    ):
        with pytest.raises(StoreUnavailableError):
            await asked


async def test_stretches_say_where_records_are(store: Store, rng: random.Random) -> None:
    """Every hour of every account group with what it holds, in order; the next hour is another one."""
    hour = ROUND_ID // 3600 * 3600
    records = [
        sample_record(rng, aid=aid, round_id=hour + offset_s)
        for aid in (AID, OTHER_AID)
        for offset_s in (0, 3540, 3600, 3 * 3600)
    ]
    await store.add(USER_SESSIONS, records)
    expected = [
        Stretch(aid, hour + offset_s, number)
        for aid in (OTHER_AID, AID)
        for offset_s, number in ((0, 2), (3600, 1), (3 * 3600, 1))
    ]
    assert await store.stretches(USER_SESSIONS) == expected
    assert await store.stretches(NETWORK_SESSIONS) == []


@pytest.mark.parametrize("kind", [NETWORK_SESSIONS, USER_SESSIONS])
async def test_whole_records_between_rounds_come_in_order(
    store: Store, rng: random.Random, kind: str
) -> None:
    """Both ends belong to it, other account groups do not; each record comes once, with its detail."""
    detail = b'{"a":1}' if KINDS[kind].detail else None
    records = [
        sample_record(rng, aid=aid, round_id=ROUND_ID + 60 * minute)
        for aid in (AID, OTHER_AID)
        for minute in range(50)
        for _ in range(9)
    ]
    records = [msgspec.structs.replace(record, detail=detail) for record in records]
    await store.add(kind, records)
    wanted = [
        record
        for record in sorted(records, key=lambda record: (record.round_id, record.record_id))
        if record.aid == AID and ROUND_ID + 60 <= record.round_id <= ROUND_ID + 48 * 60
    ]
    found = store.records_between(kind, AID, ROUND_ID + 60, ROUND_ID + 48 * 60)
    assert [record async for record in found] == wanted
    assert [record async for record in store.records_between(kind, 5, 0, ROUND_ID * 2)] == []


async def test_who_was_erased_elsewhere_is_refused(store: Store, rng: random.Random) -> None:
    """Digests of erased agents can be taken over from another store; what is there of them stays."""
    records = some(rng, 2)
    await store.add(NETWORK_SESSIONS, records[:1])
    assert await store.erased() == []
    await store.refuse([digest_of(AGENT_ID)])
    await store.refuse([digest_of(AGENT_ID)])
    assert await store.erased() == [digest_of(AGENT_ID)]
    with pytest.raises(ErasedError):
        await store.add(NETWORK_SESSIONS, records[1:])
    assert await bodies(store, question()) == [records[0].body]
