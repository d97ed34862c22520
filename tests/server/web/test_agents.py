"""Agents' pages: a night asleep is a band and no zero; where they were; nothing of other account groups."""

import random
import uuid
from typing import Any

import httpx
import msgspec
import pytest
from lxml import html

from hopsight.model.agents import AgentInfo
from hopsight.model.dimensions import AGENT_STATES, NETWORK_SESSIONS, USER_SESSIONS, Dimensions
from hopsight.model.query import Query, Record
from hopsight.model.times import TimeRange, format_utc
from hopsight.model.upload import Enrolment
from hopsight.server.web import agents
from hopsight.server.web.agent_numbers import newest_start, state_bands
from hopsight.testing import sample_session

pytestmark = pytest.mark.anyio

NOW = 1_600_041_600
HOSTILE = "<script>alert(1)</script>"


def enrol(server: Any, name: str, aid: int | None = None) -> str:
    """An agent; its ID."""
    info = AgentInfo(
        computer_name=name,
        agent_name=name,
        platform="Linux",
        os_version="12",
        kernel_version="6",
        version="1",
    )
    key = server.accounts.create_group_key(aid or server.aid)
    enrolment_id = str(uuid.UUID(int=random.Random(name).getrandbits(128)))
    wish = Enrolment(enrolment_id=enrolment_id, secret="s" * 43, agent=info)
    return str(server.accounts.enrol(key, wish, "192.0.2.1").agent_id)


async def measure(server: Any, agent_id: str, minutes: range, **dimensions: Any) -> None:
    """A network and a user session in each of these minutes before now."""
    for minute in minutes:
        round_id = NOW - 60 * minute
        network = sample_session(random.Random(minute), round_id=round_id, agent_id=agent_id)
        body = {
            "userSessionId": network.user_session_id,
            "agentId": agent_id,
            "roundId": round_id,
            "date": format_utc(round_id),
            "visitedSite": "app.example.com",
            "numberOfPages": 0,
        }
        encoded = {NETWORK_SESSIONS: msgspec.json.encode(network), USER_SESSIONS: msgspec.json.encode(body)}
        for kind, written in encoded.items():
            record = Record(
                aid=server.aid,
                round_id=round_id,
                record_id=network.user_session_id,
                dimensions=Dimensions(agent_id=agent_id, **dimensions),
                loss_percent=0.0,
                latency_ms=20.0,
                jitter_ms=1.0,
                body=written,
            )
            await server.store.add(kind, [record])


async def sleep(server: Any, agent_id: str, first_minute: int, last_minute: int) -> None:
    """A span asleep."""
    start_s, end_s = NOW - 60 * first_minute, NOW - 60 * last_minute
    state_id = f"07625:{start_s}:aVDViw0j"
    body = {
        "stateId": state_id, "agentId": agent_id, "roundId": start_s, "date": format_utc(start_s),
        "state": "asleep", "startMs": start_s * 1000, "endMs": end_s * 1000,
    }  # fmt: skip
    record = Record(
        aid=server.aid, round_id=start_s, record_id=state_id, dimensions=Dimensions(agent_id=agent_id),
        loss_percent=None, latency_ms=None, jitter_ms=None, body=msgspec.json.encode(body),
    )  # fmt: skip
    await server.store.add(AGENT_STATES, [record])


def tree(page: httpx.Response) -> Any:
    """A page's elements."""
    return html.document_fromstring(page.text)


async def test_a_night_asleep_is_a_band_and_a_gap(server: Any, client: httpx.AsyncClient) -> None:
    """The line is broken where the agent slept; the state is drawn there and named."""
    server.clock.advance(NOW - server.clock.now())
    agent_id = enrol(server, "laptop")
    await measure(server, agent_id, range(1, 60), ssid="Office", connection="Wireless")
    await sleep(server, agent_id, 240, 60)
    await measure(server, agent_id, range(240, 300), ssid="Home", connection="Wireless")
    answer = await client.get(f"/agents/{agent_id}?window=6h")
    assert answer.status_code == 200, answer.text
    page = tree(answer)
    (band,) = page.xpath("//rect[contains(@class, 'state-asleep')]")
    assert float(band.get("width")) == pytest.approx((712 - 44) / 2, abs=2)
    lines = page.xpath("//figure[@data-chart][1]//path[starts-with(@class, 'line ')]/@d")
    assert all(line.count("M") == 2 for line in lines), lines
    table = page.xpath("//table[caption[@id='stays']]//th[@scope='row']/text()")
    assert table == ["Home", "Wireless", "Office"] or sorted(table) == ["Home", "Office", "Wireless"]
    newest = page.xpath("//table[caption[@id='newest']]//a/@href")
    assert len(newest) == 50
    assert "CPU" in answer.text


async def test_all_agents_are_listed_with_their_numbers(server: Any, client: httpx.AsyncClient) -> None:
    """Those that measured nothing have dashes; hostile names are text; a name finds its agent."""
    server.clock.advance(NOW - server.clock.now())
    busy, idle = enrol(server, "busy"), enrol(server, HOSTILE)
    await measure(server, busy, range(1, 5))
    answer = await client.get("/agents")
    rows = {
        row.xpath("string(th)"): [cell.text_content().strip() for cell in row.xpath("td")]
        for row in tree(answer).xpath("//tbody/tr")
    }
    assert rows.keys() == {"busy", HOSTILE}
    assert rows["busy"][3:6] == ["4", "20.0", "0.00"]
    assert rows[HOSTILE][3:6] == ["-", "-", "-"]
    assert HOSTILE not in answer.text
    found = tree(await client.get("/agents?name=busy"))
    assert found.xpath("//tbody/tr/th/a/@title") == [busy]
    assert idle not in (await client.get("/agents?name=busy")).text


async def test_every_page_has_the_numbers_of_its_own_agents(
    server: Any, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of an agent that measured the least of all."""
    monkeypatch.setattr(agents, "PER_PAGE", 1)
    server.clock.advance(NOW - server.clock.now())
    ids = sorted(enrol(server, name) for name in ("busy", "quiet"))
    await measure(server, ids[0], range(1, 9))
    await measure(server, ids[1], range(20, 22))
    counted, path = [], "/agents?window=1h"
    while path:
        found = tree(await client.get(path))
        counted += found.xpath("//tbody/tr/td[4]/text()")
        path = "".join(found.xpath("//a[text()='Next page']/@href"))
    assert counted == ["8", "2"]


async def test_an_agent_of_others_is_not_there(server: Any, client: httpx.AsyncClient) -> None:
    """Of another account group, or of none: 404 for both; one that was deleted says so."""
    other = server.accounts.create_account_group("Elsewhere")
    theirs, gone = enrol(server, "theirs", other), enrol(server, "gone")
    for agent_id in (theirs, str(uuid.uuid4()), "x"):
        assert (await client.get(f"/agents/{agent_id}")).status_code == 404
    server.accounts.delete_agent(server.aid, gone)
    assert "was deleted" in (await client.get(f"/agents/{gone}")).text


def test_a_state_is_cut_to_the_range() -> None:
    """What reaches beyond the axis is drawn to its end; what lies outside is not drawn."""
    time_range = TimeRange(NOW - 3_600, NOW)

    def state(start_s: int, end_s: int) -> bytes:
        return msgspec.json.encode(
            {
                "stateId": "07625:1600041600:aVDViw0j", "agentId": "3fde6422-f119-40e1-ae32-d08a1243c038",
                "roundId": NOW, "date": format_utc(start_s), "state": "offline",
                "startMs": start_s * 1000, "endMs": end_s * 1000,
            }
        )  # fmt: skip

    (band,) = state_bands([state(NOW - 7_200, NOW + 60), state(NOW - 9_000, NOW - 8_000)], time_range)
    assert (band.x, band.width) == (44, 668)


async def test_the_newest_are_counted_from_the_end(server: Any) -> None:
    """As many buckets as hold at most so many records; one bucket at least."""
    server.clock.advance(NOW - server.clock.now())
    agent_id = enrol(server, "laptop")
    await measure(server, agent_id, range(1, 31))
    query = Query(kind=USER_SESSIONS, aid=server.aid, first_round=NOW - 3_600, last_round=NOW)
    summary = await server.store.summarize(query, 600)
    assert newest_start(summary, 1_000) == (summary.buckets[0].start_s, False)
    start_s, is_cut = newest_start(summary, 12)
    assert is_cut
    assert start_s in {bucket.start_s for bucket in summary.buckets[1:]}
    nothing = await server.store.summarize(msgspec.structs.replace(query, aid=1), 600)
    assert newest_start(nothing, 5) == (None, False)
