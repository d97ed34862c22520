"""States from clock readings: what each makes of sleep, set clocks, midnight, restarts and absent servers."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopsight.agent.pacing import ClockReading
from hopsight.agent.states.states import (
    CRASHED,
    HELD_UP,
    LONGEST_S,
    STOPPED,
    WENT_DOWN,
    Condition,
    Kept,
    Span,
    States,
    days_of,
    documents_of,
    spans_before,
)
from hopsight.model.states import AgentState
from hopsight.testing import AGENT_ID, FakeClock

DAY_S = 86_400
NOON_S = 1_760_000_040.0 // DAY_S * DAY_S + DAY_S / 2


class Watched:
    """States over a clock that is moved by hand; looks every 5 seconds."""

    def __init__(self, now_s: float = NOON_S) -> None:
        self.clock = FakeClock(now_s)
        self.states = States(ClockReading.of(self.clock))
        self.condition: Condition | None = None
        self.over: list[Span] = []

    def look(self) -> None:
        """Look now."""
        self.over += self.states.look(ClockReading.of(self.clock), self.condition)

    def live(self, duration_s: float) -> None:
        """Let time pass, looking."""
        for _ in range(int(duration_s // 5)):
            self.clock.advance(5)
            self.look()

    def told(self) -> list[tuple[str, float, float]]:
        """State, start and length of what has a length, from noon on."""
        return [
            (span.state, round(span.start_s - NOON_S, 3), round(span.end_s - span.start_s, 3))
            for span in self.over
            if span.end_s > span.start_s
        ]


def test_a_machine_that_is_awake_has_no_states() -> None:
    """A day of it."""
    watched = Watched()
    watched.live(DAY_S)
    assert watched.over == []


def test_sleep_is_told_when_it_is_over() -> None:
    """As long as the clocks went apart, up to the look that finds it."""
    watched = Watched()
    watched.live(60)
    watched.clock.advance(3)
    watched.clock.suspend(3_600)
    watched.clock.advance(2)
    watched.look()
    assert watched.told() == [("asleep", 65, 3_600)]


def test_sleep_over_a_midnight_is_cut_there() -> None:
    """Each day's states are found among its rounds."""
    watched = Watched()
    watched.clock.suspend(2 * DAY_S)
    watched.look()
    days = [day for span in watched.over for day in days_of(span)]
    assert [(day.start_s - NOON_S, day.end_s - NOON_S) for day in days] == [
        (0, DAY_S / 2),
        (DAY_S / 2, 1.5 * DAY_S),
        (1.5 * DAY_S, 2 * DAY_S),
    ]


@pytest.mark.parametrize("condition", ["disabled", "offline"])
def test_a_condition_is_told_when_it_ends_or_at_midnight(condition: Condition) -> None:
    """And goes on from the cut."""
    watched = Watched()
    watched.condition = condition
    watched.look()
    watched.live(DAY_S)
    assert watched.told() == [(condition, 0, DAY_S / 2)]
    watched.condition = None
    watched.live(10)
    assert watched.told()[1:] == [(condition, DAY_S / 2, DAY_S / 2 + 5)]


def test_sleep_within_a_condition_takes_its_place() -> None:
    """At no time are there two reasons for one gap."""
    watched = Watched()
    watched.condition = "offline"
    watched.look()
    watched.live(100)
    watched.clock.suspend(500)
    watched.live(100)
    watched.condition = None
    watched.look()
    assert watched.told() == [("offline", 0, 105), ("asleep", 105, 500), ("offline", 605, 95)]


def test_a_process_that_was_held_up_did_not_run() -> None:
    """The machine was awake, but nobody measured."""
    watched = Watched()
    watched.live(60)
    watched.clock.advance(600)
    watched.look()
    assert watched.told() == [("stopped", 60, 600)]
    assert watched.over[-1].reason == HELD_UP


@pytest.mark.parametrize("step_s", [3_600.0, -3_600.0])
def test_a_set_clock_changes_dates_and_not_lengths(step_s: float) -> None:
    """The part before is dated by the clock before, the rest by the one after."""
    watched = Watched()
    watched.condition = "offline"
    watched.look()
    watched.live(100)
    watched.clock.step(step_s)
    watched.live(100)
    watched.condition = None
    watched.look()
    assert watched.told() == [("offline", 0, 105), ("offline", 105 + step_s, 95)]


@pytest.mark.parametrize("step_s", [7_200.0, -7_200.0])
def test_a_clock_that_is_set_in_its_sleep_makes_it_no_longer(step_s: float) -> None:
    """Nor shorter than it was."""
    watched = Watched()
    watched.clock.suspend(600)
    watched.clock.step(step_s)
    watched.clock.advance(5)
    watched.look()
    assert watched.told() == [("asleep", 5, 600)]


def test_a_server_that_takes_nothing_is_a_state_from_its_first_silence_on() -> None:
    """It ends with the first delivery; a mere answer does not end it."""
    watched = Watched()
    states = watched.states
    states.failed(ClockReading.of(watched.clock), "first\nsilence", delivery=False)
    watched.live(20)
    states.failed(ClockReading.of(watched.clock), "503: away", delivery=True)
    watched.live(600)
    assert states.answered(ClockReading.of(watched.clock), delivery=False) == []
    watched.live(100)
    over = states.answered(ClockReading.of(watched.clock), delivery=True)
    assert over == [Span("server-unreachable", NOON_S, NOON_S + 720, "503: away")]


def test_a_server_that_was_not_missed_is_no_state() -> None:
    """Away between two uploads, or for less time than records wait anyway."""
    watched = Watched()
    states = watched.states
    states.failed(ClockReading.of(watched.clock), "away", delivery=False)
    watched.live(600)
    assert states.answered(ClockReading.of(watched.clock), delivery=False) == []
    states.failed(ClockReading.of(watched.clock), "away", delivery=True)
    watched.live(30)
    assert states.answered(ClockReading.of(watched.clock), delivery=True) == []
    assert watched.over == []


def test_an_absent_server_is_told_of_time_in_which_the_agent_measured() -> None:
    """Sleep interrupts it; while offline, nothing was to be delivered."""
    watched = Watched()
    watched.states.failed(ClockReading.of(watched.clock), "away", delivery=True)
    watched.live(300)
    watched.clock.suspend(1_000)
    watched.live(20)
    watched.condition = "offline"
    watched.look()
    watched.states.failed(ClockReading.of(watched.clock), "no network", delivery=True)
    watched.live(200)
    watched.condition = None
    watched.look()
    assert watched.told() == [
        ("server-unreachable", 0, 305),
        ("asleep", 305, 1_000),
        ("server-unreachable", 1_305, 15),
        ("offline", 1_320, 200),
    ]


def kept(**changes: object) -> Kept:
    """A last sign of life at noon."""
    found = Kept(agent_id=AGENT_ID, boot="a", wall_s=NOON_S, boottime_s=500.0)
    return msgspec.structs.replace(found, **changes)


@pytest.mark.parametrize(
    ("goodbye", "boot", "reason"),
    [(True, "a", STOPPED), (False, "a", CRASHED), (True, "b", STOPPED), (False, "b", WENT_DOWN)],
)
def test_from_the_last_sign_of_life_to_the_start_it_was_stopped(
    goodbye: bool, boot: str, reason: str
) -> None:
    """A clean stop and a crash alike; the reason says which."""
    now = ClockReading(NOON_S + 700, 10.0, 1_200.0)
    assert spans_before(kept(goodbye=goodbye), now, boot) == [Span("stopped", NOON_S, NOON_S + 700, reason)]


def test_what_went_on_at_the_last_sign_of_life_ended_there() -> None:
    """An offline machine whose agent is stopped was offline until then, and stopped from then on."""
    watched = Watched()
    watched.condition = "offline"
    watched.look()
    watched.live(300)
    before = watched.states.kept(AGENT_ID, "a")
    watched.clock.advance(1_000)
    spans = spans_before(before, ClockReading.of(watched.clock), "a")
    assert [(span.state, span.end_s - span.start_s) for span in spans] == [
        ("offline", 300),
        ("stopped", 1_000),
    ]
    assert spans[0].end_s == spans[1].start_s


def test_the_length_of_a_stop_is_that_of_the_boot_clock_where_it_went_on() -> None:
    """Whatever the wall clock says meanwhile."""
    for wall_s in (NOON_S - 9_999, NOON_S + 9_999):
        (span,) = spans_before(kept(), ClockReading(wall_s, 10.0, 800.0), "a")
        assert span.end_s - span.start_s == 300


def test_a_clock_set_back_over_a_reboot_tells_no_length() -> None:
    """Rather none than a negative one; nor one of years."""
    assert spans_before(kept(), ClockReading(NOON_S - 50, 10.0, 20.0), "b") == []
    (span,) = spans_before(kept(), ClockReading(NOON_S + 9e9, 10.0, 20.0), "b")
    assert span.end_s - span.start_s == LONGEST_S


def test_a_system_that_names_no_boot_has_the_wall_clock_alone() -> None:
    """Boot times of two runs of a machine are not compared."""
    (span,) = spans_before(kept(boot=""), ClockReading(NOON_S + 60, 10.0, 9_999.0), "")
    assert span.end_s - span.start_s == 60


def test_documents_have_the_same_id_whenever_they_are_told() -> None:
    """Told again after a crash, a state is the same record, though it may have grown."""
    first = documents_of(Span("offline", NOON_S, NOON_S + 10), 7625, AGENT_ID)
    again = documents_of(Span("offline", NOON_S, NOON_S + DAY_S), 7625, AGENT_ID)
    assert [document.state_id for document in first] == [again[0].state_id]
    assert len({document.state_id for document in again}) == 2
    other = documents_of(Span("asleep", NOON_S, NOON_S + 10), 7625, AGENT_ID)
    assert other[0].state_id != first[0].state_id
    for document in again:
        assert msgspec.json.decode(msgspec.json.encode(document), type=AgentState) == document


def test_what_has_no_length_or_no_date_is_not_told() -> None:
    """Nor what is from before clocks were set."""
    assert documents_of(Span("offline", NOON_S, NOON_S + 0.0001), 7625, AGENT_ID) == []
    assert documents_of(Span("offline", 100.0, 200.0), 7625, AGENT_ID) == []


_HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(["live", "sleep", "step", "disabled", "offline", "online", "fail", "deliver"]),
        st.integers(-50_000, 50_000),
    ),
    max_size=40,
)


def happen(watched: Watched, what: str, amount: int) -> float:
    """Do one of them; seconds slept."""
    now = ClockReading.of(watched.clock)
    match what:
        case "live":
            watched.live(abs(amount) % 2_000)
        case "sleep":
            watched.clock.suspend(abs(amount) + 1)
        case "step":
            watched.clock.step(amount)
        case "fail":
            watched.states.failed(now, "away", delivery=amount > 0)
        case "deliver":
            watched.over += watched.states.answered(now, delivery=True)
        case "disabled" | "offline":
            watched.condition = "disabled" if what == "disabled" else "offline"
        case _:
            watched.condition = None
    if what not in {"fail", "deliver"}:
        watched.look()
    return abs(amount) + 1 if what == "sleep" else 0


@settings(max_examples=150, deadline=None)
@given(_HAPPENINGS)
def test_whatever_happens_lengths_add_up_and_none_is_negative(happenings: list[tuple[str, int]]) -> None:
    """Sleep is told to the second, gaps never count twice, and every state lies within one day."""
    watched = Watched()
    started_s = watched.clock.boottime()
    slept_s = sum(happen(watched, *each) for each in happenings)
    happen(watched, "online", 0)
    exclusive_s = {"asleep": 0.0, "offline": 0.0, "disabled": 0.0, "stopped": 0.0}
    for span in watched.over:
        assert span.end_s >= span.start_s
        if span.state != "server-unreachable":
            exclusive_s[span.state] += span.end_s - span.start_s
    assert exclusive_s["asleep"] == pytest.approx(slept_s, abs=0.01)
    assert sum(exclusive_s.values()) <= watched.clock.boottime() - started_s + 0.01
    documents = [d for span in watched.over for d in documents_of(span, 7625, AGENT_ID)]
    assert all(d.start_ms // 86_400_000 == (d.end_ms - 1) // 86_400_000 for d in documents)
