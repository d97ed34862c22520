"""The page that ``permalink`` opens."""

import random
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from lxml import html

from hopsight.model.accounts import Role
from hopsight.model.dimensions import USER_SESSIONS, WEB_SESSIONS, Dimensions
from hopsight.model.network_documents import Evidence, PathHop, Traceroute
from hopsight.model.query import Record
from hopsight.model.upload import UserSessionRecord, WebSessionRecord
from hopsight.model.user_sessions import SessionDetail, SessionNetwork
from hopsight.model.web_sessions import web_record_id
from hopsight.testing import sample_user_session_record, sample_web_session_record

pytestmark = pytest.mark.anyio

MARKUP = "<script>alert(1)</script>"


async def stored(server: Any) -> str:
    """A session whose verdict is hostile; its ID."""
    given = sample_user_session_record(random.Random(1))
    assert given.detail.verdict is not None
    verdict = msgspec.structs.replace(given.detail.verdict, summary=MARKUP)
    detail = msgspec.structs.replace(given.detail, verdict=verdict)
    session = given.document
    record = Record(
        aid=server.aid,
        round_id=session.round_id,
        record_id=session.user_session_id,
        dimensions=Dimensions(agent_id=session.agent_id),
        loss_percent=None,
        latency_ms=None,
        jitter_ms=None,
        body=msgspec.json.encode(session),
        detail=msgspec.json.encode(detail),
    )
    await server.store.add(USER_SESSIONS, [record])
    return session.user_session_id


async def test_a_permalink_opens_its_session(server: Any, client: Any) -> None:
    """The URL that the API gives shows site, verdict and everything that is kept; markup stays text."""
    session_id = await stored(server)
    session = (await client.get("/v6/endpoint-data/user-sessions")).json()["userSessions"][0]
    answer = await client.get(session["permalink"])
    assert answer.status_code == 200, answer.text
    page = html.fromstring(answer.text)
    text = "".join(map(str, page.itertext()))
    assert page.findtext(".//h1") == session["visitedSite"]
    assert session_id in text
    assert MARKUP in text
    assert "traceroute" in text
    assert not page.xpath("//script[contains(., 'alert')]")


async def test_others_are_told_nothing(server: Any) -> None:
    """Whoever has not signed in does so first; a user of another account group is told what of any aid."""
    session_id = await stored(server)
    async with server.client("") as client:
        answer = await client.get(f"/sessions/{session_id}")
        assert answer.status_code == 303
        assert answer.headers["Location"] == f"/sign-in?next=/sessions/{quote(session_id)}"
    aid = server.accounts.create_account_group("Other", 1)
    server.accounts.create_user("other@example.com", Role.ORG_ADMIN, [aid])
    async with server.client(server.accounts.create_token("other@example.com")) as client:
        answer = await client.get(f"/sessions/{session_id}")
        assert answer.status_code == 400
        assert MARKUP not in answer.text


@pytest.mark.parametrize(
    ("name", "status"), [("x", 400), ("07625:1490529480:aaaaaaaa", 404), ("99999:1490529480:aaaaaaaa", 400)]
)
async def test_what_is_not_there_is_said_as_a_page(client: Any, name: str, status: int) -> None:
    """For people, with the status for programs."""
    answer = await client.get(f"/sessions/{name}")
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")


async def keep(server: Any, given: UserSessionRecord) -> str:
    """Store a session; its ID."""
    session = given.document
    record = Record(
        aid=server.aid,
        round_id=session.round_id,
        record_id=session.user_session_id,
        dimensions=Dimensions(agent_id=session.agent_id, visited_site=session.visited_site),
        loss_percent=None,
        latency_ms=None,
        jitter_ms=None,
        body=msgspec.json.encode(session),
        detail=msgspec.json.encode(given.detail),
    )
    await server.store.add(USER_SESSIONS, [record])
    return session.user_session_id


async def keep_page(server: Any, given: WebSessionRecord) -> None:
    """Store a page of a session."""
    page = given.document
    record = Record(
        aid=server.aid,
        round_id=page.round_id,
        record_id=web_record_id(page.user_session_id, page.page_id),
        dimensions=Dimensions(agent_id=page.agent_id),
        loss_percent=None,
        latency_ms=None,
        jitter_ms=None,
        body=msgspec.json.encode(page),
        detail=msgspec.json.encode(given.detail),
    )
    await server.store.add(WEB_SESSIONS, [record])


async def shown(client: Any, session_id: str) -> html.HtmlElement:
    """The page of a session; nothing in it needs what its policy forbids."""
    answer = await client.get(f"/sessions/{session_id}")
    assert answer.status_code == 200, answer.text
    page = html.fromstring(answer.text)
    assert not page.xpath("//*[@style] | //style | //script[not(@type='application/json') and not(@src)]")
    return page


def words(element: html.HtmlElement) -> str:
    """Its text, with single spaces."""
    return " ".join(" ".join(map(str, element.itertext())).split())


async def test_segments_have_a_word_a_sign_and_a_reason(server: Any, client: Any) -> None:
    """The way is shown in order; the segment at fault says so, with its numbers and limits."""
    given = sample_user_session_record(random.Random(2), verdict="lan")
    lan, destination = given.detail.segments
    proof = Evidence(metric="loss", value=40.0, limit=10.0, unit="percent")
    lan = msgspec.structs.replace(lan, state="failed", link="Wireless", evidence=(proof,))
    unknown = msgspec.structs.replace(destination, state="unknown", note="nothing was sent")
    detail = msgspec.structs.replace(given.detail, segments=(lan, unknown))
    page = await shown(client, await keep(server, msgspec.structs.replace(given, detail=detail)))
    segments = [words(each) for each in page.xpath("//ol[@class='way']/li")]
    assert len(segments) == 2
    assert segments[0].startswith("Wi-Fi ✕ failed, at fault 10.0.0.1 10 of 10 answered")
    assert segments[0].endswith("loss 40, limit 10 percent")
    assert segments[1] == "Destination ? unknown 192.0.2.10 nothing was sent"
    assert [each.get("class") for each in page.xpath("//ol[@class='way']/li")] == [
        "segment state-failed",
        "segment state-unknown",
    ]
    assert words(page.xpath("//section//h2")[0]) == "Verdict: LAN"


async def test_the_path_is_drawn_and_told(server: Any, client: Any) -> None:
    """Each hop is in the drawing and in the table; a silent one as such; hostile names stay text."""
    given = sample_user_session_record(random.Random(3))
    hops = (
        PathHop(hop=1, rtt_ms=1.0, ip_address="10.0.0.1", name=MARKUP),
        PathHop(hop=2),
        PathHop(hop=3, rtt_ms=9.0, ip_address="192.0.2.10", asn=64500, mpls=("L=16,E=0,S=1,T=1",)),
    )
    network = msgspec.structs.replace(given.detail.network, traceroute=Traceroute(hops=hops))
    detail = msgspec.structs.replace(given.detail, network=network)
    page = await shown(client, await keep(server, msgspec.structs.replace(given, detail=detail)))
    assert len(page.xpath("//svg[@class='path']//circle")) == 3
    assert len(page.xpath("//svg[@class='path']//circle[@class='hop hop-silent']")) == 1
    rows = [words(row) for row in page.xpath("//table[.//caption[@id='hops']]/tbody/tr")]
    assert rows == [
        f"1 10.0.0.1 {MARKUP} 1.0",
        "2 silent -",
        "3 192.0.2.10 9.0 AS64500 L=16,E=0,S=1,T=1",
    ]


async def test_pages_have_their_waterfall(server: Any, client: Any) -> None:
    """A page with an archive has a bar for each phase and the numbers; one without says so."""
    given = sample_user_session_record(random.Random(4))
    web = sample_web_session_record(random.Random(4))
    hostile = msgspec.structs.replace(web.detail.har.log.pages[0], title=MARKUP)
    bare = msgspec.structs.replace(hostile, id="page_1", title="Without an archive")
    detail = msgspec.structs.replace(given.detail, pages=(hostile, bare))
    session_id = await keep(server, msgspec.structs.replace(given, detail=detail))
    document = msgspec.structs.replace(web.document, user_session_id=session_id)
    await keep_page(server, msgspec.structs.replace(web, document=document))
    page = await shown(client, session_id)
    (row,) = page.xpath("//table[contains(@class, 'waterfall')]/tbody/tr")
    assert [bar.get("class") for bar in row.xpath(".//rect")] == ["phase-send", "phase-wait", "phase-receive"]
    cells = [words(cell) for cell in row.xpath("./td[not(@class)]")]
    assert cells == ["200", "10", "0.0", "321.5", "-", "-", "-", "-", "0.5", "300.0", "21.0"]
    assert [words(each) for each in page.xpath("//h3")][-2:] == [MARKUP, "Without an archive"]
    assert "No archive is stored of this page." in words(page)


async def test_the_score_says_how_it_was_made(server: Any, client: Any) -> None:
    """Each input with its quality and weight; what was not measured is a dash."""
    given = sample_user_session_record(random.Random(5))
    document = msgspec.structs.replace(given.document, experience_score=0.97)
    page = await shown(client, await keep(server, msgspec.structs.replace(given, document=document)))
    rows = [words(row) for row in page.xpath("//table[.//caption[@id='score']]/tbody/tr")]
    assert rows[0] == "Loss, percent 0.0 0 20 1.000 4"
    assert rows[3] == "Page, ms - 1000 10000 - 2"
    assert "Score: 0.97" in words(page)


async def test_a_watched_session_has_its_traffic(server: Any, client: Any) -> None:
    """No probes, no path, no verdict and no score, and the page says why."""
    given = sample_user_session_record(random.Random(6), passive=True)
    page = await shown(client, await keep(server, given))
    text = words(page)
    assert "This session was watched, not probed" in text
    assert "Connections closed 3" in text
    assert not page.xpath("//svg | //ol[@class='way']")


async def test_a_session_with_nothing_is_a_page(server: Any, client: Any) -> None:
    """An empty network part leaves sections out; none is empty."""
    given = sample_user_session_record(random.Random(7))
    empty = SessionDetail(network=SessionNetwork())
    page = await shown(client, await keep(server, msgspec.structs.replace(given, detail=empty)))
    assert [words(each) for each in page.xpath("//h2")] == ["Verdict: none", "The same as data"]


async def test_the_next_and_the_previous_session_are_linked(server: Any, client: Any) -> None:
    """Those of the same agent and site; others are passed over."""
    ids = []
    for number, site in enumerate(("a.example", "a.example", "b.example", "a.example")):
        given = sample_user_session_record(
            random.Random(number), round_id=1490529480 + 60 * number, visited_site=site
        )
        ids.append(await keep(server, given))
    page = await shown(client, ids[1])
    assert page.xpath("//a[@rel='prev']/@href") == [f"/sessions/{ids[0]}"]
    assert page.xpath("//a[@rel='next']/@href") == [f"/sessions/{ids[3]}"]
    assert not (await shown(client, ids[0])).xpath("//a[@rel='prev']")


async def test_links_look_at_the_time_of_the_session(server: Any, client: Any) -> None:
    """Of an old session, links lead to its own day and account group, not to the last 24 hours."""
    given = sample_user_session_record(random.Random(8), round_id=1490529480 - 30 * 86_400)
    page = await shown(client, await keep(server, given))
    (link,) = page.xpath("//p[contains(@class, 'lead')]/a/@href")
    assert f"aid={server.aid}" in link
    assert "from=2017-02-23T23%3A58%3A00&to=2017-02-24T23%3A58%3A00" in link
    assert link.startswith(f"/agents/{given.document.agent_id}?")
