"""Rounds: when they run, whatever clock, machine and targets do."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import pytest

from hopsight.agent.measurement import Measurement
from hopsight.agent.rounds import Rounds, RoundWork
from hopsight.agent.surroundings import MAX_TARGETS, check_targets, default_targets, distinct
from hopsight.errors import InvalidValueError
from hopsight.model.agents import Target
from hopsight.testing import FakeClock

pytestmark = pytest.mark.anyio

MINUTE_S = 1_760_000_040.0  # divisible by 60


async def until_then_cancel(happened: Callable[[], bool], running: "asyncio.Task[None]") -> None:
    """Wait, but not for ever."""
    try:
        async with asyncio.timeout(10):
            while not happened():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


class Work:
    """Rounds whose measurements take as long as told."""

    def __init__(self, clock: FakeClock, count: int = 1) -> None:
        self.clock = clock
        self.wanted = tuple(Target(host=f"127.0.0.{number + 1}") for number in range(count))
        self.starts_s: list[float] = []
        self.kept: list[Measurement] = []
        self.takes_s = 10.0
        self.families = 1
        self.during: Callable[[], None] = lambda: None

    async def targets(self) -> Sequence[Target]:
        """Note that a round starts."""
        self.starts_s.append(self.clock.now())
        return self.wanted

    async def measure(self, target: Target) -> Sequence[Measurement]:
        """Take the time that was told."""
        started_s = self.clock.now()
        if target == self.wanted[0]:
            self.during()
            await self.clock.sleep(self.takes_s)
        found = Measurement(
            target=target, visited_site=target.host, started_at_s=started_s, ended_at_s=self.clock.now()
        )
        return [found] * self.families

    async def keep(self, measurements: Sequence[Measurement]) -> None:
        """Collect."""
        self.kept += measurements

    async def run(self, rounds: int) -> list[float]:
        """When so many rounds started."""
        running = asyncio.create_task(
            Rounds(RoundWork(self.targets, self.measure, self.keep), self.clock).run()
        )
        await until_then_cancel(lambda: len(self.starts_s) >= rounds, running)
        return self.starts_s[:rounds]


async def test_the_first_round_starts_at_once_and_the_others_with_the_minute() -> None:
    """A newcomer need not wait for the minute."""
    clock = FakeClock(MINUTE_S + 17)
    starts_s = await Work(clock).run(4)
    assert [start - MINUTE_S for start in starts_s] == [17, 60, 120, 180]


async def test_an_overrun_round_skips_instead_of_overlapping() -> None:
    """The next one starts with the first minute that is free."""
    work = Work(FakeClock(MINUTE_S))
    work.takes_s = 130
    starts_s = await work.run(3)
    assert [start - MINUTE_S for start in starts_s] == [0, 180, 360]


async def test_a_machine_that_slept_does_not_catch_up() -> None:
    """Waking within a minute, it waits for the next."""
    clock = FakeClock(MINUTE_S)
    work = Work(clock)
    work.during = lambda: clock.suspend(3_600 + 7) if len(work.starts_s) == 2 else None
    starts_s = await work.run(4)
    assert [start - MINUTE_S for start in starts_s] == [0, 60, 3_720, 3_780]


async def test_a_machine_that_wakes_just_before_a_minute_measures_in_it() -> None:
    """However its last wait before the sleep lay."""
    for slept_s in range(3_600, 3_660):
        clock = FakeClock(MINUTE_S)
        work = Work(clock)

        class Sleepy(FakeClock):
            slept = False

            async def sleep(self, duration_s: float, slept_s: int = slept_s) -> None:
                if self.now() - MINUTE_S > 30 and not self.slept:
                    self.slept = True
                    self.suspend(slept_s)
                await super().sleep(duration_s)

        work.clock = clock = Sleepy(MINUTE_S)
        starts_s = await work.run(2)
        awake_s = 31 + slept_s
        assert 0 < starts_s[1] - MINUTE_S - awake_s < 70


async def test_a_clock_set_back_does_not_stop_measuring() -> None:
    """An hour back is not an hour of waiting."""
    clock = FakeClock(MINUTE_S)
    work = Work(clock)
    work.during = lambda: clock.step(-3_600) if len(work.starts_s) == 2 else None
    monotonic_s = clock.monotonic()
    await work.run(4)
    assert clock.monotonic() - monotonic_s < 240


async def test_a_clock_set_while_waiting_is_noticed() -> None:
    """Set forward, no round is made up for; the next starts with a minute."""
    clock = FakeClock(MINUTE_S)
    stepped = False

    class Stepping(FakeClock):
        async def sleep(self, duration_s: float) -> None:
            nonlocal stepped
            await super().sleep(duration_s)
            if not stepped and duration_s == 5:
                stepped = True
                self.step(1_000)

    clock = Stepping(MINUTE_S)
    starts_s = await Work(clock).run(3)
    assert all((start - MINUTE_S) % 60 == 0 for start in starts_s)
    assert starts_s[1] - starts_s[0] == 1_020


async def test_a_clock_that_was_never_set_dates_nothing() -> None:
    """What cannot be dated is not recorded."""
    work = Work(FakeClock(86_400.0))
    rounds = Rounds(RoundWork(work.targets, work.measure, work.keep), work.clock)
    assert await rounds.run_once() == 0
    assert work.starts_s == []


async def test_all_targets_are_measured_and_kept() -> None:
    """Each once."""
    work = Work(FakeClock(MINUTE_S), count=1_000)
    assert await Rounds(RoundWork(work.targets, work.measure, work.keep), work.clock).run_once() == 1_000
    assert {measurement.visited_site for measurement in work.kept} == {target.host for target in work.wanted}
    assert len(work.kept) == 1_000


async def test_every_finding_of_a_target_is_kept() -> None:
    """A name with both families is measured by both."""
    work = Work(FakeClock(MINUTE_S), count=3)
    work.families = 2
    await Rounds(RoundWork(work.targets, work.measure, work.keep), work.clock).run_once()
    assert len(work.kept) == 6


async def test_a_rare_target_is_measured_in_its_rounds_alone() -> None:
    """Once in its interval; what is asked for at once is everything."""
    clock = FakeClock(MINUTE_S)
    work = Work(clock)
    rare = Target(host="127.0.0.9", interval_s=300)
    work.wanted = (*work.wanted, rare)
    rounds = Rounds(RoundWork(work.targets, work.measure, work.keep), clock, "agent")
    assert await rounds.run_once() == 2
    work.starts_s.clear()
    work.kept.clear()
    running = asyncio.create_task(rounds.run())
    await until_then_cancel(lambda: len(work.starts_s) > 20, running)
    times_s = [found.started_at_s for found in work.kept if found.target == rare]
    assert len(times_s) == 4
    assert {int(time_s - MINUTE_S) // 60 % 5 for time_s in times_s} == {int(times_s[0] - MINUTE_S) // 60 % 5}


async def test_one_failing_measurement_spares_the_others() -> None:
    """A fault of ours with one target costs that target."""
    work = Work(FakeClock(MINUTE_S), count=3)

    def fail() -> None:
        raise RuntimeError

    work.during = fail
    await Rounds(RoundWork(work.targets, work.measure, work.keep), work.clock).run_once()
    assert {measurement.visited_site for measurement in work.kept} == {"127.0.0.2", "127.0.0.3"}


async def test_a_failing_round_does_not_end_measuring() -> None:
    """The next one runs."""
    work = Work(FakeClock(MINUTE_S))

    async def fail() -> Sequence[Target]:
        await work.targets()
        raise RuntimeError

    running = asyncio.create_task(Rounds(RoundWork(fail, work.measure, work.keep), work.clock).run())
    await until_then_cancel(lambda: len(work.starts_s) >= 3, running)
    assert [start - MINUTE_S for start in work.starts_s[:3]] == [0, 60, 120]


async def test_cancelling_discards_unfinished_windows() -> None:
    """Nothing half measured is kept, and no task is left."""
    work = Work(FakeClock(MINUTE_S), count=2)

    async def measure(_: Target) -> Sequence[Measurement]:
        await asyncio.Event().wait()
        raise AssertionError

    before = len(asyncio.all_tasks())
    running = asyncio.create_task(Rounds(RoundWork(work.targets, measure, work.keep), work.clock).run())
    await asyncio.sleep(0.01)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert work.kept == []
    assert len(asyncio.all_tasks()) == before


async def test_cancelling_keeps_a_window_that_was_over() -> None:
    """What answers its cancelling with a finding is kept."""
    work = Work(FakeClock(MINUTE_S), count=2)

    async def measure(target: Target) -> Sequence[Measurement]:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return await work.measure(target)

    running = asyncio.create_task(Rounds(RoundWork(work.targets, measure, work.keep), work.clock).run())
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert {found.visited_site for found in work.kept} == {target.host for target in work.wanted}


async def test_cancelling_is_not_answered_by_a_fault() -> None:
    """When what is left cannot be kept, the round still ends as cancelled, and no other begins."""
    work = Work(FakeClock(MINUTE_S))

    async def measure(target: Target) -> Sequence[Measurement]:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return await work.measure(target)

    async def fail(_: Sequence[Measurement]) -> None:
        raise RuntimeError

    running = asyncio.create_task(Rounds(RoundWork(work.targets, measure, fail), work.clock).run())
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def test_default_targets_are_each_host_once() -> None:
    """A router that is the name server, too, is measured once; loopback alone still has the server."""
    home = default_targets("192.168.1.1", ["192.168.1.1", "198.51.100.53"], "https://hopsight.example")
    assert [(target.host, target.port) for target in home] == [
        ("192.168.1.1", None),
        ("198.51.100.53", None),
        ("hopsight.example", 443),
    ]
    alone = default_targets(None, [], "http://127.0.0.1:8480")
    assert [(target.host, target.port) for target in alone] == [("127.0.0.1", 8480)]


def test_targets_are_distinct_and_bounded() -> None:
    """By host, whatever its spelling, and port."""
    same = [Target(host="Example.com"), Target(host="example.com."), Target(host="example.com", port=80)]
    assert distinct(same) == (same[0], same[2])
    assert len(distinct([Target(host=f"h{number}") for number in range(1_500)])) == MAX_TARGETS


def test_wrong_targets_are_named() -> None:
    """Before anything runs."""
    with pytest.raises(InvalidValueError, match="exa mple"):
        check_targets(["127.0.0.1", "exa mple"])
    with pytest.raises(InvalidValueError, match="number of targets"):
        check_targets(["h"] * 1_001)
