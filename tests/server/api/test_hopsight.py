"""Our own API over HTTP: records with what is kept of them, counts, and the manners of version 6."""

import json
import random
import uuid
from itertools import product
from typing import Any

import msgspec
import pytest

from hopsight.model.accounts import Role
from hopsight.model.dimensions import AGENT_STATES, FILTERS, NETWORK_PROBES, USER_SESSIONS
from hopsight.model.kinds import KINDS
from hopsight.model.score import score_of
from hopsight.model.upload import MeasurementContext, UploadBatch
from hopsight.server.api.bodies import MAX_BODY_BYTES
from hopsight.server.api.hopsight import agent_states, network_probes, user_sessions, verdicts
from hopsight.server.api.hopsight.documents import VERDICTS
from hopsight.server.api.hopsight.records import EXPANDED_ITEMS
from hopsight.server.checks import sender_of
from hopsight.server.ingest import check_batch
from hopsight.testing import (
    AGENT_ID,
    ROUND_ID,
    sample_agent_state_record,
    sample_network_probe_record,
    sample_user_session_record,
)

pytestmark = pytest.mark.anyio

SESSIONS = "/hopsight/v1/user-sessions"
PROBES = "/hopsight/v1/network-probes"
STATES = "/hopsight/v1/agent-states"
COUNTS = "/hopsight/v1/verdicts"
PROBE_ROUND = ROUND_ID - ROUND_ID % 300
WHOLE_TIME = "window=100000d"
CONTEXT = MeasurementContext(
    platform="Linux",
    connection="Wireless",
    location="Berlin",
    gateway="10.0.0.1",
    proxy_target="10.0.0.2",
    vpn_target="10.0.0.3",
    network_id="0123456789ab",
    ssid="Office",
    bssid="02:00:00:00:00:01",
)
LISTED = {SESSIONS: USER_SESSIONS, PROBES: NETWORK_PROBES, STATES: AGENT_STATES}


async def keep(server: Any, kind: str, *sent: Any, aid: int | None = None) -> None:
    """Store records as an upload of them would."""
    lists: Any = {kind.replace("-", "_"): list(sent)}
    batch = UploadBatch(upload_id=str(uuid.UUID(int=1, version=4)), contexts=[CONTEXT], **lists)
    sender = sender_of(AGENT_ID, aid or server.aid, server.clock.now() + 86_400, 10**8, "203.0.113.9")
    checked = check_batch(msgspec.json.encode(batch), sender)
    assert checked.refused == []
    await server.store.add(kind, checked.records[kind])


async def sessions(server: Any, count: int, **options: Any) -> list[Any]:
    """User sessions that are stored."""
    rng = random.Random(f"{count}{options}")
    made = [sample_user_session_record(rng, **options) for _ in range(count)]
    await keep(server, USER_SESSIONS, *made)
    return made


def filters(**values: str) -> bytes:
    """A body that filters."""
    given = [{"key": key, "values": [value]} for key, value in values.items()]
    return json.dumps({"searchFilters": given}).encode()


async def search(client: Any, path: str, **values: str) -> Any:
    """What a filtered POST answers."""
    headers = {"Content-Type": "application/json"}
    answer = await client.post(f"{path}?{WHOLE_TIME}", content=filters(**values), headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_user_session_is_served_whole(server: Any, client: Any) -> None:
    """The list item and everything of the detail, with what the server added."""
    (sent,) = await sessions(server, 1, verdict="lan")
    answer = await client.get(f"{SESSIONS}/{sent.document.user_session_id}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json;charset=UTF-8"
    body = answer.json()
    document = json.loads(msgspec.json.encode(sent.document))
    detail = json.loads(msgspec.json.encode(sent.detail))
    score = score_of(sent.detail)
    assert score is not None
    added = {
        "committed": body["committed"],
        "sourceAddr": "203.0.113.9",
        "experienceScore": score.value,
        "coordinates": {"location": "Berlin"},
    }
    assert body == document | detail | added
    assert body["verdict"]["result"] == "lan"
    assert [segment["name"] for segment in body["segments"]] == ["lan", "destination"]


async def test_a_list_has_details_only_when_it_is_asked_to(server: Any, client: Any) -> None:
    """Short items by default; expanded, each is what its own resource answers, and pages are shorter."""
    await sessions(server, EXPANDED_ITEMS + 1)
    plain = (await client.get(SESSIONS)).json()
    assert len(plain["userSessions"]) == EXPANDED_ITEMS + 1
    assert plain["pages"] == {"current": 1}
    assert all("network" not in item for item in plain["userSessions"])
    first = (await client.get(f"{SESSIONS}?expand=detail")).json()
    second = (await client.get(first["pages"]["next"])).json()
    assert (len(first["userSessions"]), len(second["userSessions"])) == (EXPANDED_ITEMS, 1)
    (last,) = second["userSessions"]
    assert last == (await client.get(f"{SESSIONS}/{last['userSessionId']}")).json()
    ids = [item["userSessionId"] for page in (first, second) for item in page["userSessions"]]
    assert ids == [item["userSessionId"] for item in plain["userSessions"]]
    numbered = (await client.get(f"{SESSIONS}?expand=detail&page=2")).json()
    assert numbered["userSessions"] == second["userSessions"]


async def test_a_network_probe_is_served_whole(server: Any, client: Any) -> None:
    """Gateway, proxy and VPN of one round are three; each with its profile."""
    rng = random.Random(1)
    kinds: list[Any] = ["gateway", "proxy", "vpn"]
    sent = [sample_network_probe_record(rng, target_kind=kind) for kind in kinds]
    await keep(server, NETWORK_PROBES, *sent)
    listed = (await client.get(PROBES)).json()["networkProbes"]
    assert [item["networkProbeId"] for item in listed] == [each.document.network_probe_id for each in sent]
    for each in sent:
        body = (await client.get(f"{PROBES}/{each.document.network_probe_id}")).json()
        expected = msgspec.json.encode(each.document)[:-1] + b"," + msgspec.json.encode(each.detail)[1:]
        assert body == json.loads(expected) | {"coordinates": {"location": "Berlin"}}


UNKNOWN = [
    (f"{SESSIONS}/07625:{ROUND_ID}:aaaaaaaa", 404),
    (f"{SESSIONS}/00001:{ROUND_ID}:aaaaaaaa", 404),
    (f"{SESSIONS}/7625:{ROUND_ID}:aaaaaaaa", 400),
    (f"{SESSIONS}/x", 400),
    (f"{SESSIONS}/07625:99999999999:aaaaaaaa", 404),
    (f"{SESSIONS}/07625:{ROUND_ID}:aaaaaaaa%0A", 400),
    (f"{SESSIONS}/" + "9" * 5_000, 400),
    (f"{SESSIONS}/%ff", 400),
    (f"{PROBES}/07625:0123456789ab:{PROBE_ROUND}:3fde6422", 404),
    (f"{PROBES}/00001:0123456789ab:{PROBE_ROUND}:3fde6422", 404),
    (f"{PROBES}/07625:0123456789ab:{PROBE_ROUND}:3fde6422-dns", 400),
    (f"{PROBES}/07625:{ROUND_ID}:aaaaaaaa", 400),
    (f"{PROBES}/07625:0123456789ab:{PROBE_ROUND}:3fde6422%00", 400),
    ("/hopsight/v1/no-such-thing", 404),
    ("/hopsight/v2/user-sessions", 404),
    (f"{STATES}/x", 404),
]


@pytest.mark.parametrize(("path", "status"), UNKNOWN)
async def test_ids_that_lead_nowhere(client: Any, path: str, status: int) -> None:
    """404 for what is not there, 400 for what is no ID: in the shape of every error."""
    answer = await client.get(path)
    assert answer.status_code == status
    assert answer.json().keys() == {"errorMessage"}
    assert len(answer.json()["errorMessage"]) < 500


async def test_nothing_of_another_account_group_is_served(server: Any, client: Any) -> None:
    """Neither by ID nor in a list nor in a count; the ID says whose it is, and that is not enough."""
    org_id = server.accounts.create_organization("Other")
    other = server.accounts.create_account_group("Other", org_id)
    rng = random.Random(1)
    session = sample_user_session_record(rng, aid=other)
    probe = sample_network_probe_record(rng, aid=other)
    await keep(server, USER_SESSIONS, session, aid=other)
    await keep(server, NETWORK_PROBES, probe, aid=other)
    await keep(server, AGENT_STATES, sample_agent_state_record(rng, aid=other), aid=other)
    for path, kind in LISTED.items():
        assert (await client.get(f"{path}?{WHOLE_TIME}")).json()[KINDS[kind].list_key] == []
    assert (await client.get(f"{COUNTS}?{WHOLE_TIME}")).json()["sessions"] == 0
    for path in (
        f"{SESSIONS}/{session.document.user_session_id}",
        f"{PROBES}/{probe.document.network_probe_id}",
    ):
        assert (await client.get(path)).status_code == 404
        assert (await client.get(f"{path}?aid={other}")).status_code == 400
    server.accounts.create_user("both@example.com", Role.USER, [server.aid, other])
    token = server.accounts.create_token("both@example.com")
    async with server.client(token) as both:
        path = f"{SESSIONS}/{session.document.user_session_id}"
        assert (await both.get(path)).status_code == 404
        assert (await both.get(f"{path}?aid={other}")).status_code == 200


FILTERED = {
    "type": ("gateway", "vpn"),
    "agentId": (AGENT_ID.upper(), "3fde6422-f119-40e1-ae32-d08a1243c039"),
    "location": ("Berlin", "berlin"),
    "connection": ("wireless", "Ethernet"),
    "trigger": ("auto", "user"),
    "platform": ("linux", "Mac"),
    "gateway": ("10.0.0.1", "10.0.0.9"),
    "proxyTarget": ("10.0.0.2", "10.0.0.9"),
    "vpnTarget": ("10.0.0.3", "10.0.0.9"),
    "networkId": ("0123456789ab", "ffffffffffff"),
    "ssid": ("Office", "office"),
    "bssid": ("02:00:00:00:00:01", "02:00:00:00:00:02"),
    "domain": ("Example.com", "app.example.com"),
    "visitedSite": ("APP.example.com", "example.com"),
    "destinationIp": ("192.0.2.10", "192.0.2.11"),
    "verdict": ("healthy", "lan"),
}


@pytest.mark.parametrize("key", FILTERS)
async def test_every_filter_of_a_kind_is_applied(server: Any, client: Any, key: str) -> None:
    """It finds what it should and not what it should not; a key of another kind is refused by name."""
    rng = random.Random(1)
    await keep(server, USER_SESSIONS, sample_user_session_record(rng))
    await keep(server, NETWORK_PROBES, sample_network_probe_record(rng))
    await keep(server, AGENT_STATES, sample_agent_state_record(rng))
    right, wrong = FILTERED[key]
    for path, kind in LISTED.items():
        if kind in FILTERS[key].kinds:
            has_value = not (kind == AGENT_STATES and key == "trigger")
            found = (await search(client, path, **{key: right}))[KINDS[kind].list_key]
            assert len(found) == int(has_value), (path, key)
            assert (await search(client, path, **{key: wrong}))[KINDS[kind].list_key] == []
        else:
            answer = await client.post(
                path, content=filters(**{key: right}), headers={"Content-Type": "application/json"}
            )
            assert answer.status_code == 400
            assert key in answer.json()["errorMessage"]


async def test_verdicts_are_counted(server: Any, client: Any) -> None:
    """Every verdict is named, also those of no session; filters and time ranges hold; watched ones apart."""
    await sessions(server, 5, verdict="healthy")
    await sessions(server, 2, verdict="lan", visited_site="erp.example.org")
    await sessions(server, 3, passive=True, round_id=ROUND_ID + 60)
    everything = (await client.get(f"{COUNTS}?from=2017-01-01T00:00:00&to=2018-01-01T00:00:00")).json()
    counts = {item["verdict"]: item["sessions"] for item in everything["verdicts"]}
    assert list(counts) == list(VERDICTS)
    assert {name: count for name, count in counts.items() if count} == {"healthy": 5, "lan": 2}
    assert (everything["sessions"], everything["withoutVerdict"]) == (10, 3)
    assert (everything["from"], everything["to"]) == ("2017-01-01 00:00:00", "2018-01-01 00:00:00")
    last = (await client.get(COUNTS)).json()
    assert (last["roundId"], last["sessions"], last["withoutVerdict"]) == (ROUND_ID + 60, 3, 3)
    earlier = await client.get(f"{COUNTS}?from=2017-01-01T00:00:00&to=2017-03-26T11:58:59")
    assert earlier.json()["sessions"] == 7
    server.clock.advance(120)
    of_site = await search(client, COUNTS, visitedSite="erp.example.org")
    assert (of_site["sessions"], of_site["verdicts"][2]) == (2, {"verdict": "lan", "sessions": 2})


async def test_without_data_every_answer_is_empty(client: Any) -> None:
    """And none is an error."""
    for path, kind in LISTED.items():
        assert (await client.get(path)).json() == {KINDS[kind].list_key: [], "pages": {"current": 1}}
    body = (await client.get(COUNTS)).json()
    assert (body["sessions"], body["withoutVerdict"], len(body["verdicts"])) == (0, 0, len(VERDICTS))


def span(start_s: int, length_s: float, seed: int) -> Any:
    """A state from ``start_s`` on."""
    rng = random.Random(seed)
    made = sample_agent_state_record(rng, round_id=start_s - start_s % 60, length_s=length_s)
    document = msgspec.structs.replace(
        made.document, start_ms=start_s * 1_000, end_ms=int((start_s + length_s) * 1_000)
    )
    return msgspec.structs.replace(made, document=document)


async def test_states_of_a_time_are_those_that_reach_into_it(server: Any, client: Any) -> None:
    """Also one that began a day before; not one that was over by then, nor one that begins afterwards."""
    noon = 1_490_486_400  # 2017-03-26 00:00:00
    day = 86_400
    inside, reaching = span(noon + 100, 60, 1), span(noon - day + 1, day, 2)
    touching, over = span(noon - 3_600, 3_600, 3), span(noon - 3_600, 3_599, 4)
    after = span(noon + 7_200, 60, 5)
    await keep(server, AGENT_STATES, inside, reaching, touching, over, after)
    answer = await client.get(f"{STATES}?from=2017-03-26T00:00:00&to=2017-03-26T01:00:00")
    found = {item["stateId"] for item in answer.json()["agentStates"]}
    assert found == {each.document.state_id for each in (inside, reaching, touching)}
    last = (await client.get(STATES)).json()["agentStates"]
    assert [item["stateId"] for item in last] == [after.document.state_id]


async def test_pages_of_states_lead_to_all_of_them(server: Any, client: Any) -> None:
    """A page whose items are all over by then is short, and says where the next is."""
    start = 1_490_486_400
    early = [span(start - 7_200, 60, seed) for seed in range(1_100)]
    late = [span(start + 60, 60, 10_000 + seed) for seed in range(30)]
    await keep(server, AGENT_STATES, *early, *late)
    url = f"{STATES}?from=2017-03-26T00:00:00&to=2017-03-26T01:00:00"
    pages = []
    while url:
        pages.append((await client.get(url)).json())
        url = pages[-1]["pages"].get("next")
    assert [len(page["agentStates"]) for page in pages] == [0, 30]
    assert {page["from"] for page in pages} == {"2017-03-26 00:00:00"}


ROUTES = {
    (path.replace("{userSessionId:str}", "x").replace("{networkProbeId:str}", "x"), method)
    # What is not about records is walked in `test_every_route.py`, and tested in `test_alerts.py`.
    for module in (agent_states, network_probes, user_sessions, verdicts)
    for handler in module.HANDLERS
    for path in handler.paths
    for method in handler.http_methods
}
LISTS = [(path, method) for path, method in sorted(ROUTES) if not path.endswith("/x")]
HUGE = "9" * 6_000
BAD_EVERYWHERE = ["aid=x", "aid=-1", f"aid={HUGE}", "aid=1&aid=2", "aid=%00", "aid=%80"]
BAD_TIMES = [
    "window=0", "window=-1h", "window=1x", "window=", f"window={HUGE}x", "window=1h&from=2017-01-01T00:00:00",
    "to=2017-01-01T00:00:00", "from=x", "from=2017-01-01T00:00:00&to=2016-01-01T00:00:00", "from=%00",
]  # fmt: skip
BAD_PAGES = ["page=0", "page=-1", "page=", "page=1001", f"page={HUGE}", "pageId=", "pageId=x", "pageId=cFtd"]
BAD_EXPAND = ["expand=", "expand=all", "expand=detail&expand=x", "expand=%ff", f"expand={HUGE}"]


def test_the_routes_are_those_that_are_walked() -> None:
    """A new route cannot slip past the tests here."""
    lists = {(path, method) for path in (*LISTED, COUNTS) for method in ("GET", "POST")}
    assert lists | {(f"{SESSIONS}/x", "GET"), (f"{PROBES}/x", "GET")} == ROUTES


async def test_every_bad_parameter_is_400(client: Any) -> None:
    """Each names the parameter, and what would be accepted; nothing is a fault of ours."""
    expandable = [(path, method) for path, method in LISTS if path in {SESSIONS, PROBES}]
    paged = [(path, method) for path, method in LISTS if path in LISTED]
    cases = [
        *product(sorted(ROUTES), BAD_EVERYWHERE),
        *product(LISTS, BAD_TIMES),
        *product(paged, BAD_PAGES),
        *product(expandable, BAD_EXPAND),
    ]
    for (path, method), query in cases:
        answer = await client.request(method, f"{path}?{query}")
        assert answer.status_code == 400, (method, path, query[:80])
        message = answer.json()["errorMessage"]
        assert "accepted" in message
        assert query.split("=")[0] in message or "window" in message or "from" in message
        assert len(message) < 500


@pytest.mark.parametrize(
    ("status", "options"),
    [
        (400, {"content": b"{", "headers": {"Content-Type": "application/json"}}),
        (400, {"content": filters(colour="red"), "headers": {"Content-Type": "application/json"}}),
        (413, {"content": b"x" * (MAX_BODY_BYTES + 1)}),
        (415, {"content": b"x", "headers": {"Content-Type": "text/csv"}}),
    ],
)
async def test_every_bad_body_is_refused(client: Any, status: int, options: dict[str, Any]) -> None:
    """Malformed, of an unknown key, too long, of another type."""
    for path, method in LISTS:
        if method == "POST":
            assert (await client.post(path, **options)).status_code == status, path


async def test_nobody_is_served_without_credentials(server: Any) -> None:
    """Whatever else is wrong with the request; and the answer says how to show some."""
    async with server.client("") as stranger:
        for path, method in sorted(ROUTES):
            answer = await stranger.request(method, f"{path}?window=0")
            assert answer.status_code == 401, path
            assert "www-authenticate" in answer.headers


async def test_requests_are_counted_against_the_limit(limited: Any) -> None:
    """The same limit as version 6 has, told in the same headers."""
    async with limited.client() as client:
        answers = [await client.get(path) for path in (SESSIONS, PROBES, STATES, COUNTS, SESSIONS, PROBES)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[0].headers["x-organization-rate-limit-remaining"] == "4"


@pytest.mark.parametrize("role", list(Role))
async def test_every_role_may_read(server: Any, role: Role) -> None:
    """Also with a POST: it changes nothing."""
    async with server.client(server.tokens[role]) as client:
        for path, method in LISTS:
            assert (await client.request(method, path)).status_code == 200


async def test_long_answers_are_compressed_for_those_who_ask(server: Any, client: Any) -> None:
    """As everywhere."""
    await sessions(server, 20)
    answer = await client.get(SESSIONS, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.json()["userSessions"]) == 20


async def test_other_methods_are_refused_and_head_is_answered(client: Any) -> None:
    """405 says what is taken."""
    answer = await client.delete(SESSIONS)
    assert answer.status_code == 405
    assert {"GET", "HEAD", "POST"} <= set(answer.headers["allow"].split(", "))
    assert "DELETE" not in answer.headers["allow"]
    head = await client.head(SESSIONS)
    assert (head.status_code, head.content) == (200, b"")
