"""Which targets are due when."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from hopsight.agent.schedule import CATCH_UP_ROUNDS, due
from hopsight.model.agents import Target
from hopsight.testing import AGENT_ID

START = 1_760_000_040 // 86_400 * 86_400


def rounds_of(target: Target, agent_id: str, count: int) -> list[int]:
    """Numbers of the rounds from ``START`` on in which a target is due, when no round is missed."""
    return [
        number
        for number in range(count)
        if due([target], agent_id, START + number * 60, START + (number - 1) * 60)
    ]


@settings(max_examples=30, deadline=None)
@given(minutes=st.sampled_from([1, 2, 5, 7, 60, 1_440]), name=st.integers())
def test_a_target_is_due_once_in_each_interval(minutes: int, name: int) -> None:
    """Always exactly one interval apart."""
    target = Target(host=f"h{name}", interval_s=minutes * 60)
    rounds = rounds_of(target, AGENT_ID, 3 * minutes)
    assert len(rounds) == 3
    assert {later - earlier for earlier, later in itertools.pairwise(rounds)} == {minutes}


def test_targets_and_agents_are_spread_over_the_interval() -> None:
    """A fleet does not arrive at once at a target, nor an agent at all of its targets."""
    agents = [
        rounds_of(Target(host="h", interval_s=3_600), f"agent {number}", 60)[0] for number in range(600)
    ]
    targets = [
        rounds_of(Target(host=f"h{number}", interval_s=3_600), "agent", 60)[0] for number in range(600)
    ]
    for phases in (agents, targets):
        assert max(phases.count(phase) for phase in phases) < 30
        assert len(set(phases)) > 55


def test_a_missed_turn_is_made_up_for_unless_it_is_long_ago() -> None:
    """An overrun round costs no target its turn; a night's sleep is no reason for a burst."""
    targets = [Target(host=f"h{number}", interval_s=3_600) for number in range(600)]
    by_round = [len(due(targets, AGENT_ID, START + n * 60, START + (n - 1) * 60)) for n in range(60)]
    after_overrun = due(targets, AGENT_ID, START + 20 * 60, START + 17 * 60)
    assert len(after_overrun) == sum(by_round[18:21])
    after_night = due(targets, AGENT_ID, START + 20 * 60, START - 8 * 3_600)
    assert len(after_night) == sum(by_round[21 - CATCH_UP_ROUNDS : 21])


def test_after_a_start_or_a_clock_set_back_only_this_round_counts() -> None:
    """The phase outlives both."""
    targets = [Target(host=f"h{number}", interval_s=600) for number in range(100)]
    usual = due(targets, AGENT_ID, START, START - 60)
    assert due(targets, AGENT_ID, START, None) == usual
    assert due(targets, AGENT_ID, START, START + 7_200) == usual
    assert 0 < len(usual) < 30
