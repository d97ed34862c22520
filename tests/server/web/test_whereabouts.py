"""Where an agent was, as bands: gaps stay gaps, changes within a bucket share it, and looks differ."""

from hopsight.model.aggregates import Group, Measures
from hopsight.model.times import TimeRange
from hopsight.server.web.whereabouts import PlaceBand, lanes_of

RANGE = TimeRange(0, 600)
NOTHING = Measures(
    records=0,
    agents=0,
    latency_p50_ms=None,
    latency_p95_ms=None,
    jitter_p50_ms=None,
    loss_percent=None,
    lossy=0,
    measured=0,
)


def group(value: str | None, there: str, *, lost: bool = False) -> Group:
    """What was there in which buckets: ``x`` for each that has it."""
    values = tuple(1.0 if each == "x" else None for each in there)
    nothing = (None,) * len(values)
    trend, loss = (nothing, values) if lost else (values, nothing)
    return Group(value=value, measures=NOTHING, trend=trend, trend_loss=loss)


def bands(*groups: Group) -> list[PlaceBand]:
    """Those of one lane, ten buckets of a minute."""
    (lane,) = lanes_of([("Wi-Fi", groups)], RANGE, 60)
    return lane.bands


def test_a_gap_is_no_band() -> None:
    """Buckets in which nothing was measured are between two bands, not in one."""
    first, second = bands(group("Office", "xxx...xxxx"))
    assert (first.x, first.width) == (44, 668 * 0.3)
    assert second.x == 44 + 668 * 0.6


def test_a_session_without_latency_was_somewhere_too() -> None:
    """What lost everything is drawn as well as what was answered."""
    (band,) = bands(group("Office", "xxxxxxxxxx", lost=True))
    assert band.width == 668


def test_a_change_within_a_bucket_is_drawn_as_one() -> None:
    """A bucket with two values is halved, the one that was there before first."""
    found = bands(group("Attic", "....xxxxxx"), group("Office", "xxxxx....."))
    assert [(each.value, each.start[-8:], each.end[-8:]) for each in found] == [
        ("Office", "00:00:00", "00:04:30"),
        ("Attic", "00:04:30", "00:10:00"),
    ]
    assert len({each.look for each in found}) == 2


def test_a_label_is_as_long_as_its_band() -> None:
    """A wide band has the whole name, a narrow one as much of it as fits."""
    wide, narrow = bands(
        group("A name of some length", "xxxxxxxx.."), group("Elsewhere and long", ".........x")
    )
    assert wide.label == wide.value
    assert len(narrow.label) < len(narrow.value)
    (cut,) = bands(group("x" * 200, "xxxxxxxxxx"))
    assert cut.label.endswith("…")


def test_what_is_not_known_has_no_lane() -> None:
    """A kind of which no value is known is not drawn."""
    assert lanes_of([("VPN", [group(None, "xxxxxxxxxx")])], RANGE, 60) == []
