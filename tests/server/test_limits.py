"""Tests of the two limits: fixed windows that open with the first event, in memory and on Redis alike."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.redis_server import RedisServer
from tests.server.sharing import new_end, running

from hopsight.clock import SystemClock
from hopsight.server.limits import REFUSALS, WINDOW_S, Limits, MemoryLimits
from hopsight.testing import FakeClock

pytestmark = pytest.mark.anyio

ADDRESS = "192.0.2.7"
SHORT_S = 2
"""A window that can be waited for."""


class Bench:
    """Makes limits of one kind, and lets their time pass."""

    def __init__(self, stack: AsyncExitStack, server: RedisServer | None) -> None:
        self._stack = stack
        self._server = server
        self._fake = FakeClock(1_000_030.25)
        self.clock = self._fake if server is None else SystemClock()

    async def make(self, requests_per_minute: int = 3, window_s: int = WINDOW_S) -> Limits:
        """Limits that count from nothing."""
        if self._server is None:
            return MemoryLimits(self._fake, requests_per_minute=requests_per_minute, window_s=window_s)
        end = new_end(self._server.url, requests_per_minute=requests_per_minute, window_s=window_s)
        await self._stack.enter_async_context(running(end))
        return end.limits

    async def wait(self, duration_s: float) -> None:
        """Let time pass."""
        if self._server is None:
            self._fake.advance(duration_s)
        else:
            await asyncio.sleep(duration_s)


@pytest.fixture(params=["memory", "redis"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """Both kinds."""
    server = request.getfixturevalue("redis_server") if request.param == "redis" else None
    async with AsyncExitStack() as stack:
        yield Bench(stack, server)


async def test_an_organization_gets_its_limit_and_no_more(bench: Bench) -> None:
    """The request after the last allowed one is told so, and what is left never goes below zero."""
    limits = await bench.make(3)
    seen = [await limits.count_request(1) for _ in range(5)]
    assert [allowance.remaining for allowance in seen] == [2, 1, 0, 0, 0]
    assert [allowance.exceeded for allowance in seen] == [False, False, False, True, True]
    assert {allowance.limit for allowance in seen} == {3}


async def test_organizations_do_not_share(bench: Bench) -> None:
    """One organization's requests leave the others' alone."""
    limits = await bench.make(1)
    await limits.count_request(1)
    assert (await limits.count_request(1)).exceeded
    assert not (await limits.count_request(2)).exceeded


async def test_a_window_is_a_minute_that_ends_on_a_whole_second(bench: Bench) -> None:
    """All of a window's answers name one second, the whole one before a minute is over."""
    limits = await bench.make()
    before_s = int(bench.clock.now())
    seen = [await limits.count_request(1) for _ in range(3)]
    assert len({allowance.reset_s for allowance in seen}) == 1
    assert before_s + WINDOW_S <= seen[0].reset_s <= int(bench.clock.now()) + WINDOW_S
    assert {allowance.retry_after_s for allowance in seen} <= {WINDOW_S - 1, WINDOW_S}


async def test_who_waits_until_the_reset_is_let_in(bench: Bench) -> None:
    """At the announced second a new window begins, and not before."""
    limits = await bench.make(1, SHORT_S)
    reset_s = (await limits.count_request(1)).reset_s
    await bench.wait(max(0.0, reset_s - 0.5 - bench.clock.now()))
    assert (await limits.count_request(1)).exceeded
    await bench.wait(max(0.0, reset_s - bench.clock.now()) + 0.01)
    again = await limits.count_request(1)
    assert not again.exceeded
    assert again.reset_s == reset_s + SHORT_S


async def test_an_address_is_locked_out_at_its_hundredth_refusal(bench: Bench) -> None:
    """Ninety-nine refusals are borne, a hundred are not; nobody else is concerned."""
    limits = await bench.make()
    counts = [await limits.count_refusal(ADDRESS) for _ in range(REFUSALS - 1)]
    assert limits.locked_out_s(ADDRESS) == 0
    assert [*counts, await limits.count_refusal(ADDRESS)] == list(range(1, REFUSALS + 1))
    assert WINDOW_S - 2 <= limits.locked_out_s(ADDRESS) <= WINDOW_S
    assert limits.locked_out_s("192.0.2.8") == 0


async def test_a_lockout_ends_and_refusals_of_before_are_forgiven(bench: Bench) -> None:
    """When the window is over the address may come in, and its count begins anew."""
    limits = await bench.make(window_s=SHORT_S)
    for _ in range(10):
        await limits.count_refusal(ADDRESS)
    assert 1 <= limits.locked_out_s(ADDRESS, 10) <= SHORT_S
    await bench.wait(SHORT_S + 0.05)
    assert limits.locked_out_s(ADDRESS, 10) == 0
    assert await limits.count_refusal(ADDRESS) == 1


@given(
    start_s=st.floats(1e9, 2e9, allow_nan=False),
    gaps_s=st.lists(st.floats(0, 70, allow_nan=False), min_size=1, max_size=30),
)
def test_the_reset_is_at_most_a_minute_ahead_and_lets_in(start_s: float, gaps_s: list[float]) -> None:
    """Whoever sleeps until the announced second finds a whole new window."""
    clock = FakeClock(start_s)
    limits = MemoryLimits(clock, requests_per_minute=2)

    async def check() -> int:
        reset_s = 0
        for gap_s in gaps_s:
            clock.advance(gap_s)
            allowance = await limits.count_request(1)
            reset_s = allowance.reset_s
            assert -1e-6 < reset_s - clock.now() <= WINDOW_S
            assert 1 <= allowance.retry_after_s <= WINDOW_S
        clock.advance(max(0.0, reset_s - clock.now()) + 1e-3)
        return (await limits.count_request(1)).remaining

    assert asyncio.run(check()) == 1


async def test_a_wall_clock_set_back_does_not_send_clients_to_sleep() -> None:
    """The reset stays within a minute of the wall clock, wherever that is set to."""
    clock = FakeClock()
    limits = MemoryLimits(clock, requests_per_minute=1)
    await limits.count_request(1)
    clock.step(-7200)
    assert (await limits.count_request(1)).reset_s <= clock.now() + WINDOW_S


async def test_the_table_of_addresses_is_bounded() -> None:
    """The address whose minute began first makes room for a new one, counted here or elsewhere."""
    limits = MemoryLimits(FakeClock(), requests_per_minute=1, max_addresses=2)
    for address in ("192.0.2.1", "192.0.2.2"):
        for _ in range(REFUSALS):
            await limits.count_refusal(address)
    limits.adopt_refusals("192.0.2.3", REFUSALS, WINDOW_S)
    locked = [limits.locked_out_s(f"192.0.2.{last}") for last in (1, 2, 3)]
    assert [seconds > 0 for seconds in locked] == [False, True, True]
