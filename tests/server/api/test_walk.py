"""Every route with every bad parameter, in both formats: the right status, the right shape, never a fault."""

import random
import re
from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import msgspec
import pytest
from lxml import etree

from hopsight.model.accounts import Role
from hopsight.model.agents import AgentInfo
from hopsight.model.upload import Enrolment
from hopsight.server.api.bodies import MAX_BODY_BYTES
from hopsight.server.api.v6.documents import ANSWERS
from hopsight.server.api.v6.rendering import ROOT
from hopsight.server.api.v6.routes import HANDLERS, RESOURCES, VERSION
from hopsight.server.api.xml_schema import write_schema
from hopsight.server.checks import sender_of
from hopsight.server.ingest import check_batch
from hopsight.testing import (
    AGENT_ID,
    ROUND_ID,
    sample_network_probe_record,
    sample_user_session_record,
    sample_web_session_record,
)

pytestmark = pytest.mark.anyio

SCHEMA = etree.XMLSchema(etree.fromstring(write_schema(ROOT, ANSWERS)))
NETWORK = "/v6/endpoint-data/user-sessions/network"
TOPOLOGY = "/v6/endpoint-data/network-topology"
SESSIONS = "/v6/endpoint-data/user-sessions"
AGENT = "/v6/endpoint-agents/{agentId:str}"
PATHS = {
    "/v6/status": {"GET"},
    "/v6/docs/te-api-v6.xsd": {"GET"},
    "/v6/account-groups": {"GET"},
    "/v6/account-groups/{groupId:str}": {"GET"},
    "/v6/audit/user-events/search": {"GET"},
    "/v6/endpoint-agents": {"GET"},
    "/v6/endpoint-agents/transfer": {"POST"},
    AGENT: {"GET", "POST", "DELETE"},
    f"{AGENT}/enable": {"POST"},
    f"{AGENT}/disable": {"POST"},
    f"{AGENT}/restore": {"POST"},
    "/v6/permissions": {"GET"},
    "/v6/roles": {"GET"},
    "/v6/roles/new": {"POST"},
    "/v6/roles/{roleId:str}": {"GET"},
    "/v6/roles/{roleId:str}/update": {"POST"},
    "/v6/roles/{roleId:str}/delete": {"POST"},
    "/v6/users": {"GET"},
    "/v6/users/new": {"POST"},
    "/v6/users/{uid:str}": {"GET"},
    "/v6/users/{uid:str}/update": {"POST"},
    "/v6/users/{uid:str}/delete": {"POST"},
    "/v6/users/{uid:str}/tokens": {"GET"},
    "/v6/users/{uid:str}/tokens/new": {"POST"},
    "/v6/users/{uid:str}/tokens/{tokenId:str}/delete": {"POST"},
    SESSIONS: {"GET", "POST"},
    f"{SESSIONS}/{{userSessionId:str}}": {"GET"},
    f"{SESSIONS}/{{userSessionId:str}}/page/{{pageId:str}}": {"GET"},
    NETWORK: {"GET", "POST"},
    f"{SESSIONS}/web": {"GET", "POST"},
    TOPOLOGY: {"GET", "POST"},
    f"{TOPOLOGY}/{{networkProbeId:str}}": {"GET"},
    "/v6/endpoint-data/networks": {"GET"},
}
LISTS = [
    (method, path) for path in (NETWORK, SESSIONS, f"{SESSIONS}/web", TOPOLOGY) for method in ("GET", "POST")
]
SESSION = sample_user_session_record(random.Random(1))
PAGE = sample_web_session_record(random.Random(2))
PROBE = sample_network_probe_record(random.Random(3))
READ = [
    "/v6/account-groups",
    "/v6/account-groups/7625",
    "/v6/audit/user-events/search",
    "/v6/endpoint-agents",
    "/v6/endpoint-agents/{agent_id}",
    "/v6/endpoint-data/networks",
    "/v6/permissions",
    "/v6/roles",
    "/v6/roles/{role_id}",
    "/v6/users",
    "/v6/users/1",
    "/v6/users/1/tokens",
    f"{SESSIONS}/{SESSION.document.user_session_id}",
    f"{SESSIONS}/{PAGE.document.user_session_id}/page/{PAGE.document.page_id}",
    f"{TOPOLOGY}/{PROBE.document.network_probe_id}",
]
"""What is read, each with an ID of something that ``walker`` has put there."""
GUARDED = [*LISTS, *(("GET", path) for path in READ)]
HUGE = "9" * 6_000

BAD_EVERYWHERE = [
    "format=JSON", "format=yaml", "format=%ff", "format=json&format=xml", "format=%zz", f"format={HUGE}",
]  # fmt: skip
BAD_GUARDED = ["aid=x", "aid=-1", f"aid={HUGE}", "aid=1&aid=2", "aid=%00", "aid=7625%20", "aid=%80"]
BAD_LIST = [
    "window=0", "window=-1h", "window=1x", "window=", f"window={HUGE}x", "window=1h&from=2017-01-01T00:00:00",
    "to=2017-01-01T00:00:00", "from=x", "from=2017-01-01T00:00:00&to=2016-01-01T00:00:00", "from=%00",
    "page=0", "page=-1", "page=x", "page=", "page=1001", f"page={HUGE}", "page=1.5", "page=%d9%a1",
    "pageId=", "pageId=x", "pageId=%20", f"pageId={HUGE}", "pageId=cFtd", "pageId=eg", "pageId=\u0667",
]  # fmt: skip
BAD_AGENTS = [
    "deleted=1",
    "deleted=TRUE",
    "deleted=yes",
    "page=101",
    "pageId=x",
    "agentName=%ff",
    "agentName=a&agentName=b",
]


def error_in(answer: Any, *, xml: bool) -> str:
    """The message of an error, after a look at its shape."""
    if not xml:
        assert answer.headers["Content-Type"] == "application/json;charset=UTF-8"
        assert answer.json().keys() == {"errorMessage"}
        return str(answer.json()["errorMessage"])
    assert answer.headers["Content-Type"] == "text/xml;charset=UTF-8"
    root = etree.fromstring(answer.content)
    SCHEMA.assertValid(root)
    assert [child.tag for child in root] == ["errorMessage"]
    return root[0].text or ""


CASES = [
    *product([("GET", "/v6/status"), *GUARDED], BAD_EVERYWHERE),
    *product(GUARDED, BAD_GUARDED),
    *product(LISTS, BAD_LIST),
    *product([("GET", "/v6/endpoint-agents")], BAD_AGENTS),
]


class Walker:
    """An organization admin's client in a server that holds one of everything that can be read."""

    def __init__(self, client: Any, ids: dict[str, str]) -> None:
        self._client, self._ids = client, ids

    async def request(self, method: str, path: str, behind: str = "", **options: Any) -> Any:
        """Ask; the IDs that only the server knows are filled in. ``behind``: suffix and query."""
        return await self._client.request(method, path.format(**self._ids) + behind, **options)


@pytest.fixture
async def walker(server: Any) -> AsyncIterator[Walker]:
    """One of them."""
    number = "00000000-0000-4000-8000-000000000001"
    sent = {
        "uploadId": number,
        "contexts": [{}],
        "userSessions": [SESSION],
        "webSessions": [PAGE],
        "networkProbes": [PROBE],
    }
    checked = check_batch(
        msgspec.json.encode(sent), sender_of(AGENT_ID, server.aid, ROUND_ID + 600, 90 * 86_400)
    )
    assert checked.refused == []
    for kind, records in checked.records.items():
        await server.store.add(kind, records)
    info = AgentInfo(computer_name="a", platform="Linux", os_version="1", kernel_version="2", version="3")
    enrolment = Enrolment(enrolment_id=number, secret="s" * 43, agent=info)
    enrolled = server.accounts.enrol(server.accounts.create_group_key(server.aid), enrolment, None)
    async with server.client(server.tokens[Role.ORG_ADMIN]) as client:
        roles = (await client.get("/v6/roles")).json()["roles"]
        yield Walker(client, {"agent_id": enrolled.agent_id, "role_id": roles[0]["roleId"]})


async def test_everything_that_is_read_is_guarded() -> None:
    """Each route that answers to GET is in the list, a list or one thing by its ID."""
    unguarded = {"/v6/status", "/v6/docs/te-api-v6.xsd"}
    routes = {path for path, methods in PATHS.items() if "GET" in methods} - unguarded
    given = {path: re.compile(re.sub(r"\\{.*?\\}", "[^/]+", re.escape(path))) for path in routes}
    walked = set()
    for _, path in GUARDED:
        # What is a route by itself is no ID in another one.
        walked |= (
            {path} if path in routes else {each for each, shape in given.items() if shape.fullmatch(path)}
        )
    assert walked == routes


@pytest.mark.parametrize("suffix", [".json", ".xml"])
async def test_what_is_guarded_is_there(walker: Walker, suffix: str) -> None:
    """Without a bad parameter each of them answers 200, so that the others are refused for it alone."""
    for method, path in GUARDED:
        answer = await walker.request(method, path, suffix)
        assert answer.status_code == 200, (method, path, answer.text)
        if suffix == ".xml":
            SCHEMA.assertValid(etree.fromstring(answer.content))


@pytest.mark.parametrize("suffix", [".json", ".xml"])
async def test_every_bad_parameter_is_400(walker: Walker, suffix: str) -> None:
    """Each names the parameter, and what would be accepted."""
    for (method, path), query in CASES:
        answer = await walker.request(method, path, f"{suffix}?{query}")
        assert answer.status_code == 400, (method, path, query[:80])
        message = error_in(answer, xml=suffix == ".xml")
        assert query.split("&")[-1].split("=")[0] in message or "window" in message or "from" in message
        assert "accepted" in message
        assert len(message) < 500


async def test_unknown_parameters_are_ignored(walker: Walker) -> None:
    """Whatever they are called, and whatever is in them."""
    for method, path in GUARDED:
        plain = await walker.request(method, path)
        odd = await walker.request(method, path, "?x=%zz&Window=0&x=%ff&=&AID=7&pageid=1&")
        assert (odd.status_code, odd.content) == (200, plain.content)


@pytest.mark.parametrize(
    ("status", "method", "path", "options"),
    [
        (400, "GET", NETWORK, {"params": {"window": "0"}}),
        (400, "GET", NETWORK, {"headers": {"Host": "a b"}}),
        (400, "POST", NETWORK, {"content": b"{", "headers": {"Content-Type": "application/json"}}),
        (401, "GET", NETWORK, {"headers": {"Authorization": "Bearer x"}}),
        (404, "GET", "/v6/no-such-thing", {}),
        (404, "GET", "/v6/endpoint-agents/1", {}),
        (404, "GET", "/v6/account-groups/x", {}),
        (404, "GET", "/v6/account-groups/" + HUGE, {}),
        (404, "GET", "/v6/endpoint-data/user-sessions/network/x", {}),
        (405, "DELETE", NETWORK, {}),
        (405, "POST", "/v6/status", {}),
        (405, "HEAD-", "/v6/account-groups", {}),
        (413, "POST", NETWORK, {"content": b"x" * (MAX_BODY_BYTES + 1)}),
        (415, "POST", NETWORK, {"content": b"x", "headers": {"Content-Type": "text/csv"}}),
    ],
)
@pytest.mark.parametrize("xml", [False, True])
async def test_every_kind_of_error_comes_in_the_format_asked_for(
    client: Any, status: int, method: str, path: str, options: dict[str, Any], *, xml: bool
) -> None:
    """Ours and the router's: by suffix and by header, one shape."""
    suffixed = await client.request(method, path + (".xml" if xml else ".json"), **options)
    accept = {"Accept": "text/xml" if xml else "application/hal+json"}
    negotiated = await client.request(
        method, path, **options | {"headers": options.get("headers", {}) | accept}
    )
    for answer in (suffixed, negotiated):
        assert answer.status_code == status
        assert error_in(answer, xml=xml)


async def test_406_is_in_json(walker: Walker) -> None:
    """A client that takes neither gets the default; a suffix leaves nothing to negotiate."""
    for method, path in GUARDED:
        answer = await walker.request(method, path, headers={"Accept": "text/html, image/png"})
        assert answer.status_code == 406
        assert "text/xml" in error_in(answer, xml=False)
        assert (
            await walker.request(method, path, ".xml", headers={"Accept": "text/html"})
        ).status_code == 200


@pytest.mark.parametrize("path", PATHS)
async def test_routes_are_those_that_are_walked(path: str) -> None:
    """A new route cannot slip past the table above."""
    found = {
        (each, method) for handler in HANDLERS for each in handler.paths for method in handler.http_methods
    }
    assert found == {(each, method) for each, methods in PATHS.items() for method in methods}
    roots = {each.removeprefix(VERSION + "/").split("/")[0] for each, _ in found}
    assert roots == RESOURCES | {"docs"}
    assert path.startswith(VERSION)


async def test_no_success_looks_like_an_error(client: Any) -> None:
    """A 200 never carries ``error`` or ``errorMessage`` on top, and its list key is always there."""
    keys = {
        "/v6/account-groups": "accountGroups",
        "/v6/endpoint-agents": "endpointAgents",
        NETWORK: "networkSessions",
    }
    for path, key in keys.items():
        body = (await client.get(path)).json()
        assert not body.keys() & {"error", "errorMessage"}
        assert isinstance(body[key], list)
