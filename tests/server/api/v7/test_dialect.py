"""What every resource of version 7 has in common: credentials, formats, errors, time, cursors."""

import base64
from typing import Any

import msgspec
import pytest

from hopsight.model.dimensions import NETWORK_SESSIONS, Dimensions
from hopsight.model.query import PAGE_ITEMS, Record
from hopsight.model.times import parse_instant

pytestmark = pytest.mark.anyio

TESTS = "/v7/endpoint/test-results/real-user-tests"
NETWORKS = f"{TESTS}/networks/filter"
ROUND = 1_600_000_200
AGENT = "236e6f18-9637-4a2f-b15f-7aa6a29c9fce"


def record(number: int, round_id: int = ROUND) -> Record:
    """A network session."""
    session_id = f"07625:{round_id}:{number:08d}"
    body = {
        "userSessionId": session_id,
        "agentId": AGENT,
        "roundId": round_id,
        "date": "2020-09-13 12:30:00",
        "destination": {"target": "192.0.2.1", "loss": 0.0, "latency": 3, "jitter": 1, "avgRtt": 3.2},
    }
    return Record(
        aid=7625,
        round_id=round_id,
        record_id=session_id,
        dimensions=Dimensions(agent_id=AGENT, platform="Linux" if number % 2 else "Mac"),
        loss_percent=0.0,
        latency_ms=3.2,
        jitter_ms=1.0,
        body=msgspec.json.encode(body),
    )


async def test_basic_credentials_are_not_taken(server: Any) -> None:
    """Bearer alone: Basic is 401 in the dialect's own shape, and the challenge names Bearer."""
    token = base64.b64encode(f"user@example.com:{server.token}".encode()).decode()
    async with server.client("") as client:
        answers = [
            await client.post(NETWORKS, headers=headers)
            for headers in ({}, {"Authorization": f"Basic {token}"}, {"Authorization": "Bearer x"})
        ]
        answers += [
            await client.get(path, headers={"Authorization": f"Basic {token}"})
            for path in ("/v7/account-groups", "/v7/nothing")
        ]
    for answer in answers:
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="Hopsight"'
        assert answer.json().keys() == {"error", "error_description"}
        assert answer.json()["error"] == "invalid_token"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "application/hal+json"),
        ("*/*", "application/hal+json"),
        ("application/json", "application/json"),
        ("application/hal+json, application/json, application/problem+json", "application/hal+json"),
        ("application/json;q=0.9, application/hal+json;q=0.1", "application/json"),
        ("text/xml", None),
        ("image/png;q=x", None),
    ],
)
async def test_formats(client: Any, accept: str, content_type: str | None) -> None:
    """HAL or plain JSON, as ``Accept`` prefers; 406 when it admits neither; never XML."""
    answer = await client.get("/v7/account-groups", headers={"Accept": accept})
    if content_type is None:
        assert answer.status_code == 406
        assert answer.headers["Content-Type"] == "application/problem+json"
    else:
        assert answer.headers["Content-Type"] == content_type


@pytest.mark.parametrize("path", ["/v7/account-groups.json", "/v7/account-groups.xml", f"{TESTS}/x.json"])
async def test_a_suffix_is_not_found(client: Any, path: str) -> None:
    """Version 7 has no suffixes."""
    assert (await client.get(path)).status_code == 404


async def test_errors_are_problem_documents(client: Any) -> None:
    """RFC 7807: type, title, status, detail, instance; the field for 400."""
    answer = await client.post(f"{NETWORKS}?window=x")
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem.keys() == {"type", "title", "status", "detail", "instance", "errors"}
    assert (problem["title"], problem["status"], problem["instance"]) == ("Bad Request", 400, NETWORKS)
    assert problem["errors"][0]["field"] == "window"
    missing = (await client.get("/v7/nothing")).json()
    assert (missing["status"], missing["title"], "errors" in missing) == (404, "Not Found", False)
    method = await client.get(NETWORKS)
    assert (method.status_code, method.headers["Allow"]) == (405, "OPTIONS, POST")
    assert method.json()["status"] == 405


async def test_version_6_keeps_its_errors(client: Any) -> None:
    """One dialect's shape is not the other's."""
    assert (await client.get("/v6/nothing")).json().keys() == {"errorMessage"}
    assert (await client.get("/hopsight/v1/nothing")).json().keys() == {"errorMessage"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-09-13T12:26:40Z", 1_600_000_000),
        ("2020-09-13T12:26:40", 1_600_000_000),
        ("2020-09-13T12:26:40.000000+0000", 1_600_000_000),
        ("2020-09-13T14:26:40+02:00", 1_600_000_000),
        ("2020-09-13T14:26:40 0200", 1_600_000_000),
        ("2020-09-13T09:56:40-0230", 1_600_000_000),
        ("2020-09-13T12:26:40Z+0000", None),
        ("2020-09-13T12:26:40+2400", None),
        ("2020-09-13T12:26:40+0060", None),
        ("2020-02-30T12:26:40Z", None),
        ("2020-09-13", None),
        ("", None),
    ],
)
def test_instants(text: str, expected: int | None) -> None:
    """ISO 8601 with ``Z``, an offset, or neither; a ``+`` that a URL made a space is one."""
    assert parse_instant(text) == expected


async def test_pages_stand_still_while_data_arrives(server: Any, client: Any) -> None:
    """The cursor fixes time: later pages of ``window`` neither shift nor repeat when new data comes."""
    server.clock.advance(ROUND + 90 - server.clock.now())
    await server.add(*(record(number) for number in range(2 * PAGE_ITEMS + 1)))
    first = (await client.post(f"{NETWORKS}?window=10m")).json()
    await server.add(*(record(number, ROUND + 120) for number in range(5)))
    server.clock.advance(60)
    found, links = [item["id"] for item in first["results"]], first["_links"]
    while "next" in links:
        cursor = links["next"]["href"].split("cursor=")[1]
        # As the SDK does it: its own parameters again, and the cursor.
        page = (await client.post(f"{NETWORKS}?window=10m&cursor={cursor}")).json()
        assert (page["startDate"], page["endDate"]) == (first["startDate"], first["endDate"])
        verbatim = (await client.post(links["next"]["href"])).json()
        assert verbatim["results"] == page["results"]
        found += [item["id"] for item in page["results"]]
        links = page["_links"]
    assert len(found) == 2 * PAGE_ITEMS + 1
    assert len(set(found)) == len(found)


async def test_exactly_a_page_has_no_next(server: Any, client: Any) -> None:
    """A thousand are one page, and an empty list is a list."""
    assert (await client.post(NETWORKS)).json() == {"results": [], "_links": {}}
    await server.add(*(record(number) for number in range(PAGE_ITEMS)))
    answer = (await client.post(NETWORKS)).json()
    assert len(answer["results"]) == PAGE_ITEMS
    assert answer["_links"] == {}


async def test_filters_are_in_the_cursor(server: Any, client: Any) -> None:
    """A next page asked for without a body goes on with the first one's filters; with others it is 400."""
    await server.add(*(record(number) for number in range(2 * PAGE_ITEMS + 2)))
    body = {"searchFilters": {"platform": ["linux"]}}
    url = (await client.post(NETWORKS, json=body)).json()["_links"]["next"]["href"]
    for again in ({}, {"json": body}):
        page = (await client.post(url, **again)).json()
        assert [item["id"][-1] for item in page["results"]] == ["1"]
    other = await client.post(url, json={"searchFilters": {"platform": ["mac"]}})
    assert other.status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "window=0", "window=1x", "endDate=2020-01-01T00:00:00Z", "startDate=2020-01-01",
        "startDate=2020-01-02T00:00:00Z&endDate=2020-01-01T00:00:00Z",
        "window=1h&startDate=2020-01-01T00:00:00Z", "cursor=x", "cursor=eA", "aid=x",
    ],
)  # fmt: skip
async def test_wrong_parameters(client: Any, query: str) -> None:
    """Whatever is wrong is 400, and names the parameter."""
    answer = await client.post(f"{NETWORKS}?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] in query


async def test_a_cursor_of_another_list_is_refused(server: Any, client: Any) -> None:
    """A cursor belongs to the list that it comes from."""
    await server.add(*(record(number) for number in range(PAGE_ITEMS + 1)))
    url = (await client.post(NETWORKS)).json()["_links"]["next"]["href"]
    assert (await client.post(url.replace("/networks/filter", "/filter"))).status_code == 400


async def test_kinds_are_kept_apart(client: Any) -> None:
    """``pages/filter`` takes the filters as its whole body, the others inside ``searchFilters``."""
    inner = {"agentId": [AGENT]}
    whole = {"searchFilters": inner}
    for path, good, bad in (("networks", whole, inner), ("pages", inner, whole)):
        assert (await client.post(f"{TESTS}/{path}/filter", json=good)).status_code == 200
        assert (await client.post(f"{TESTS}/{path}/filter", json=bad)).status_code == 400
    twice = await client.post(NETWORKS, content=b'{"searchFilters": {"ssid": ["a"], "ssid": ["b"]}}')
    assert twice.status_code == 400
    assert "twice" in twice.json()["detail"]


async def test_the_last_round_is_pinned(server: Any, client: Any) -> None:
    """Without a range all pages are of the round that was the last when the first was asked for."""
    await server.store.add(NETWORK_SESSIONS, [record(number) for number in range(PAGE_ITEMS + 1)])
    url = (await client.post(NETWORKS)).json()["_links"]["next"]["href"]
    await server.add(record(1, ROUND + 60))
    assert [item["roundId"] for item in (await client.post(url)).json()["results"]] == [ROUND]


async def test_the_way_is_version_7_s_alone(server: Any, client: Any) -> None:
    """VPN and proxy of a window are in version 7's networks, and in nothing that version 6 answers."""
    plain = record(1)
    way = {"vpn": {"target": "198.51.100.7", "loss": 10.0, "latency": 30, "jitter": 2}}
    body = msgspec.json.encode(msgspec.json.decode(plain.body) | way)
    await server.add(msgspec.structs.replace(plain, body=body), record(2))
    results = (await client.post(NETWORKS)).json()["results"]
    assert [result.get("vpn") for result in results] == [way["vpn"], None]
    path = "/v6/endpoint-data/user-sessions/network"
    sessions = (await client.get(path)).json()["networkSessions"]
    assert sessions[0] == msgspec.json.decode(plain.body)
    assert "vpn" not in (await client.get(f"{path}.xml")).text
