"""Uploading over real HTTP: what is kept, what is let go, and when to try again."""

import asyncio
import contextlib
import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from hopsight.agent.delivery.backoff import Backoff
from hopsight.agent.delivery.client import Configured, Credentials, ServerClient
from hopsight.agent.delivery.configuration import Configuration
from hopsight.agent.delivery.spool import Spool
from hopsight.agent.delivery.upload import REFUSED_IN_A_ROW, Uploader, UploadHooks
from hopsight.errors import UploadError
from hopsight.model.agents import AgentInfo, Target
from hopsight.model.upload import AgentConfiguration, AgentUsage, MeasurementContext, NetworkSessionRecord
from hopsight.testing import AGENT_ID, FakeClock

pytestmark = pytest.mark.anyio

INFO = AgentInfo(computer_name="here", platform="Linux", os_version="12", kernel_version="6", version="1")
HOME = MeasurementContext(ssid="home")
OFFICE = MeasurementContext(ssid="office")
CREDENTIALS = Credentials(AGENT_ID, "s" * 43)
Make = Callable[..., list[NetworkSessionRecord]]
Fail = Callable[..., web.Response]


@pytest.fixture
def uploader(client: ServerClient, spool: Spool, clock: FakeClock) -> Uploader:
    return Uploader(
        client,
        CREDENTIALS,
        spool=spool,
        info=lambda: INFO,
        may_send=lambda: True,
        clock=clock,
        rng=random.Random(1),
    )


async def until(happened: Callable[[], bool]) -> None:
    """Wait, but not for ever."""
    async with asyncio.timeout(10):
        while not happened():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


def names(records: list[NetworkSessionRecord]) -> set[str]:
    return {record.document.user_session_id for record in records}


async def test_everything_is_delivered_in_batches(
    server: Any, spool: Spool, uploader: Uploader, make_records: Make
) -> None:
    """Batches of 500 with the context of each record; the machine is introduced once."""
    first, second = make_records(700, 1), make_records(400, 2)
    spool.append(first, HOME)
    spool.append(second, OFFICE)
    assert await uploader.drain() == 1_100
    assert server.sizes == [500, 500, 100]
    assert server.stored == names(first + second)
    assert server.contexts == [HOME] * 700 + [OFFICE] * 400
    assert server.infos == [INFO]
    assert spool.is_empty()


async def test_a_lost_answer_doubles_nothing(
    server: Any, spool: Spool, uploader: Uploader, make_records: Make
) -> None:
    """The same records are sent again, and the server knows them."""
    records = make_records(3)
    spool.append(records, HOME)
    server.lose_answers = 1
    with pytest.raises(UploadError) as caught:
        await uploader.drain()
    assert not caught.value.permanent
    assert spool.counts().waiting == 3
    assert await uploader.drain() == 3
    assert server.stored == names(records)
    assert set(server.seen.values()) == {2}


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 503, 302])
async def test_no_record_is_dropped_for_a_passing_failure(
    server: Any, spool: Spool, uploader: Uploader, make_records: Make, make_failure: Fail, status: int
) -> None:
    """Wrong credentials count as passing: the server may have been restored from a backup."""
    spool.append(make_records(2), HOME)
    server.failures = [make_failure(status, "not now")]
    with pytest.raises(UploadError, match=f"{status}: not now") as caught:
        await uploader.drain()
    assert (caught.value.permanent, caught.value.status) == (False, status)
    assert spool.counts().waiting == 2


async def test_a_captive_portal_acknowledges_nothing(
    server: Any, spool: Spool, uploader: Uploader, make_records: Make
) -> None:
    """A 200 that is no answer of ours is no answer."""
    spool.append(make_records(2), HOME)
    server.failures = [web.Response(text="<html>Welcome to our Wi-Fi</html>", content_type="text/html")]
    with pytest.raises(UploadError, match="not a Hopsight server"):
        await uploader.drain()
    assert spool.counts().waiting == 2


async def test_an_endless_answer_is_cut(
    server: Any, spool: Spool, uploader: Uploader, make_records: Make
) -> None:
    """Reading stops at the bound."""
    spool.append(make_records(1), HOME)
    server.failures = [web.Response(body=bytes(5 << 20))]
    with pytest.raises(UploadError, match="more than"):
        await uploader.drain()


async def test_retry_after_is_told(
    server: Any, spool: Spool, uploader: Uploader, make_records: Make, make_failure: Fail
) -> None:
    """Seconds are believed, within a bound."""
    spool.append(make_records(1), HOME)
    for given, told in (("17", 17.0), ("99999999", 3_600.0), ("soon", None)):
        server.failures = [make_failure(429, "slow down", {"Retry-After": given})]
        with pytest.raises(UploadError) as caught:
            await uploader.drain()
        assert caught.value.retry_after_s == told


async def test_too_large_batches_are_halved(
    server: Any, spool: Spool, uploader: Uploader, make_records: Make
) -> None:
    """Down to what the server takes, and nothing is lost."""
    records = make_records(300)
    spool.append(records, HOME)
    server.most_records = 100
    assert await uploader.drain() == 300
    assert server.stored == names(records)
    assert spool.counts().refused == 0


@pytest.mark.parametrize("status", [400, 413, 415])
async def test_one_record_at_fault_is_found_and_the_others_go_on(
    server: Any, spool: Spool, uploader: Uploader, make_records: Make, status: int
) -> None:
    """A batch that is refused whole is halved until the one is alone."""
    records = make_records(40)
    bad = records[17].document.user_session_id
    server.reject = lambda batch: status if bad in names(batch.network_sessions) else None
    spool.append(records, HOME)
    assert await uploader.drain() == 39
    assert server.stored == names(records) - {bad}
    assert (spool.counts().waiting, spool.counts().refused) == (0, 1)


async def test_what_the_machine_says_is_given_up_before_a_record_is(
    server: Any, spool: Spool, uploader: Uploader, make_records: Make
) -> None:
    """A refusal that the introduction caused costs no record."""
    server.reject = lambda batch: 400 if batch.agent is not None else None
    spool.append(make_records(5), HOME)
    assert await uploader.drain() == 5
    assert spool.counts().refused == 0


async def test_when_everything_is_refused_little_is_given_up(
    server: Any, spool: Spool, uploader: Uploader, make_records: Make
) -> None:
    """It stops after a few: more likely something in between is broken."""
    server.reject = lambda _: 400
    spool.append(make_records(50), HOME)
    with pytest.raises(UploadError, match="every record is refused"):
        await uploader.drain()
    assert spool.counts().waiting == 50 - REFUSED_IN_A_ROW


async def test_records_refused_one_by_one_are_put_aside(
    server: Any, spool: Spool, uploader: Uploader, make_records: Make
) -> None:
    """The good ones of the batch are acknowledged."""
    records = make_records(10)
    bad = {records[0].document.user_session_id, records[9].document.user_session_id}
    server.refuse = lambda name: name in bad
    spool.append(records, HOME)
    assert await uploader.drain() == 8
    assert server.stored == names(records) - bad
    assert (spool.counts().waiting, spool.counts().refused) == (0, 2)


async def test_refusals_are_matched_by_kind_and_place(
    server: Any, spool: Spool, uploader: Uploader, make_each_kind: Callable[..., list[Any]]
) -> None:
    """All kinds travel in one batch; that of each kind which the server refuses is put aside, no other."""
    records = [make_each_kind(seed) for seed in range(3)]
    for each in records:
        spool.append(each, HOME)
    # The user session and the state of a seed have the same ID: both are refused, each in its own list.
    bad = {records[1][1].document.user_session_id, records[2][2].document.network_probe_id}
    server.refuse = lambda name: name in bad
    assert await uploader.drain() == 9
    assert (spool.counts().waiting, spool.counts().refused) == (0, 3)
    stored = {kind: len(documents) for kind, documents in server.by_kind.items()}
    assert stored == {"network-sessions": 3, "user-sessions": 2, "network-probes": 2, "agent-states": 2}


async def test_who_wants_to_know_of_an_upload_is_told(
    client: ServerClient,
    server: Any,
    spool: Spool,
    clock: FakeClock,
    make_records: Make,
    make_failure: Fail,
) -> None:
    """Usage goes out; what was sent is noted once it is acknowledged; addresses and failures are told."""
    told: list[object] = []
    usage = AgentUsage(resident_bytes=5, cpu_fraction=0.5)
    uploader = Uploader(
        client,
        CREDENTIALS,
        spool=spool,
        info=lambda: INFO,
        may_send=lambda: True,
        clock=clock,
        rng=random.Random(1),
        hooks=UploadHooks(
            usage=lambda: usage,
            sent=lambda batch, answer: told.append((len(batch.network_sessions), answer.stored)),
            reached=lambda answer: told.append(answer.public_address),
            failed=told.append,
        ),
    )
    server.public_address = "192.0.2.7"
    spool.append(make_records(2), HOME)
    server.failures = [make_failure(503, "away")]
    with pytest.raises(UploadError):
        await uploader.drain()
    assert told == ["POST /agent/v1/upload: 503: away"]
    await uploader.drain()
    assert told[1:] == ["192.0.2.7", (2, 2)]
    assert server.usages == [usage]


async def test_a_disabled_agent_sends_nothing(
    client: ServerClient, server: Any, spool: Spool, clock: FakeClock, make_records: Make
) -> None:
    """Its records wait."""
    spool.append(make_records(1), HOME)
    uploader = Uploader(
        client,
        CREDENTIALS,
        spool=spool,
        info=lambda: INFO,
        may_send=lambda: False,
        clock=clock,
        rng=random.Random(1),
    )
    assert await uploader.drain() == 0
    assert server.sizes == []


async def test_a_server_away_for_hours_gets_all_when_it_is_back(
    server: Any, spool: Spool, uploader: Uploader, clock: FakeClock, make_records: Make, make_failure: Fail
) -> None:
    """Attempts grow rarer while it is away; then everything goes at once."""
    records = make_records(1_200)
    spool.append(records, HOME)
    server.failures = [make_failure(503, "away") for _ in range(40)]
    started_s = clock.monotonic()
    first_round = asyncio.Event()
    first_round.set()
    running = asyncio.create_task(uploader.run(first_round))
    try:
        await until(lambda: bool(server.stored))
        away_s = clock.monotonic() - started_s
        await until(lambda: len(server.stored) == 1_200)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    assert away_s > 40 * 100
    assert server.stored == names(records)


async def test_nobody_at_the_address_is_a_passing_failure() -> None:
    """The error says where nobody was."""
    async with ServerClient("http://127.0.0.1:9", timeout_s=5) as client:
        with pytest.raises(UploadError, match=r"127\.0\.0\.1:9") as caught:
            await client.configuration(CREDENTIALS, None)
    assert (caught.value.permanent, caught.value.status) == (False, None)


def test_back_off_grows_scatters_and_obeys() -> None:
    """Between half and all of a doubling limit; never under what the server asked for."""
    for seed in range(50):
        backoff = Backoff(random.Random(seed), first_s=4, longest_s=60)
        for limit_s in (4, 8, 16, 32, 60, 60):
            assert limit_s / 2 <= backoff.next_s() <= limit_s
        assert 100 <= backoff.next_s(100) <= 160
        backoff.reset()
        assert backoff.next_s() <= 4


async def test_configuration_is_kept_for_a_start_without_server(
    client: ServerClient, server: Any, tmp_path: Path, make_failure: Fail
) -> None:
    """What the server said last holds until it says something else."""
    await Configuration(tmp_path, client, CREDENTIALS).refresh()
    restarted = Configuration(tmp_path, client, CREDENTIALS)
    server.failures = [make_failure(503, "away")]
    with pytest.raises(UploadError):
        await restarted.refresh()
    assert restarted.current.targets == (Target(host="127.0.0.1"),)


async def test_configuration_is_asked_for_by_its_tag(
    client: ServerClient, server: Any, tmp_path: Path
) -> None:
    """Unchanged, it does not travel again; changed, it does."""
    configuration = Configuration(tmp_path, client, CREDENTIALS)
    await configuration.refresh()
    await configuration.refresh()
    assert server.etags[0] is None
    assert server.etags[1] is not None
    server.configuration = AgentConfiguration(enabled=False)
    await configuration.refresh()
    assert not configuration.current.enabled


class Asked(ServerClient):
    """A server that is away at times; notes when it was asked."""

    def __init__(self, clock: FakeClock, away: range) -> None:
        self.clock = clock
        self.away = away
        self.times_s: list[float] = []
        self.answer = AgentConfiguration()

    async def configuration(self, credentials: Credentials, etag: str | None) -> Configured | None:
        """Answer, or not."""
        self.times_s.append(self.clock.monotonic())
        if len(self.times_s) in self.away:
            raise UploadError(f"nobody answers {credentials.agent_id}", permanent=False)
        return Configured(self.answer, etag)


async def asked(tmp_path: Path, client: Asked, times: int) -> tuple[Configuration, list[str | None]]:
    """A configuration that was asked for so often, and what was heard."""
    configuration = Configuration(tmp_path, client, CREDENTIALS)
    heard: list[str | None] = []
    running = asyncio.create_task(
        configuration.run(
            client.clock,
            random.Random(1),
            lambda error: heard.append(None if error is None else str(error)),
        )
    )
    await until(lambda: len(client.times_s) >= times)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    return configuration, heard


async def test_configuration_is_never_older_than_the_server_wants(tmp_path: Path, clock: FakeClock) -> None:
    """Every ten seconds unless it says otherwise, scattered, and never later."""
    client = Asked(clock, range(0))
    started_s = clock.monotonic()
    await asked(tmp_path, client, 50)
    waits_s = [later - earlier for earlier, later in itertools.pairwise([started_s, *client.times_s])]
    assert max(waits_s) <= 10
    assert min(waits_s[1:]) >= 9
    assert len({round(wait_s, 3) for wait_s in waits_s}) > 40
    client.times_s.clear()
    client.answer = AgentConfiguration(poll_s=60)
    await asked(tmp_path, client, 5)
    assert 54 <= client.times_s[4] - client.times_s[3] <= 60


async def test_an_absent_server_is_asked_more_rarely_but_for_no_longer_than_a_minute(
    tmp_path: Path, clock: FakeClock
) -> None:
    """And those who want to know are told of each failure, and of its end."""
    client = Asked(clock, range(3, 20))
    _, heard = await asked(tmp_path, client, 25)
    waits_s = [later - earlier for earlier, later in itertools.pairwise(client.times_s)]
    assert max(waits_s) <= 60
    assert min(waits_s[6:18]) >= 30
    assert max(waits_s[20:]) <= 10
    assert [error is None for error in heard[:22]] == [number not in client.away for number in range(1, 23)]


@pytest.mark.parametrize("content", [b"", b"{}x", b'{"configuration": 5}', b"\xff"])
def test_a_damaged_kept_configuration_is_as_none(tmp_path: Path, content: bytes) -> None:
    """The defaults hold until the server is asked."""
    (tmp_path / "configuration.json").write_bytes(content)
    kept = Configuration.__new__(Configuration)
    kept._path = tmp_path / "configuration.json"
    kept._credentials = CREDENTIALS
    assert kept._read().configuration == AgentConfiguration()
