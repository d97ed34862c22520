"""Pages over HTTP: every record that was there at the start, exactly once, whatever arrives meanwhile."""

import random
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hopsight.model.dimensions import Dimensions
from hopsight.model.query import Record
from hopsight.server.api.filters import MAX_FILTERS
from hopsight.testing import AGENT_ID, ROUND_ID, sample_record

NETWORK = "/v6/endpoint-data/user-sessions/network"
OTHER_AGENT = "5d0764ac-7e42-4ec8-a0d4-39fc53edccba"


def make(rng: random.Random, count: int, rounds: int = 1, agent_id: str = AGENT_ID) -> list[Record]:
    """Records spread over the newest ``rounds`` rounds."""
    return [
        sample_record(
            rng, round_id=ROUND_ID - 60 * rng.randrange(rounds), dimensions=Dimensions(agent_id=agent_id)
        )
        for _ in range(count)
    ]


def ids_of(body: dict[str, Any]) -> list[str]:
    """IDs in the order served."""
    return [item["userSessionId"] for item in body["networkSessions"]]


async def follow(
    client: httpx.AsyncClient, path: str, between: Callable[[], Any], **first: Any
) -> list[dict[str, Any]]:
    """All pages, with something happening between them; ``next`` by GET."""
    method = "POST" if first else "GET"
    pages = [(await client.request(method, path, **first)).raise_for_status().json()]
    while "next" in pages[-1]["pages"]:
        await between()
        pages.append((await client.get(pages[-1]["pages"]["next"])).raise_for_status().json())
    return pages


@pytest.mark.anyio
@pytest.mark.parametrize(("count", "sizes"), [(0, [0]), (1, [1]), (1_000, [1_000]), (1_001, [1_000, 1])])
@pytest.mark.parametrize("query", ["", "?window=1h"])
async def test_a_thousand_is_one_page_and_one_more_is_two(
    server: Any, client: Any, count: int, sizes: list[int], query: str
) -> None:
    """There is a next page only when there is more, and never a previous one."""
    await server.add(*make(random.Random(count), count))
    pages = await follow(client, NETWORK + query, anyio.lowlevel.checkpoint)
    assert [len(page["networkSessions"]) for page in pages] == sizes
    assert [page["pages"]["current"] for page in pages] == list(range(1, len(sizes) + 1))
    assert all(page["pages"].keys() <= {"current", "next"} for page in pages)
    assert all(("from" in page, "to" in page) == (bool(query), bool(query)) for page in pages)


@pytest.mark.parametrize("query", ["", "?window=2h", "?from=2017-03-26T10:00:00", "?window=7200&page=1"])
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1_500, 3_200),
    rounds=st.integers(1, 9),
    posted=st.booleans(),
)
def test_following_next_yields_everything_once(
    make_server: Any, query: str, seed: int, count: int, rounds: int, posted: bool
) -> None:
    """Records that arrive meanwhile, in old rounds and in new ones, neither shift nor double any."""
    anyio.run(_check_walk, make_server(), query, random.Random(seed), count, rounds, posted)


async def _check_walk(
    server: Any, query: str, rng: random.Random, count: int, rounds: int, posted: bool
) -> None:
    there = make(rng, count, rounds)
    await server.add(*there, *make(rng, 300, rounds, OTHER_AGENT))

    async def insert() -> None:
        # Old rounds, the pinned one, and a round newer than all.
        server.clock.advance(60)
        newer = [sample_record(rng, round_id=ROUND_ID + 60) for _ in range(rng.randrange(40))]
        await server.add(*make(rng, rng.randrange(700), rounds), *newer)

    body = {"json": {"searchFilters": [{"key": "agentId", "values": [AGENT_ID]}]}} if posted else {}
    async with server.client() as client:
        pages = await follow(client, NETWORK + query, insert, **body)
    seen = [identity for page in pages for identity in ids_of(page)]
    rounds_of = {record.record_id: record.round_id for record in there}
    wanted = {name for name, round_id in rounds_of.items() if query or round_id == max(rounds_of.values())}
    assert len(seen) == len(set(seen))
    assert wanted <= set(seen)
    assert seen == sorted(seen, key=lambda name: (int(name.split(":")[1]), name))
    assert [page["pages"]["current"] for page in pages] == list(range(1, len(pages) + 1))
    assert len({(page.get("from"), page.get("to")) for page in pages}) == 1


@pytest.mark.anyio
async def test_a_page_costs_one_call_and_the_last_round_one_more(server: Any, client: Any) -> None:
    """With a range, one; without, two for the first page and one for those after; none when it is empty."""
    await client.get(NETWORK)
    assert server.store.calls == ["last_round"]
    server.store.calls.clear()
    await server.add(*make(random.Random(1), 1_001))
    await follow(client, NETWORK + "?window=1h", anyio.lowlevel.checkpoint)
    assert server.store.calls == ["page", "page"]
    server.store.calls.clear()
    await follow(client, NETWORK, anyio.lowlevel.checkpoint)
    assert server.store.calls == ["last_round", "page", "page"]


@pytest.mark.anyio
async def test_next_keeps_path_and_parameters_and_pins_the_range(server: Any, client: Any) -> None:
    """Suffix, account group and unknown parameters stay; window becomes from and to; page goes."""
    await server.add(*make(random.Random(1), 1_001))
    path = NETWORK.removeprefix("/v6") + ".xml"
    answer = await client.get(f"{path}?aid=&x=%20%26&window=1h&format=json&page=1")
    assert "&amp;pageId=" in answer.text
    following = httpx.URL(answer.text.split("<next>")[1].split("</next>")[0].replace("&amp;", "&"))
    parameters = parse_qs(following.query.decode(), keep_blank_values=True)
    assert (following.scheme, following.netloc, following.path) == ("http", b"hopsight.test:8480", path)
    assert parameters.pop("pageId")
    assert parameters == {
        "aid": [""],
        "x": [" &"],
        "format": ["json"],
        "from": ["2017-03-26T10:58:00"],
        "to": ["2017-03-26T11:58:00"],
    }
    assert b"%20%26" in following.raw_path
    second = await client.get(following)
    assert "<current>2</current></pages>" in second.text


@pytest.mark.anyio
async def test_next_begins_with_the_configured_url(make_server: Any) -> None:
    """Behind a proxy that hides the name, the settings say what clients call us."""
    server = make_server(public_url="https://net.example.com/hopsight/")
    await server.add(*make(random.Random(1), 1_001))
    async with server.client() as client:
        following = (await client.get(NETWORK)).json()["pages"]["next"]
    assert following.startswith(f"https://net.example.com/hopsight{NETWORK}?pageId=")


@pytest.mark.anyio
async def test_a_filtered_next_works_by_get_and_by_the_same_post(server: Any, client: Any) -> None:
    """The link alone knows the filters; the body may come again, but no other."""
    rng = random.Random(1)
    await server.add(*make(rng, 1_200), *make(rng, 1_200, agent_id=OTHER_AGENT))
    body = {"searchFilters": [{"key": "agentId", "values": [AGENT_ID.upper()]}]}
    first = (await client.post(NETWORK + "?window=1h", json=body)).json()
    following = first["pages"]["next"]
    answers = [
        await client.get(following),
        await client.post(following, json=body),
        await client.post(following),
        await client.post(following, json={"searchFilters": []}),
    ]
    assert {answer.content for answer in answers} == {answers[0].content}
    assert len(ids_of(answers[0].json())) == 200
    other = {"searchFilters": [{"key": "agentId", "values": [OTHER_AGENT]}]}
    assert (await client.post(following, json=other)).status_code == 400


@pytest.mark.anyio
async def test_a_next_with_as_many_filters_as_there_may_be_works(server: Any, client: Any) -> None:
    """The largest body that is taken still fits into a link that is taken."""
    rng = random.Random(1)
    await server.add(*make(rng, 1_001))
    values = [f"{rng.getrandbits(128):032x}" for _ in range(1_000)]
    filters = [{"key": "agentId", "values": [AGENT_ID]}] * (MAX_FILTERS - 1)
    filters.append({"key": "agentId", "values": [*values[:-1], AGENT_ID]})
    first = (await client.post(NETWORK, json={"searchFilters": filters})).json()
    assert len(ids_of((await client.get(first["pages"]["next"])).json())) == 1


@pytest.mark.anyio
async def test_page_numbers_alone_still_work(server: Any, client: Any) -> None:
    """Deprecated, but scripts count up; past the end there is nothing."""
    await server.add(*make(random.Random(1), 2_300, rounds=3))
    answers = [(await client.get(f"{NETWORK}?window=1h&page={number}")).json() for number in (1, 2, 3, 4)]
    assert [len(ids_of(answer)) for answer in answers] == [1_000, 1_000, 300, 0]
    assert len({name for answer in answers for name in ids_of(answer)}) == 2_300
    assert [answer["pages"]["current"] for answer in answers] == [1, 2, 3, 4]
    assert [("next" in answer["pages"]) for answer in answers] == [True, True, False, False]
    following = answers[1]["pages"]["next"]
    assert "page=" not in urlsplit(following).query.replace("pageId=", "")
    assert ids_of((await client.get(following)).json()) == ids_of(answers[2])


@pytest.mark.anyio
async def test_a_place_goes_only_with_its_own_kind_of_request(server: Any, client: Any) -> None:
    """A place from the last round takes no range, and one from a range needs it."""
    await server.add(*make(random.Random(1), 1_001))
    pinned, ranged = [
        parse_qs(urlsplit((await client.get(NETWORK + query)).json()["pages"]["next"]).query)["pageId"][0]
        for query in ("", "?window=1h")
    ]
    assert (await client.get(f"{NETWORK}?window=1h&pageId={pinned}")).status_code == 400
    assert (await client.get(f"{NETWORK}?pageId={ranged}")).status_code == 400
    assert (await client.get(f"/v6/endpoint-agents?pageId={ranged}")).status_code == 400


@pytest.mark.anyio
async def test_the_last_round_is_the_newest_with_data_whatever_the_filters(server: Any, client: Any) -> None:
    """A filter narrows the last round; it does not pick another."""
    rng = random.Random(1)
    older = sample_record(rng, round_id=ROUND_ID - 60, dimensions=Dimensions(agent_id=OTHER_AGENT))
    await server.add(older, *make(rng, 2))
    body = {"searchFilters": [{"key": "agentId", "values": [OTHER_AGENT]}]}
    assert (await client.post(NETWORK, json=body)).json() == {"networkSessions": [], "pages": {"current": 1}}
    assert len(ids_of((await client.post(NETWORK + "?window=1h", json=body)).json())) == 1
