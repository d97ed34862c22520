"""Tests of the two limits: fixed windows that open with the first event."""

from hypothesis import given
from hypothesis import strategies as st

from hopsight.server.limits import REFUSALS, WINDOW_S, Limits
from hopsight.testing import FakeClock

ADDRESS = "192.0.2.7"


def test_an_organization_gets_its_limit_and_no_more() -> None:
    """The request after the last allowed one is told so, and what is left never goes below zero."""
    limits = Limits(FakeClock(), requests_per_minute=3)
    seen = [limits.count_request(1) for _ in range(5)]
    assert [allowance.remaining for allowance in seen] == [2, 1, 0, 0, 0]
    assert [allowance.exceeded for allowance in seen] == [False, False, False, True, True]
    assert {allowance.limit for allowance in seen} == {3}


def test_organizations_do_not_share() -> None:
    """One organization's requests leave the others' alone."""
    limits = Limits(FakeClock(), requests_per_minute=1)
    limits.count_request(1)
    assert limits.count_request(1).exceeded
    assert not limits.count_request(2).exceeded


@given(
    start_s=st.floats(1e9, 2e9, allow_nan=False),
    gaps_s=st.lists(st.floats(0, 70, allow_nan=False), min_size=1, max_size=30),
)
def test_the_reset_is_at_most_a_minute_ahead_and_lets_in(start_s: float, gaps_s: list[float]) -> None:
    """Whoever sleeps until the announced second finds a whole new window."""
    clock = FakeClock(start_s)
    limits = Limits(clock, requests_per_minute=2)
    for gap_s in gaps_s:
        clock.advance(gap_s)
        allowance = limits.count_request(1)
        ahead_s = allowance.reset_s - clock.now()
        assert -1e-6 < ahead_s <= WINDOW_S
        assert 1 <= allowance.retry_after_s <= WINDOW_S
    clock.advance(max(0.0, allowance.reset_s - clock.now()) + 1e-3)
    assert limits.count_request(1).remaining == 1


def test_a_window_opens_with_its_first_request() -> None:
    """The minute is counted from the first request of a batch, not from the clock's minutes."""
    clock = FakeClock(1_000_030.0)
    limits = Limits(clock, requests_per_minute=1)
    assert limits.count_request(1).reset_s == 1_000_090
    clock.advance(59)
    assert limits.count_request(1).exceeded
    clock.advance(1)
    assert not limits.count_request(1).exceeded


def test_a_wall_clock_set_back_does_not_send_clients_to_sleep() -> None:
    """The reset stays within a minute of the wall clock, wherever that is set to."""
    clock = FakeClock()
    limits = Limits(clock, requests_per_minute=1)
    limits.count_request(1)
    clock.step(-7200)
    assert limits.count_request(1).reset_s <= clock.now() + WINDOW_S


def test_an_address_is_locked_out_at_its_hundredth_refusal() -> None:
    """Ninety-nine refusals are borne, a hundred are not, until the minute is over."""
    clock = FakeClock()
    limits = Limits(clock, requests_per_minute=1)
    for _ in range(REFUSALS - 1):
        limits.count_refusal(ADDRESS)
    assert limits.locked_out_s(ADDRESS) == 0
    limits.count_refusal(ADDRESS)
    assert limits.locked_out_s(ADDRESS) == WINDOW_S
    assert limits.locked_out_s("192.0.2.8") == 0
    clock.advance(WINDOW_S)
    assert limits.locked_out_s(ADDRESS) == 0


def test_refusals_of_an_earlier_minute_are_forgiven() -> None:
    """Ninety-nine in each of two minutes lock nobody out."""
    clock = FakeClock()
    limits = Limits(clock, requests_per_minute=1)
    for _ in range(2):
        for _ in range(REFUSALS - 1):
            limits.count_refusal(ADDRESS)
        clock.advance(WINDOW_S)
    assert limits.locked_out_s(ADDRESS) == 0


def test_the_table_of_addresses_is_bounded() -> None:
    """The address whose minute began first makes room for a new one."""
    limits = Limits(FakeClock(), requests_per_minute=1, max_addresses=2)
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        for _ in range(REFUSALS):
            limits.count_refusal(address)
    locked = [limits.locked_out_s(f"192.0.2.{last}") for last in (1, 2, 3)]
    assert [seconds > 0 for seconds in locked] == [False, True, True]
