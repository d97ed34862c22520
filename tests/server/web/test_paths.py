"""The page of paths."""

import random
from typing import Any

import msgspec
import pytest
from lxml import html

from hopsight.model.accounts import Role
from hopsight.model.dimensions import USER_SESSIONS, Dimensions
from hopsight.model.network_documents import PathHop, Traceroute
from hopsight.model.query import Query, Record
from hopsight.server.web import paths
from hopsight.testing import ROUND_ID, sample_user_session_record

pytestmark = pytest.mark.anyio

SITE = "app.example.com"
MARKUP = "<script>alert(1)</script>"


async def measured(
    server: Any,
    seed: int,
    ago_s: int,
    name: str,
    *,
    passive: bool = False,
    loss: float = 0.0,
    further: tuple[PathHop, ...] = (PathHop(hop=2),),
) -> None:
    """One session to the site, over a router of this name, and what is behind it."""
    given = sample_user_session_record(random.Random(seed), round_id=ROUND_ID - ago_s, passive=passive)
    hops = (PathHop(hop=1, rtt_ms=5.0, ip_address=f"203.0.113.{seed}", name=name), *further)
    detail = given.detail
    if not passive:
        network = msgspec.structs.replace(detail.network, traceroute=Traceroute(hops=hops))
        detail = msgspec.structs.replace(detail, network=network)
    record = Record(
        aid=server.aid,
        round_id=given.document.round_id,
        record_id=given.document.user_session_id,
        dimensions=Dimensions(agent_id=given.document.agent_id, visited_site=SITE),
        loss_percent=loss,
        latency_ms=5.0,
        jitter_ms=1.0,
        body=msgspec.json.encode(given.document),
        detail=msgspec.json.encode(detail),
    )
    await server.store.add(USER_SESSIONS, [record])


async def shown(client: Any, url: str) -> tuple[html.HtmlElement, str]:
    """The page, and its text with single spaces."""
    answer = await client.get(url)
    assert answer.status_code == 200, answer.text
    page = html.fromstring(answer.text)
    assert not page.xpath("//*[@style] | //style | //script[contains(., 'alert')]")
    return page, " ".join(" ".join(map(str, page.itertext())).split())


async def test_without_a_site_there_is_a_choice(server: Any, client: Any) -> None:
    """The sites of the range with their sessions, each a link to its graph."""
    await measured(server, 1, 60, "r1")
    page, _ = await shown(client, "/paths")
    assert page.xpath("//table//a/@href") == [f"/paths?aid={server.aid}&window=24h&visitedSite={SITE}"]


async def test_paths_are_drawn_and_told(server: Any, client: Any) -> None:
    """Every node is in drawing and table; names stay text; sessions without a path are passed over."""
    await measured(server, 1, 60, MARKUP)
    await measured(server, 2, 120, "r2")
    await measured(server, 3, 120, "", passive=True)
    page, text = await shown(client, f"/paths?visitedSite={SITE}")
    assert "2 paths of 1 agent, from all 3 sessions" in text
    assert MARKUP in text
    nodes = page.xpath("//svg[@class='graph']//circle")
    assert len(nodes) == len(page.xpath("//table/tbody/tr")) == 5
    assert page.xpath("//svg[@class='graph']//path")


async def test_the_newest_sessions_are_drawn(
    server: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many sessions those that came last, and the page says of how many."""
    monkeypatch.setattr(paths, "MOST", 3)
    for seed in range(1, 8):
        await measured(server, seed, 60 * seed, f"r{seed}.")
    _, text = await shown(client, f"/paths?visitedSite={SITE}")
    assert "3 paths of 1 agent, from the newest 3 of 7 sessions" in text
    assert [name for name in ("r1.", "r2.", "r3.", "r4.", "r7.") if name in text] == ["r1.", "r2.", "r3."]


async def test_a_range_without_paths_says_so(server: Any, client: Any) -> None:
    """No session, and none with a path, are two sentences."""
    await measured(server, 3, 120, "", passive=True)
    assert (
        "None of the newest 1 sessions has a path." in (await shown(client, f"/paths?visitedSite={SITE}"))[1]
    )
    assert "No session in this time." in (await shown(client, "/paths?visitedSite=none.example"))[1]


async def test_paths_of_others_are_not_shown(server: Any) -> None:
    """Another account group has none of them, and may not name this one."""
    await measured(server, 1, 60, "secret-router")
    aid = server.accounts.create_account_group("Other", 1)
    server.accounts.create_user("other@example.com", Role.ORG_ADMIN, [aid])
    async with server.client(server.accounts.create_token("other@example.com")) as client:
        answer = await client.get(f"/paths?visitedSite={SITE}")
        assert answer.status_code == 200
        assert "secret-router" not in answer.text
        assert (await client.get(f"/paths?visitedSite={SITE}&aid={server.aid}")).status_code == 400


async def test_the_newest_are_asked_for_by_their_bucket(server: Any) -> None:
    """The question leaves out exactly those that are older, also within a bucket."""
    for seed in range(1, 11):
        await measured(server, seed, 60 * seed, "r")
    query = Query(kind=USER_SESSIONS, aid=server.aid, first_round=ROUND_ID - 3_600, last_round=ROUND_ID)
    summary = await server.store.summarize(query, 300)
    for most in (1, 4, 10, 11):
        page = await server.store.page(paths.newest_of(query, summary, most))
        rounds = [msgspec.json.decode(body)["roundId"] for body in page.bodies]
        assert rounds == [ROUND_ID - 60 * n for n in range(min(most, 10), 0, -1)]
