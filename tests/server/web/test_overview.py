"""The overview: its numbers are the store's, its state is in the URL, and names cannot break out."""

import re
from typing import Any

import httpx
import msgspec
import pytest
from tests.server.web.signing_in import post_sign_in, tree

from hopsight.model.aggregates import Summary
from hopsight.model.dimensions import USER_SESSIONS, Dimensions
from hopsight.model.query import Query, Record
from hopsight.model.times import TimeRange, format_utc
from hopsight.server.api.filters import SearchFilter
from hopsight.server.web.overview_numbers import overview_charts
from hopsight.server.web.view import View, bucket_s_of

pytestmark = pytest.mark.anyio

NOW = 1_600_041_600
EVIL = '<script>alert("x")</script>'


def session(number: int, **changes: Any) -> Record:
    """A user session, ``number`` minutes ago."""
    values: dict[str, Any] = {"site": "app.example.com", "ssid": None, "verdict": "healthy", "latency": 20.0}
    values |= {"loss": 0.0} | changes
    round_id = NOW - 60 * number
    values |= {"agent": "3fde6422-f119-40e1-ae32-d08a1243c038"} | changes
    record_id = f"07625:{round_id}:{values['agent'][:2]}{number:06d}"
    body = {
        "userSessionId": record_id, "agentId": values["agent"], "roundId": round_id,
        "date": format_utc(round_id), "visitedSite": values["site"], "numberOfPages": 0,
    }  # fmt: skip
    return Record(
        aid=7625,
        round_id=round_id,
        record_id=record_id,
        dimensions=Dimensions(
            agent_id=values["agent"],
            visited_site=values["site"],
            ssid=values["ssid"],
            verdict=values["verdict"],
        ),
        loss_percent=values["loss"],
        latency_ms=values["latency"],
        jitter_ms=1.0,
        body=msgspec.json.encode(body),
    )


@pytest.fixture
async def filled(server: Any) -> Any:
    """Sixty quiet minutes, and five bad ones on one site."""
    server.clock.advance(NOW - server.clock.now())
    bad = {"site": "bad.example.com", "verdict": "provider", "latency": 300.0, "loss": 50.0}
    await server.store.add(USER_SESSIONS, [session(number) for number in range(1, 61)])
    await server.store.add(USER_SESSIONS, [session(number, **bad) for number in range(100, 105)])
    return server


async def test_its_numbers_are_the_store_s(filled: Any, client: httpx.AsyncClient) -> None:
    """Sessions, percentiles and loss are those of the range; the worst site is first; verdicts add up."""
    page = (await client.get("/?window=6h")).text
    query = Query(kind=USER_SESSIONS, aid=7625, first_round=NOW - 21_600, last_round=NOW)
    found: Summary = await filled.store.summarize(query, 300)
    assert found.whole.records == 65
    assert f"<dd>{found.whole.records}</dd>" in page
    assert f"{found.whole.latency_p95_ms:.1f} <span" in page
    assert 'href="/agents/3fde6422-f119-40e1-ae32-d08a1243c038?aid=7625&amp;window=6h"' in page
    assert page.index("bad.example.com") < page.index(">app.example.com<")
    assert "92.3 % (60)" in page
    assert "7.7 % (5)" in page


@pytest.mark.usefixtures("filled")
async def test_filters_are_in_the_url(client: httpx.AsyncClient) -> None:
    """A click narrows everything; the chip takes it back; the form leads to the same URL."""
    page = (await client.get("/?window=6h&visitedSite=bad.example.com")).text
    assert "<dd>5</dd>" in page
    assert re.search(r'class="chip" href="/\?aid=7625&amp;window=6h"', page)
    added = await client.get("/?window=6h&filterKey=visitedSite&filterValue=bad.example.com")
    assert added.status_code == 303
    assert added.headers["Location"] == "/?aid=7625&window=6h&visitedSite=bad.example.com"


async def test_filters_are_counted_and_offered(filled: Any, client: httpx.AsyncClient) -> None:
    """A chip has its count under all filters; a key without a value is answered by its values, most first."""
    await filled.store.add(USER_SESSIONS, [session(70, ssid="Office"), session(71, ssid="Office")])
    await filled.store.add(USER_SESSIONS, [session(72, ssid="Home")])
    page = tree(await client.get("/?window=6h&filterKey=ssid&order=loss"))
    assert page.xpath("//datalist/option/@value") == ["Office", "Home"]
    assert page.xpath("//select[@name='filterKey']/option[@selected]/text()") == ["ssid"]
    offered = page.xpath("//nav[@aria-label='Values of ssid']/a")
    assert [each.text_content() for each in offered] == ["Office 2", "Home 1"]
    narrowed = await client.get(offered[0].get("href"))
    (chip,) = tree(narrowed).xpath("//a[@class='chip']")
    assert " ".join(chip.text_content().split()).replace("\u00d7", "x") == (
        "ssid Office 2 x: remove this filter"
    )
    assert chip.get("href").endswith("?aid=7625&window=6h&order=loss")


async def test_what_a_page_is_about_survives_its_forms(client: httpx.AsyncClient) -> None:
    """Every link and form of a rank keeps the dimension and the order."""
    page = tree(await client.get("/ranks?by=ssid&order=loss&window=6h"))
    for link in page.xpath("//nav[@aria-label='Time range']/a/@href"):
        assert link.endswith("&by=ssid&order=loss")
    for form in page.xpath("//form[@action='/ranks']"):
        kept = {each.get("name"): each.get("value") for each in form.xpath(".//input[@type='hidden']")}
        assert (kept["by"], kept["order"]) == ("ssid", "loss")


async def test_a_busy_store_is_a_notice(server: Any) -> None:
    """Whoever looks while the store cannot answer reads that, as a page, and when to come again."""
    await server.store.close()
    async with server.client() as client:
        answer = await client.get("/?aid=7625")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "Not just now" in answer.text
    assert b"hopsight_store_errors_total 1.0" in server.app.services.metrics.expose()


async def test_gaps_are_gaps(filled: Any, client: httpx.AsyncClient) -> None:
    """Between the bad minutes and the quiet ones nothing was measured: the line breaks there."""
    query = Query(kind=USER_SESSIONS, aid=7625, first_round=NOW - 21_600, last_round=NOW)
    found: Summary = await filled.store.summarize(query, 300)
    page = tree(await client.get("/?window=6h"))
    figure = page.xpath("//figure[starts-with(normalize-space(figcaption), 'Latency')]")[0]
    assert [path.count("M") for path in figure.xpath(".//path/@d")] == [2, 2]
    shown = [[each.text_content() for each in row] for row in figure.xpath(".//tbody/tr")]
    assert [row[1] for row in shown] == [f"{b.measures.latency_p95_ms:.4g}" for b in found.buckets]
    assert "65 samples, UTC" in figure.text_content()


async def test_part_of_a_bucket_is_no_drop(filled: Any) -> None:
    """A range that starts and ends within buckets counts sessions only in those that are whole."""
    time_range = TimeRange(NOW - 3_450, NOW - 150)
    query = Query(kind=USER_SESSIONS, aid=7625, first_round=time_range.start_s, last_round=time_range.end_s)
    found = await filled.store.summarize(query, 300)
    drawn = {chart.title: chart for chart in overview_charts(found, time_range, 300)}
    assert {values[0] for _, values in drawn["Sessions"].rows} == {"5"}
    assert len(drawn["Sessions"].rows) == len(drawn["Latency"].rows) - 2


@pytest.mark.usefixtures("filled")
async def test_an_empty_range_says_so(client: httpx.AsyncClient) -> None:
    """Nothing measured is no zero: it is said, with the way to the newest session."""
    page = (await client.get("/?from=2019-01-01T00:00:00&to=2019-01-02T00:00:00")).text
    assert "No session was measured in this time" in page
    assert "The newest is of" in page
    assert "data-chart" not in page


async def test_names_cannot_break_out(filled: Any, client: httpx.AsyncClient) -> None:
    """A network that is called like a script is only called so."""
    await filled.store.add(USER_SESSIONS, [session(70, ssid=EVIL)])
    for path in ("/?window=6h", "/ranks?by=ssid&window=6h", f"/?window=6h&ssid={EVIL}"):
        page = (await client.get(path)).text
        assert EVIL not in page
        assert "&lt;script&gt;" in page


@pytest.mark.parametrize("query", ["window=x", "by=password", "order=x", "filterKey=x&filterValue=y"])
async def test_what_is_wrong_is_said(client: httpx.AsyncClient, query: str) -> None:
    """A parameter that is none is 400, as a page."""
    answer = await client.get(f"/ranks?{query}")
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("text/html")


async def test_nobody_sees_it_without_signing_in(server: Any) -> None:
    """Whoever has not signed in gets the way to do so, and nothing of the fleet."""
    async with server.client(token="") as stranger:
        answer = await stranger.get("/?aid=7625")
    assert answer.status_code in {303, 401}
    assert "Sandbox" not in answer.text


def test_a_view_is_its_url() -> None:
    """Adding and taking away a filter leaves what was there; a value comes once."""
    view = View(aid=1, time_range=TimeRange(0, 3_600), window="1h")
    both = view.with_filter("ssid", "a b").with_filter("ssid", "c").with_filter("ssid", "c")
    assert both.filters == (SearchFilter("ssid", ("a b", "c")),)
    assert both.url("/x", by="ssid") == "/x?aid=1&window=1h&ssid=a+b&ssid=c&by=ssid"
    assert both.without_filter("ssid", "a b").without_filter("ssid", "c") == view


@pytest.mark.parametrize(("hours", "bucket_s"), [(1, 60), (24, 900), (168, 7_200), (720, 21_600)])
def test_buckets_are_what_people_count_in(hours: int, bucket_s: int) -> None:
    """A range has at most 120 buckets, each of a round length."""
    assert bucket_s_of(TimeRange(0, 3_600 * hours)) == bucket_s


async def test_the_overview_is_where_one_starts(server: Any) -> None:
    """Whoever has signed in and asks for nothing else sees it; strangers learn what this is."""
    async with server.client(token="") as client:
        assert "<h1>Overview</h1>" not in (await client.get("/")).text
        signed_in = await post_sign_in(client, token=server.token)
        assert signed_in.status_code == 303, signed_in.text
        start = await client.get("/")
    assert start.status_code == 200
    assert "<h1>Overview</h1>" in start.text
