"""The pages of networks."""

import random
from typing import Any

import msgspec
import pytest
from lxml import html

from hopsight.accounts.listings import NetworkName
from hopsight.model.accounts import Role
from hopsight.model.dimensions import USER_SESSIONS, Dimensions
from hopsight.model.query import Record
from hopsight.server.web.overview import PATH as OVERVIEW
from hopsight.testing import ROUND_ID, sample_user_session_record

pytestmark = pytest.mark.anyio

NETWORK = "0123456789ab"
OTHER = "ba9876543210"
MARKUP = "<script>alert(1)</script>"


async def measured(server: Any, network_id: str, latency_ms: float, seed: int, **more: Any) -> None:
    """One session from a network."""
    session = sample_user_session_record(random.Random(seed), round_id=ROUND_ID - 60).document
    dimensions = Dimensions(agent_id=f"agent-{seed}", network_id=network_id, verdict="lan", **more)
    record = Record(
        aid=server.aid,
        round_id=session.round_id,
        record_id=session.user_session_id,
        dimensions=dimensions,
        loss_percent=10.0,
        latency_ms=latency_ms,
        jitter_ms=1.0,
        body=msgspec.json.encode(session),
    )
    await server.store.add(USER_SESSIONS, [record])


def rows(page: Any) -> list[list[str]]:
    """Cells of the first table."""
    return [
        [" ".join(" ".join(map(str, cell.itertext())).split()) for cell in row]
        for row in page.xpath("(//table)[1]/tbody/tr")
    ]


async def test_networks_are_ranked_with_their_numbers(server: Any, client: Any) -> None:
    """The slowest first, each with agents, sessions, median, p95 and loss; named as an admin named it."""
    server.accounts.networks.set(NetworkName(aid=server.aid, network_id=NETWORK, location=MARKUP))
    for seed, latency_ms in enumerate((100.0, 200.0)):
        await measured(server, NETWORK, latency_ms, seed)
    await measured(server, OTHER, 900.0, 9, bssid="02:51:00:00:06:01")
    answer = await client.get("/networks")
    assert answer.status_code == 200, answer.text
    page: Any = html.fromstring(answer.text)
    assert [row[:6] for row in rows(page)] == [
        [OTHER, "1", "1", "900.0", "900.0", "10.00"],
        [f"{MARKUP} {NETWORK}", "2", "2", "100.0", "200.0", "10.00"],
    ]
    assert not page.xpath("//script[contains(., 'alert')] | //*[@style]")
    links = page.xpath("//table//a/@href")
    assert f"/networks/{OTHER}?aid={server.aid}&window=24h" in links
    assert f"{OVERVIEW}?aid={server.aid}&window=24h&bssid=02%3A51%3A00%3A00%3A06%3A01" in links


async def test_the_order_is_chosen(server: Any, client: Any) -> None:
    """By sessions the network with the most is first; an unknown order is refused."""
    await measured(server, OTHER, 900.0, 9)
    for seed in range(2):
        await measured(server, NETWORK, 1.0, seed)
    page: Any = html.fromstring((await client.get("/networks?order=sessions")).text)
    assert [row[0] for row in rows(page)] == [NETWORK, OTHER]
    assert (await client.get("/networks?order=x")).status_code == 400


async def test_a_network_shows_what_is_in_it(server: Any, client: Any) -> None:
    """Verdict shares, agents, access points and gateways of this network alone."""
    await measured(server, NETWORK, 20.0, 1, bssid="02:00:00:00:00:01", gateway="10.0.0.1")
    await measured(server, OTHER, 20.0, 2, gateway="10.9.9.9")
    page: Any = html.fromstring((await client.get(f"/networks/{NETWORK}?networkId={OTHER}")).text)
    text = " ".join(page.text_content().split())
    assert "lan 100.0 % (1)" in text
    captions = [" ".join(each.text_content().split()) for each in page.xpath("//section//caption")]
    assert captions == ["Agents, slowest first", "Access points, slowest first", "Gateways, slowest first"]
    assert "agent-1" in text
    assert any(str(link).startswith("/agents/agent-1?") for link in page.xpath("//a/@href"))
    assert "10.0.0.1" in text
    assert "10.9.9.9" not in text


async def test_a_network_of_others_is_not_there(server: Any) -> None:
    """404 for a network that the account group never saw, and for one of another account group."""
    await measured(server, NETWORK, 20.0, 1)
    aid = server.accounts.create_account_group("Other", 1)
    server.accounts.create_user("other@example.com", Role.ORG_ADMIN, [aid])
    async with server.client(server.accounts.create_token("other@example.com")) as client:
        assert (await client.get(f"/networks/{NETWORK}")).status_code == 404
        assert (await client.get(f"/networks/{NETWORK}?aid={server.aid}")).status_code == 400
        assert NETWORK not in (await client.get("/networks")).text
    async with server.client("") as client:
        assert (await client.get("/networks")).status_code == 303
