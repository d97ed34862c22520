"""A HTTP Archive as a waterfall."""

import msgspec
import pytest

from hopsight.model.har import Browser, HarContent, HarEntry, HarLog, HarRequest, HarResponse, HarTimings
from hopsight.server.web.waterfall import MAX_ROWS, WIDTH, draw_waterfall, lengths_of


def entry(started: str, time_ms: float, timings: HarTimings) -> HarEntry:
    """An exchange."""
    return HarEntry(
        started_date_time=started,
        time=time_ms,
        request=HarRequest(method="GET", url="https://a.example/", headers=(), query_string=()),
        response=HarResponse(
            status=200,
            status_text="OK",
            headers=(),
            content=HarContent(size=-1, mime_type="text/html"),
            redirect_url="",
        ),
        timings=timings,
    )


def log(*entries: HarEntry) -> HarLog:
    """An archive."""
    return HarLog(version="1.2", creator=Browser(name="t"), pages=(), entries=entries)


FIRST = entry(
    "2026-01-01T00:00:00.000Z",
    100,
    HarTimings(dns=10, connect=30, ssl=20, send=0, wait=50, receive=10),
)
SECOND = entry("2026-01-01T00:00:00.100+00:00", 100, HarTimings(blocked=-1, send=0, wait=100, receive=0))


def test_offsets_are_from_the_first_start() -> None:
    """Whatever their order in the archive, exchanges stand in that of their starts, on one scale."""
    drawn = draw_waterfall(log(SECOND, FIRST))
    assert [row.start_ms for row in drawn.rows] == [0, 100]
    assert drawn.total_ms == 200
    first, second = drawn.rows
    assert [(bar.name, bar.x, bar.width) for bar in first.phases] == [
        ("DNS", 0, 50),
        ("connect", 50, 50),
        ("TLS", 100, 100),
        ("wait", 200, 250),
        ("receive", 450, 50),
    ]
    assert [(bar.style, bar.x, bar.width) for bar in second.phases] == [("wait", WIDTH / 2, WIDTH / 2)]


def test_connect_is_without_tls() -> None:
    """A HAR counts TLS in connecting as well: it is not drawn twice; -1 and absent are not measured."""
    timings = HarTimings(blocked=-1, connect=30, ssl=20, send=0, wait=50, receive=10)
    assert lengths_of(timings) == [None, None, 10, 20, 0, 50, 10]


def test_an_unknown_size_or_start_is_no_number() -> None:
    """What agents could not tell is None, and an exchange without a start has no bars and comes last."""
    odd = msgspec.structs.replace(FIRST, started_date_time="<script>")
    drawn = draw_waterfall(log(odd, SECOND))
    assert [row.start_ms for row in drawn.rows] == [0, None]
    assert drawn.rows[1].phases == []
    assert drawn.rows[0].size_bytes is None


@pytest.mark.parametrize("count", [0, MAX_ROWS + 1])
def test_few_and_many_exchanges(count: int) -> None:
    """None at all is an empty page, and of many the first are drawn."""
    drawn = draw_waterfall(log(*[FIRST] * count))
    assert drawn.entries == count
    assert len(drawn.rows) == min(count, MAX_ROWS)
