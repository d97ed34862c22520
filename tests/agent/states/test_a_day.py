"""Days of simulated time: whatever machine, network, clock and server do, no loss is made up.

The whole agent runs but for its doors: time, routes, the measuring of one target, and the server. Its
measurements lose every packet that was sent without a network, as those of a naive agent would.
"""

import asyncio
import contextlib
import heapq
import itertools
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from hopsight.agent import instruments, surroundings
from hopsight.agent.delivery.client import Configured, ServerClient
from hopsight.agent.delivery.identity import Identity
from hopsight.agent.delivery.spool import Spool
from hopsight.agent.duties import Duties, Parts
from hopsight.agent.measurement import ASLEEP, Measurement, PingResult
from hopsight.agent.network import Address, Family, Route, TableRoute
from hopsight.agent.pacing import ClockReading
from hopsight.agent.privacy.redaction import Redaction
from hopsight.agent.profile.profile import NetworkProfile
from hopsight.agent.results import ProbeOptions
from hopsight.agent.states import attachment
from hopsight.agent.states.keeper import FILE_NAME, LOOK_S
from hopsight.agent.system_network import SystemNetwork
from hopsight.config import AgentConfig
from hopsight.errors import UploadError
from hopsight.model.agents import AgentInfo, Target
from hopsight.model.ids import round_of
from hopsight.model.states import AgentState
from hopsight.model.upload import AgentConfiguration, UploadAnswer, UploadBatch
from hopsight.testing import AGENT_ID, FakeClock

MEMORY = Path("/dev/shm")
HOUR_S = 3_600.0
NOON_S = 1_760_000_040.0 // 86_400 * 86_400 + 43_200
TARGETS = ("192.0.2.10", "192.0.2.11")
WINDOW_S = 10.0
SEEN_S = LOOK_S + 1
"""How late the start or end of a state is seen."""
HEARTBEAT_S = 61.0
POLL_S = 11.0
BACKOFF_S = 330.0

What = Literal["asleep", "offline", "disabled", "stop", "crash", "step"]


class Happening(Struct, frozen=True):
    """Something that lasts; a step is by so many seconds, and takes no time."""

    what: What
    start_s: float
    length_s: float


class SimulatedClock(FakeClock):
    """Moves on to the next moment that somebody waits for, once nobody has anything left to do."""

    def __init__(self) -> None:
        super().__init__(NOON_S)
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._asked = 0

    async def sleep(self, duration_s: float) -> None:
        """Wait for that moment."""
        self._asked += 1
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (self.monotonic_s + max(duration_s, 0.0), self._asked, woken))
        await woken

    async def pass_time(self, duration_s: float) -> None:
        """Let time pass, awake."""
        until_s = self.monotonic_s + duration_s
        ready = cast("Sequence[object]", vars(asyncio.get_running_loop())["_ready"])
        while True:
            await asyncio.sleep(0)
            if ready:
                continue
            if not self._waiting or self._waiting[0][0] > until_s:
                break
            due_s, _, woken = heapq.heappop(self._waiting)
            self.advance(max(0.0, due_s - self.monotonic_s))
            if not woken.done():
                woken.set_result(None)
        self.advance(max(0.0, until_s - self.monotonic_s))


class AtOnce(ThreadPoolExecutor):
    """Threads would go on by real time."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Do it here and now."""
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - it is the caller's
            done.set_exception(error)
        return done


class World(SystemNetwork):
    """One machine, its network and its server, and the truth about all of them by the boot-time clock."""

    def __init__(self, directory: Path) -> None:
        self.clock = SimulatedClock()
        super().__init__(self.clock)
        self.directory = directory
        self.spool = Spool(directory, self.clock, max_bytes=64 << 20, max_age_s=30 * 86_400)
        self.online = True
        self.away = False
        self.configuration = AgentConfiguration()
        self.measured_at_s: list[float] = []
        self.measured_s: list[float] = []
        self.sessions: dict[str, Any] = {}
        self.states: dict[str, AgentState] = {}
        self.deliveries: Counter[str] = Counter()
        self.life: asyncio.Task[None] | None = None
        # What the local infrastructure is probed with; there is none here.
        self.pings = None

    # The door to the network.

    def routes(self, family: Family) -> list[TableRoute]:
        """A bridge of containers, and on good days a default route."""
        if family != 4:
            return []
        bridge = TableRoute(prefix_length=16, route=Route(interface="docker0"), from_kernel=True, metric=0)
        way = TableRoute(prefix_length=0, route=Route(interface="eth0"), from_kernel=False, metric=0)
        return [bridge, way] if self.online else [bridge]

    def route_to(self, address: Address) -> Route | None:
        """The way to an address."""
        return Route(interface="eth0") if self.online and address.host else None

    # The door to measuring.

    async def measure(self, target: Target, _: ProbeOptions) -> tuple[Measurement, ...]:
        """Ten seconds, in which every packet is lost that meets no network."""
        before = ClockReading.of(self.clock)
        self.measured_at_s.append(before.boottime_s)
        self.measured_s.append(before.wall_s)
        rtts_ms = []
        for _probe in range(10):
            rtts_ms += [20.0] if self.online else []
            await self.clock.sleep(WINDOW_S / 10)
        slept = before.slept_until(ClockReading.of(self.clock))
        return (
            Measurement(
                target=target,
                visited_site=target.host,
                started_at_s=before.wall_s,
                ended_at_s=before.wall_s + WINDOW_S,
                address=target.host,
                ping=PingResult(protocol="icmp", pkts_sent=10, rtts_ms=tuple(rtts_ms)),
                errors=(ASLEEP,) if slept else (),
            ),
        )

    async def aclose(self) -> None:
        """Nothing is open."""

    # The server.

    async def configuration_(self) -> Configured:
        """What the server wants."""
        self._reach()
        return Configured(self.configuration, None)

    async def upload(self, _: object, batch: UploadBatch) -> UploadAnswer:
        """Keep the first record of an ID."""
        self._reach()
        assert self.configuration.enabled
        for session in batch.network_sessions:
            self.deliveries[session.document.user_session_id] += 1
            self.sessions.setdefault(session.document.user_session_id, session.document)
        for state in batch.agent_states:
            self.states.setdefault(state.document.state_id, state.document)
        return UploadAnswer(stored=0, duplicates=0, refused=[])

    def _reach(self) -> None:
        if self.away or not self.online:
            raise UploadError("nobody answers", permanent=False)

    # What happens.

    async def start(self) -> None:
        """Start the agent."""

        async def live() -> None:
            async with Duties.taken_up(self._parts()) as taken:
                await taken.run()

        self.life = asyncio.create_task(live())
        await self.clock.pass_time(0)

    async def stop(self, *, goodbye: bool = True) -> None:
        """Stop it, or let it crash."""
        assert self.life is not None
        path = self.directory / FILE_NAME
        left = path.read_bytes()
        self.life.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.life
        if not goodbye:
            path.write_bytes(left)

    async def happen(self, happening: Happening) -> None:
        """Let it begin, last and end."""
        length_s = happening.length_s
        match happening.what:
            case "asleep":
                self.clock.suspend(length_s)
            case "step":
                self.clock.step(length_s)
            case "offline":
                self.online = False
                await self.clock.pass_time(length_s)
                self.online = True
            case "disabled":
                self.configuration = AgentConfiguration(enabled=False)
                await self.clock.pass_time(length_s)
                self.configuration = AgentConfiguration()
            case "stop" | "crash":
                await self.stop(goodbye=happening.what == "stop")
                await self.clock.pass_time(length_s)
                await self.start()

    def _parts(self) -> Parts:
        world = self

        class Client:
            upload = world.upload

            async def configuration(self, _: object, __: object) -> Configured:
                return await world.configuration_()

        info = AgentInfo(computer_name="c", platform="Linux", os_version="1", kernel_version="1", version="1")
        return Parts(
            config=AgentConfig(data=self.directory, targets=TARGETS),
            directory=self.directory,
            network=self,
            clock=self.clock,
            rng=random.Random(self.clock.monotonic_s),
            options=ProbeOptions(),
            identity=Identity(
                url="http://192.0.2.1:8480",
                key_sha256="",
                enrolment_id="00000000-0000-4000-8000-000000000000",
                secret="s" * 43,
                agent_id=AGENT_ID,
                aid=7625,
            ),
            spool=self.spool,
            client=cast("ServerClient", Client()),
            redaction=Redaction(),
            read_info=lambda: info,
        )


@pytest.fixture(autouse=True)
def _doors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read of the machine that runs the tests."""
    monkeypatch.setattr(attachment, "read_links", lambda: None)
    monkeypatch.setattr(surroundings, "read_profile", lambda *_: NetworkProfile(connection="Other"))
    monkeypatch.setattr(instruments, "Measurer", lambda world, *_, **__: world)


def lived(
    directory: Path,
    happenings: Sequence[Happening],
    away: Sequence[tuple[float, float]],
    until_s: float,
    world_type: type["World"] | None = None,
) -> World:
    """A world in which all that has happened; times are seconds by the boot-time clock from the start."""

    async def live() -> World:
        asyncio.get_running_loop().set_default_executor(AtOnce(1))
        world = (world_type or World)(directory)
        zero_s = world.clock.boottime()
        absent = asyncio.create_task(_absences(world, zero_s, away))
        await world.start()
        for happening in happenings:
            await world.clock.pass_time(max(0.0, zero_s + happening.start_s - world.clock.boottime()))
            await world.happen(happening)
        for _, end_s in away:
            await world.clock.pass_time(max(0.0, zero_s + end_s + 1 - world.clock.boottime()))
        await absent
        # At the least, long enough for the longest wait before a server is tried again.
        await world.clock.pass_time(max(900.0, zero_s + until_s - world.clock.boottime()))
        await world.stop()
        return world

    return asyncio.run(live())


async def _absences(world: World, zero_s: float, away: Sequence[tuple[float, float]]) -> None:
    for start_s, end_s in away:
        for moment_s, absent in ((start_s, True), (end_s, False)):
            while (left_s := zero_s + moment_s - world.clock.boottime()) > 0:
                await world.clock.sleep(min(left_s, 1.0))
            world.away = absent


def check_delivered(world: World) -> None:
    """Everything arrived, once, and nothing of it is a loss that was none."""
    assert world.spool.counts().waiting == 0
    assert world.spool.counts().dropped == world.spool.counts().refused == 0
    assert set(world.deliveries.values()) == {1}
    assert {document.destination.loss_percent for document in world.sessions.values()} == {0.0}
    assert all(state.end_ms > state.start_ms for state in world.states.values())
    world.spool.close()


def lengths_of(world: World) -> dict[str, float]:
    """Seconds of each state."""
    lengths_s: defaultdict[str, float] = defaultdict(float)
    for state in world.states.values():
        lengths_s[state.state] += (state.end_ms - state.start_ms) / 1000
    return dict(lengths_s)


NAMES = {"stop": "stopped", "crash": "stopped"}


def check_lengths(world: World, happenings: Sequence[Happening], poll_s: float = POLL_S) -> None:
    """Each state takes as long as what happened, but for how late it is seen (``poll_s``: disabled)."""
    expected_s: defaultdict[str, float] = defaultdict(float)
    tolerated_s: defaultdict[str, float] = defaultdict(float)
    for happening in happenings:
        if happening.what != "step":
            name = NAMES.get(happening.what, happening.what)
            expected_s[name] += happening.length_s
            tolerated_s[name] += {"crash": HEARTBEAT_S, "disabled": poll_s, "asleep": 0.01}.get(
                happening.what, SEEN_S
            )
    found_s = lengths_of(world)
    found_s.pop("server-unreachable", None)
    assert set(found_s) == set(expected_s)
    for name, length_s in expected_s.items():
        assert found_s[name] == pytest.approx(length_s, abs=tolerated_s[name]), name


def check_rounds(world: World, length_s: float) -> None:
    """Where the wall clock was never set: every round has its sessions, or one state that says why not."""
    rounds = Counter(document.round_id for document in world.sessions.values())
    assert set(rounds.values()) == {len(TARGETS)}
    states = sorted(
        (state for state in world.states.values() if state.state != "server-unreachable"),
        key=lambda state: state.start_ms,
    )
    for earlier, later in itertools.pairwise(states):
        assert earlier.end_ms <= later.start_ms, (earlier, later)
    for round_id in range(round_of(NOON_S), round_of(NOON_S + length_s), 60):
        covered = [
            state
            for state in states
            if state.start_ms < (round_id + 60) * 1000 and state.end_ms > round_id * 1000
        ]
        # A start just before the minute measures at once, and is still at it when the minute begins.
        overrun = any(round_id - WINDOW_S - 1 < start_s <= round_id for start_s in world.measured_s)
        assert covered or rounds[round_id] or overrun, round_id
        # A second more: what starts as the round ends may be a rounding error early.
        if any(
            state.start_ms <= round_id * 1000 and state.end_ms >= (round_id + 61) * 1000 for state in covered
        ):
            assert not rounds[round_id], covered


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is such a place: days of disk writes take their time."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else tmp_path) as made:
        yield Path(made)


def test_a_day_with_everything_in_it(directory: Path) -> None:
    """Sleep, no network, an operator who disables it, stops, a crash, and a server that is away for hours."""
    happenings = [
        Happening("asleep", 0.5 * HOUR_S + 3, 1_200),
        Happening("offline", 1.5 * HOUR_S + 33, 1_900),
        Happening("disabled", 3 * HOUR_S, 2_000),
        Happening("stop", 4 * HOUR_S + 15, 700),
        Happening("offline", 5 * HOUR_S + 2, 5),
        Happening("crash", 6 * HOUR_S + 25, 600),
        Happening("asleep", 7 * HOUR_S + 7, 4),
        Happening("offline", 11.5 * HOUR_S, 2 * HOUR_S),
        Happening("asleep", 14 * HOUR_S, 7 * HOUR_S),
        Happening("disabled", 22 * HOUR_S + 41, 61),
        Happening("offline", 23 * HOUR_S, 300),
    ]
    world = lived(
        directory, happenings, [(8 * HOUR_S, 11 * HOUR_S), (13.9 * HOUR_S, 21.5 * HOUR_S)], 24 * HOUR_S
    )
    check_delivered(world)
    check_lengths(world, happenings)
    check_rounds(world, 24 * HOUR_S)
    assert lengths_of(world)["server-unreachable"] == pytest.approx(3.6 * HOUR_S, abs=600)
    assert max(world.measured_at_s) - min(world.measured_at_s) > 23 * HOUR_S


_KINDS = st.sampled_from(["asleep", "offline", "disabled", "stop", "crash"])
# Over a minute: a shorter stop has its round measured twice, and what is shorter than a look goes unseen.
_TIMES = st.tuples(st.integers(200, 1_500), st.integers(61, 2_500))


def one_after_the_other(
    drawn: Sequence[tuple[str, tuple[int, int]]], away: tuple[float, float]
) -> list[Happening]:
    """Each begins some minutes after the end of the one before."""
    start_s, happenings = 0.0, []
    for what, (pause_s, length_s) in drawn:
        start_s += pause_s
        # What an agent cannot be told of, it cannot know.
        told = start_s + length_s < away[0] or start_s > away[1] + 120
        happenings.append(
            Happening(cast("What", what if told or what != "disabled" else "stop"), start_s, length_s)
        )
        start_s += length_s
    return happenings


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    drawn=st.lists(st.tuples(_KINDS, _TIMES), min_size=3, max_size=8),
    away=st.tuples(st.integers(0, 9_000), st.integers(1, 9_000)),
)
def test_hours_of_anything(
    directory: Path, drawn: list[tuple[str, tuple[int, int]]], away: tuple[int, int]
) -> None:
    """In whatever order, and with a server that is away at any time: each gap has one state."""
    absence = (away[0], away[0] + away[1])
    happenings = one_after_the_other(drawn, absence)
    until_s = happenings[-1].start_s + happenings[-1].length_s + 900
    with tempfile.TemporaryDirectory(dir=directory) as own:
        world = lived(Path(own), happenings, [absence], until_s)
        check_delivered(world)
        # A server that was away, or out of reach, is asked again after a longer wait.
        check_lengths(world, happenings, poll_s=BACKOFF_S)
        check_rounds(world, until_s)


def test_a_day_of_set_clocks(directory: Path) -> None:
    """Set forward and back, measuring, offline and asleep: lengths hold, and hardly a round is missed."""
    happenings = [
        Happening("step", 1 * HOUR_S + 3, 7_200),
        Happening("offline", 2 * HOUR_S, 1_800),
        Happening("step", 3 * HOUR_S + 33, -10_800),
        Happening("asleep", 4 * HOUR_S, 3_600),
        Happening("step", 4 * HOUR_S + 3_600, 86_400 * 3),
        Happening("disabled", 6 * HOUR_S, 900),
        Happening("step", 7 * HOUR_S, -86_400 * 3),
        Happening("stop", 8 * HOUR_S, 1_200),
        Happening("step", 9 * HOUR_S, -0.7),
        Happening("step", 9.5 * HOUR_S, 3_600),
    ]
    world = lived(directory, happenings, [(6.5 * HOUR_S, 10 * HOUR_S)], 12 * HOUR_S)
    check_delivered(world)
    check_lengths(world, happenings)
    gaps_s = [later - earlier for earlier, later in itertools.pairwise(world.measured_at_s)]
    long_s = [gap_s for gap_s in gaps_s if gap_s > 60 + WINDOW_S]
    # Offline, asleep, disabled and stopped; a set clock costs a round of its own at most.
    assert sum(gap_s > 130 for gap_s in long_s) == 4
    assert len(long_s) <= 4 + 6


def test_a_clock_set_while_offline_keeps_its_length(directory: Path) -> None:
    """However often."""
    world_at: list[Happening] = [Happening("step", 1_000, 5_000), Happening("offline", 2_000, 1_500)]

    class Stepping(World):
        async def happen(self, happening: Happening) -> None:
            """Set the clock in the midst of being offline, too."""
            if happening.what == "offline":
                stepping = asyncio.create_task(self._step())
                await super().happen(happening)
                await stepping
            else:
                await super().happen(happening)

        async def _step(self) -> None:
            for by_s in (4_000.0, -9_000.0, 0.9):
                await self.clock.sleep(300)
                self.clock.step(by_s)

    world = lived(directory, world_at, [], 5_000, Stepping)
    check_delivered(world)
    check_lengths(world, world_at)
    assert len(world.states) == 4
