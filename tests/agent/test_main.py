"""The agent put together, measuring loopback and talking to a server over real HTTP."""

import asyncio
import platform
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from hopsight.agent.delivery.identity import load_identity
from hopsight.agent.delivery.sent import read_sent
from hopsight.agent.delivery.spool import Spool
from hopsight.agent.main import Agent, create_agent
from hopsight.agent.network import Family, IcmpSocket
from hopsight.agent.results import ProbeOptions
from hopsight.agent.states.states import STOPPED
from hopsight.agent.status import StatusFile
from hopsight.agent.system_network import SystemNetwork
from hopsight.clock import SystemClock
from hopsight.config import AgentConfig
from hopsight.errors import (
    ConfigError,
    ConflictError,
    InvalidValueError,
    ProbeUnavailableError,
    UploadError,
)
from hopsight.model.agents import Target
from hopsight.model.upload import AgentConfiguration, UploadBatch

pytestmark = pytest.mark.anyio

QUICK = ProbeOptions(count=2, interval_s=0.05, timeout_s=0.2)
Fail = Callable[..., web.Response]


class NoIcmp(SystemNetwork):
    """A machine on which nobody may ping."""

    def open_icmp(self, family: Family, identifier: int) -> IcmpSocket:
        """Refuse."""
        raise ProbeUnavailableError(f"ICMP is not allowed here over IPv{family}: {identifier >= 0}")


def agent_for(
    server: Any, data: Path, network: type[SystemNetwork] = SystemNetwork, **settings: Any
) -> Agent:
    """An agent that measures loopback alone."""
    clock = SystemClock()
    given = {"connection_string": server.connection_string(), "targets": ("127.0.0.1",)} | settings
    # The gateway of the machine that runs the tests is not theirs to probe.
    config = AgentConfig(data=data, topology=False, **given)
    return create_agent(config, network(clock), clock, random.Random(), QUICK)


def waiting(data: Path) -> int:
    """Records in the spool."""
    spool = Spool(data / "agent", SystemClock(), max_bytes=256 << 20, max_age_s=86_400)
    try:
        return spool.counts().waiting
    finally:
        spool.close()


async def test_one_round_is_measured_and_delivered(server: Any, tmp_path: Path) -> None:
    """With the context of this machine; the second start needs no connection string."""
    assert await agent_for(server, tmp_path, location="Lab", agent_name="probe").run_once()
    assert await agent_for(server, tmp_path, connection_string=None).run_once()
    assert len(server.stored) == 2
    assert len(server.enrolled) == 1
    assert [context.location for context in server.contexts] == ["Lab", None]
    assert [info.agent_name for info in server.infos] == ["probe", None]
    assert waiting(tmp_path) == 0


async def test_a_session_comes_with_its_way_and_verdict(server: Any, tmp_path: Path) -> None:
    """The user session has the ID of the network session; what was sent can be looked at."""
    assert await agent_for(server, tmp_path).run_once()
    (user,) = server.by_kind["user-sessions"].values()
    assert set(server.by_kind["user-sessions"]) == server.stored
    assert user.detail.verdict is not None
    assert user.detail.segments != ()
    (sent,) = read_sent(tmp_path / "agent", 10)
    assert msgspec.json.decode(sent.batch, type=UploadBatch).user_sessions == [user]
    assert server.usages[0].resident_bytes > 1 << 20


async def test_what_is_not_to_be_told_is_not_even_spooled(
    server: Any, tmp_path: Path, make_failure: Fail
) -> None:
    """Neither in a record, nor with its machine's introduction."""
    server.failures = []
    hidden = ("visited-site", "destination", "computer-name", "user-names")
    assert await agent_for(server, tmp_path, redact=hidden, targets=("localhost",)).run_once()
    server.failures = [make_failure(503, "away"), make_failure(503, "away")]
    assert not await agent_for(server, tmp_path, redact=hidden, targets=("localhost",)).run_once()
    on_disk = b"".join(path.read_bytes() for path in (tmp_path / "agent").glob("spool.db*"))
    assert b"userSessionId" in on_disk
    assert b"localhost" not in on_disk
    (info,) = server.infos
    assert info.computer_name != platform.node()
    assert "localhost" not in {record.visited_site for record in server.by_kind["network-sessions"].values()}


async def test_the_status_says_what_the_agent_does(server: Any, tmp_path: Path) -> None:
    """After a round: targets, what waits, and what is not told."""
    assert await agent_for(server, tmp_path, redact=("ssid",)).run_once()
    status = StatusFile(tmp_path / "agent").read()
    assert status is not None
    assert [target.target for target in status.targets] == ["127.0.0.1"]
    assert (status.aid, status.enabled, status.redactions) == (7625, True, ("ssid",))
    assert status.last_round_s is not None


async def test_a_running_agent_leaves_its_sign_of_life(server: Any, tmp_path: Path) -> None:
    """Stopped and started again, it has been stopped in between; run once, it has no states."""
    for _ in range(2):
        agent = agent_for(server, tmp_path)
        running = asyncio.create_task(agent.run())
        async with asyncio.timeout(10):
            wanted = len(server.stored) + 1
            while len(server.stored) < wanted:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
        agent.stop()
        await running
        await asyncio.sleep(1.1)
    assert await agent_for(server, tmp_path).run_once()
    (state,) = server.by_kind["agent-states"].values()
    assert (state.document.state, state.document.reason) == ("stopped", STOPPED)


async def test_without_icmp_it_says_so_once_and_measures_by_tcp(server: Any, tmp_path: Path) -> None:
    """Who may not ping is told how to be allowed to, once and not with every target or round."""
    agent = agent_for(server, tmp_path, NoIcmp, targets=("127.0.0.1", "127.0.0.2"))
    with capture_logs() as logs:
        assert await agent.run_once()
    told = [entry["reason"] for entry in logs if entry["event"] == "measuring by TCP alone"]
    assert told == ["ICMP is not allowed here over IPv4: True"]
    assert len(server.stored) == 2


async def test_what_was_not_delivered_waits_for_the_next_time(
    server: Any, tmp_path: Path, make_failure: Fail
) -> None:
    """Without the server the kept configuration says what to measure."""
    server.configuration = AgentConfiguration(targets=server.configuration.targets)
    assert await agent_for(server, tmp_path, targets=()).run_once()
    server.failures = [make_failure(503, "away"), make_failure(503, "away")]
    assert not await agent_for(server, tmp_path, targets=()).run_once()
    # The network session and the user session with its detail.
    assert waiting(tmp_path) == 2
    assert await agent_for(server, tmp_path, targets=()).run_once()
    assert len(server.stored) == 3
    assert set(server.seen.values()) == {1}


async def test_nothing_is_measured_before_enrolment(server: Any, tmp_path: Path, make_failure: Fail) -> None:
    """A record needs its agent's ID; the error says what the server said."""
    server.failures = [make_failure(503, "away")]
    with pytest.raises(UploadError, match="away"):
        await agent_for(server, tmp_path).run_once()
    assert server.stored == set()


async def test_a_disabled_agent_measures_nothing(server: Any, tmp_path: Path) -> None:
    """It only asks whether it still is."""
    server.configuration = AgentConfiguration(enabled=False)
    assert await agent_for(server, tmp_path).run_once()
    assert server.stored == set()
    assert server.etags != []


async def test_the_first_round_is_delivered_at_once_and_stopping_is_quick(
    server: Any, tmp_path: Path
) -> None:
    """A newcomer sees data within seconds."""
    agent = agent_for(server, tmp_path)
    running = asyncio.create_task(agent.run())
    async with asyncio.timeout(10):
        while not server.stored:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
    agent.stop()
    async with asyncio.timeout(3):
        await running
    assert waiting(tmp_path) == 0


async def test_stopping_does_not_wait_for_a_server_that_does_not_answer(server: Any, tmp_path: Path) -> None:
    """Also in the midst of enrolling."""
    agent = agent_for(server, tmp_path)
    server.failures = [web.Response(status=503) for _ in range(100)]
    running = asyncio.create_task(agent.run())
    await asyncio.sleep(0.1)
    agent.stop()
    async with asyncio.timeout(3):
        await running


async def test_two_agents_do_not_share_a_directory(server: Any, tmp_path: Path) -> None:
    """The second is told so, and the first goes on."""
    first = agent_for(server, tmp_path)
    with pytest.raises(ConflictError, match="already running"):
        agent_for(server, tmp_path)
    assert await first.run_once()


async def test_another_account_group_means_a_new_agent_and_an_empty_spool(
    server: Any, tmp_path: Path, make_failure: Fail
) -> None:
    """The old records could never be accepted."""
    assert await agent_for(server, tmp_path).run_once()
    server.failures = [make_failure(503, "away"), make_failure(503, "away")]
    assert not await agent_for(server, tmp_path).run_once()
    other = server.connection_string(key="k" * 40)
    assert await agent_for(server, tmp_path, connection_string=other).run_once()
    assert len(server.enrolled) == 2
    assert len(server.stored) == 2


async def test_a_failed_start_lets_go_of_the_directory(server: Any, tmp_path: Path) -> None:
    """Each wrong setting is named, and the next start is not locked out."""
    with pytest.raises(InvalidValueError, match="target"):
        agent_for(server, tmp_path, targets=("no such target",))
    with pytest.raises(ConfigError, match="spool-bytes"):
        agent_for(server, tmp_path, spool_bytes=5)
    assert await agent_for(server, tmp_path).run_once()


@pytest.mark.parametrize("answered", [True, False])
async def test_an_agent_run_once_learns_that_it_was_moved(
    server: Any, tmp_path: Path, answered: bool, make_failure: Fail
) -> None:
    """Before it measures anything; it remembers it, also for a time without the server."""
    assert await agent_for(server, tmp_path).run_once()
    before = set(server.stored)
    server.configuration = AgentConfiguration(targets=(Target(host="127.0.0.1"),), aid=4_242)
    assert await agent_for(server, tmp_path).run_once()
    moved = server.stored - before
    assert moved
    assert all(record_id.startswith("04242:") for record_id in moved)
    identity = load_identity(tmp_path / "agent")
    assert identity is not None
    assert identity.aid == 4_242
    server.failures = [] if answered else [make_failure(503, "away")]
    assert await agent_for(server, tmp_path).run_once()
    assert all(record_id.startswith("04242:") for record_id in server.stored - before)


async def test_an_agent_that_was_moved_goes_on_in_its_new_account_group(server: Any, tmp_path: Path) -> None:
    """It learns of it when it asks what to do, and from then on its records bear the new group's ID."""
    targets = (Target(host="127.0.0.1"),)
    server.configuration = AgentConfiguration(targets=targets, aid=4_242)
    agent = agent_for(server, tmp_path)
    running = asyncio.create_task(agent.run())
    async with asyncio.timeout(20):
        while not any(record_id.startswith("04242:") for record_id in server.stored):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    agent.stop()
    await running
    identity = load_identity(tmp_path / "agent")
    assert identity is not None
    assert identity.aid == 4_242
