"""The published samples of every resource: stored, and served back with every field and type."""

import json
import random
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from docs.field_page import all_fields
from lxml import etree
from sqlalchemy import update

from hopsight.accounts import schema
from hopsight.model.accounts import Role
from hopsight.model.agents import AgentInfo, Location
from hopsight.model.dimensions import (
    NETWORK_PROBES,
    NETWORK_SESSIONS,
    USER_SESSIONS,
    WEB_SESSIONS,
    Dimensions,
)
from hopsight.model.kinds import KINDS
from hopsight.model.query import Record
from hopsight.model.times import parse_utc
from hopsight.model.topology import TargetKind
from hopsight.model.upload import Enrolment
from hopsight.server.checks import sender_of
from hopsight.server.ingest import check_batch
from hopsight.server.networks import cidr_of
from hopsight.testing import AGENT_ID, ROUND_ID, sample_network_probe_record

pytestmark = pytest.mark.anyio

SAMPLES = Path(__file__).parents[3] / "spec" / "samples"
DATA = "/v6/endpoint-data"
SESSIONS = f"{DATA}/user-sessions"
SESSION_ID = "07625:1490529480:h3qJQTpl"
PROBE_ID = "00160:39c518560de9:1491651900:236e6f18"


def sample(name: str) -> Any:
    """A sample."""
    return json.loads((SAMPLES / f"{name}.json").read_bytes())


def record_of(kind: str, document: dict[str, Any], aid: int, har: Any = None) -> Record:
    """A record as the server would store it: what the list shows, and the rest apart."""
    row = KINDS[kind]
    body = msgspec.convert(document, row.document)
    names = {each.encode_name for each in msgspec.structs.fields(row.document)}
    rest = {key: value for key, value in document.items() if key not in names} | ({"har": har} if har else {})
    complete = kind != USER_SESSIONS or "network" in rest
    detail = row.detail if complete and (har or kind != WEB_SESSIONS) else None
    record_id = next(iter(msgspec.to_builtins(body).values()))
    if kind == WEB_SESSIONS:
        record_id = f"{record_id}:{document['pageId']}"
    return Record(
        aid=aid,
        round_id=document["roundId"],
        record_id=record_id,
        dimensions=Dimensions(agent_id=document["agentId"]),
        loss_percent=None,
        latency_ms=None,
        jitter_ms=None,
        body=msgspec.json.encode(body),
        detail=msgspec.json.encode(msgspec.convert(rest, detail)) if detail is not None else None,
    )


def served(answer: dict[str, Any], key: str, origin: str = "http://hopsight.test:8480") -> list[Any]:
    """The items of an answer in order of ID, without the one field that must differ: our own address."""
    items = [dict(item) for item in answer[key]]
    for item in items:
        if "permalink" in item:
            assert item.pop("permalink").startswith((origin, "https://app.thousandeyes.com/"))
    return sorted(items, key=lambda item: [str(item.get(name)) for name in ("userSessionId", "pageId")])


async def stored(server: Any, kind: str, name: str, aid: int = 7625) -> dict[str, Any]:
    """Store the items of a sample; the sample."""
    document: dict[str, Any] = sample(name)
    records = [record_of(kind, item, aid) for item in document[KINDS[kind].list_key]]
    await server.store.add(kind, records)
    return document


@pytest.mark.parametrize(
    ("kind", "name", "path"),
    [
        (NETWORK_SESSIONS, "network-sessions", f"{SESSIONS}/network"),
        (USER_SESSIONS, "user-sessions", SESSIONS),
        (USER_SESSIONS, "user-sessions-filtered", SESSIONS),
        (WEB_SESSIONS, "web-sessions", f"{SESSIONS}/web"),
        (NETWORK_PROBES, "network-topology", f"{DATA}/network-topology"),
    ],
)
async def test_a_list_is_served_as_published(
    server: Any, client: Any, kind: str, name: str, path: str
) -> None:
    """Every item of the sample comes back with every field, and the XML of it is valid."""
    expected = await stored(server, kind, name)
    key = KINDS[kind].list_key
    rounds = [item["roundId"] for item in expected[key]]
    times = {"from": _time(min(rounds)), "to": _time(max(rounds) + 60)}
    for method in ("GET", "POST"):
        answer = await client.request(method, path, params=times)
        assert answer.status_code == 200, answer.text
        assert served(answer.json(), key) == served(expected, key)
    await check_xml(client, path, times)


def _time(epoch_s: int) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


async def check_xml(client: Any, path: str, params: dict[str, str] | None = None) -> Any:
    """The same as XML, valid by the schema that is served."""
    answer = await client.get(f"{path}.xml", params=params)
    assert answer.status_code == 200, answer.text
    root = etree.fromstring(answer.content)
    schema = etree.XMLSchema(etree.fromstring((await client.get("/v6/docs/te-api-v6.xsd")).content))
    schema.assertValid(root)
    return root


async def test_a_user_session_is_served_as_published(server: Any, client: Any) -> None:
    """The detail has every field of the sample: network, path, profile, pages, and ``errors`` when empty."""
    expected = await stored(server, USER_SESSIONS, "user-session-detail")
    for session_id in (SESSION_ID, SESSION_ID.replace(":", "%3A")):
        answer = await client.get(f"{SESSIONS}/{session_id}")
        assert answer.status_code == 200, answer.text
        assert answer.json().keys() == {"userSessions"}
        assert served(answer.json(), "userSessions") == served(expected, "userSessions")
    root = await check_xml(client, f"{SESSIONS}/{SESSION_ID}")
    assert len(root.findall(".//hops/hop/hop")) == len(
        expected["userSessions"][0]["network"]["traceroute"]["hops"]
    )


async def test_a_network_probe_is_served_as_published(server: Any, client: Any) -> None:
    """The detail has every field of the sample."""
    expected = await stored(server, NETWORK_PROBES, "network-topology-detail")
    answer = await client.get(f"{DATA}/network-topology/{PROBE_ID}")
    assert answer.json() == expected
    await check_xml(client, f"{DATA}/network-topology/{PROBE_ID}")


async def test_an_archive_is_served_as_published(server: Any, client: Any) -> None:
    """HAR 1.2 of a page, entry by entry."""
    pages = sample("web-sessions")["webSessions"]
    har = sample("web-page-har")["har"]
    await server.store.add(WEB_SESSIONS, [record_of(WEB_SESSIONS, pages[0], 7625, har)])
    path = f"{SESSIONS}/{SESSION_ID}/page/page_1"
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"har": har}
    await check_xml(client, path)


async def test_networks_are_served_as_published(server: Any, client: Any) -> None:
    """Those on which probes were made, each once, by its prefix and public range, in order of ID."""
    expected = sample("networks")
    for network in reversed(expected["privateNetworks"]):
        for round_id in (1_491_651_600, 1_491_651_900):
            probe = sample("network-topology-detail")["networkProbes"][0]
            probe["networkProfile"] |= {
                "localPrefix": network["localPrefix"],
                "publicIpRange": network["publicIpRange"],
            }
            probe["networkProbeId"] = f"07625:{network['networkId']}:{round_id}:236e6f18"
            probe["roundId"] = round_id
            made = record_of(NETWORK_PROBES, probe, 7625)
            dimensions = Dimensions(agent_id=probe["agentId"], network_id=network["networkId"])
            await server.store.add(NETWORK_PROBES, [msgspec.structs.replace(made, dimensions=dimensions)])
    for _ in range(2):
        answer = await client.get(f"{DATA}/networks")
        assert answer.json()["privateNetworks"] == expected["privateNetworks"]
    await check_xml(client, f"{DATA}/networks")


@pytest.mark.parametrize(
    ("range_", "cidr"),
    [
        ("178.216.56.0-178.216.63.255", "178.216.56.0/21"),
        ("192.0.2.1-192.0.2.1", "192.0.2.1/32"),
        ("2001:db8::-2001:db8::ffff", "2001:db8::/112"),
        ("192.0.2.1-192.0.2.6", None),
        ("192.0.2.9-192.0.2.1", None),
        ("192.0.2.1-2001:db8::", None),
        ("nothing", None),
    ],
)
def test_a_range_is_named_by_its_prefix(range_: str, cidr: str | None) -> None:
    """Where it is one; a range that is none has no such name."""
    assert cidr_of(range_) == cidr


async def test_a_permalink_names_the_session_on_our_own_pages(server: Any, client: Any) -> None:
    """It is an absolute URL of this server."""
    await stored(server, USER_SESSIONS, "user-sessions")
    sessions = (await client.get(SESSIONS)).json()["userSessions"]
    assert sessions[0]["permalink"] == "http://hopsight.test:8480/sessions/07625:1490529480:aVDViw0i"


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        (f"{SESSIONS}/x", 400, "userSessionId"),
        (f"{SESSIONS}/07625:1490529480:aaaaaaaa", 404, "userSessions"),
        (f"{SESSIONS}/07625:1490529480:aaaaaaaa/page/page_0", 404, "webSessions"),
        (f"{SESSIONS}/07625:1490529480:aaaaaaaa/page/a.b", 400, "pageId"),
        (f"{DATA}/network-topology/x", 400, "networkProbeId"),
        (f"{DATA}/network-topology/{PROBE_ID}", 404, "networkProbes"),
        (f"{DATA}/network-topology?window=43201", 400, "12 h"),
        (f"{DATA}/network-topology?from=2020-01-01T00:00:00&to=2020-01-01T12:00:01", 400, "12 h"),
        (f"{DATA}/network-topology?window=12h", 200, "networkProbes"),
    ],
)
async def test_what_is_not_there_or_wrong_is_said(client: Any, path: str, status: int, word: str) -> None:
    """400 for what cannot be, 404 for what is not, each with its name."""
    answer = await client.get(path)
    assert answer.status_code == status
    assert word in answer.text


@pytest.mark.parametrize("path", [SESSIONS, f"{SESSIONS}/web", f"{DATA}/network-topology"])
async def test_filters_are_those_of_the_resource(client: Any, path: str) -> None:
    """A key that the resource does not take is 400; one that it takes is 200."""
    sites = {"searchFilters": [{"key": "visitedSite", "values": ["example.com"]}]}
    kinds = {"searchFilters": [{"key": "type", "values": ["VPN"]}]}
    is_topology = path.endswith("topology")
    assert (await client.post(path, json=sites)).status_code == (400 if is_topology else 200)
    assert (await client.post(path, json=kinds)).status_code == (200 if is_topology else 400)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["gateway"], {"gateway"}),
        (["VPN"], {"vpn"}),
        (["Proxy", "gateway"], {"gateway", "proxy"}),
        (["router"], set()),
        (["router", "vpn"], {"vpn"}),
        ([""], set()),
    ],
)
async def test_probes_are_filtered_by_what_was_probed(
    server: Any, client: Any, values: list[str], expected: set[str]
) -> None:
    """``type`` is gateway, proxy or vpn in any case; a value that is none of these matches nothing."""
    kinds: tuple[TargetKind, ...] = ("gateway", "proxy", "vpn")
    sent = [sample_network_probe_record(random.Random(1), target_kind=kind) for kind in kinds]
    ids = {each.document.network_probe_id: each.detail.target_kind for each in sent}
    content = {"uploadId": str(uuid.UUID(int=1, version=4)), "contexts": [{}], "networkProbes": sent}
    sender = sender_of(AGENT_ID, 7625, ROUND_ID + 600, 90 * 86_400)
    checked = check_batch(msgspec.json.encode(content), sender)
    await server.store.add(NETWORK_PROBES, checked.records[NETWORK_PROBES])
    path = f"{DATA}/network-topology"
    body = {"searchFilters": [{"key": "type", "values": values}]}
    times = {"from": _time(ROUND_ID - 600), "to": _time(ROUND_ID + 600)}
    answer = await client.post(path, json=body, params=times)
    assert answer.status_code == 200, answer.text
    assert {ids[probe["networkProbeId"]] for probe in answer.json()["networkProbes"]} == expected
    root = etree.fromstring((await client.post(f"{path}.xml", json=body, params=times)).content)
    assert len(root.findall("./networkProbes/networkProbe")) == len(expected)


async def test_a_type_that_is_no_text_is_refused(client: Any) -> None:
    """The answer says what is."""
    body = {"searchFilters": [{"key": "type", "values": [1]}]}
    answer = await client.post(f"{DATA}/network-topology", json=body)
    assert answer.status_code == 400
    assert "values" in answer.json()["errorMessage"]


def enrolled(server: Any, item: dict[str, Any], number: int) -> None:
    """Store an agent as a sample has it: what it tells by enrolling, the rest as the server notes it."""
    place = item["location"]
    info = AgentInfo(
        computer_name=item["computerName"],
        agent_name=item["agentName"],
        platform="Windows",
        os_version=item["osVersion"],
        kernel_version=item["kernelVersion"],
        version=item["version"],
        manufacturer=item["manufacturer"],
        model=item["model"],
        total_memory_bytes=int(item["totalMemory"].removesuffix(" MB")) << 20,
        user_names=tuple(client["userProfile"]["userName"] for client in item["clients"]),
        location=Location(
            latitude=place["latitude"], longitude=place["longitude"], location_name=place["locationName"]
        ),
    )
    key = server.accounts.create_group_key(server.aid)
    enrolment = Enrolment(enrolment_id=f"00000000-0000-4000-8000-{number:012d}", secret="s" * 43, agent=info)
    given = server.accounts.enrol(key, enrolment, item["publicIP"]).agent_id
    row = {
        "agent_id": item["agentId"],
        "created_s": parse_utc(item["createdTime"]),
        "last_seen_s": parse_utc(item["lastSeen"]),
    }
    with server.accounts._database.write() as connection:
        connection.execute(update(schema.agents).where(schema.agents.c.agent_id == given).values(**row))


def without_absent(item: dict[str, Any]) -> dict[str, Any]:
    """An agent of a sample as far as it is served: docs/reference/fields.md has the reasons for the rest."""
    item = {key: value for key, value in item.items() if key not in {"vpnProfiles", "numberOfClients"}}
    clients = [{"userProfile": client["userProfile"]} for client in item["clients"]]
    return item | {"clients": clients, "numberOfClients": len(clients)}


@pytest.mark.parametrize("name", ["endpoint-agents", "endpoint-agent-detail"])
async def test_endpoint_agents_are_served_as_published(server: Any, client: Any, name: str) -> None:
    """Every field that an agent can tell comes back, in the list and alone; the XML of it is valid."""
    expected = sample(name)["endpointAgents"]
    for number, item in enumerate(expected):
        enrolled(server, item, number)
    answer = (await client.get("/v6/endpoint-agents")).json()
    order = sorted(expected, key=lambda item: str(item["agentId"]))
    assert answer["endpointAgents"] == [without_absent(item) for item in order]
    assert answer["pages"] == {"current": 1}
    for item in expected:
        one = (await client.get(f"/v6/endpoint-agents/{item['agentId']}")).json()
        assert one == {"endpointAgents": [without_absent(item)]}
        await check_xml(client, f"/v6/endpoint-agents/{item['agentId']}")
    await check_xml(client, "/v6/endpoint-agents")


async def test_a_transfer_is_answered_as_published(server: Any) -> None:
    """Two machines moved: the sample's answer, word for word."""
    agents = sample("endpoint-agents")["endpointAgents"]
    for number, item in enumerate(agents):
        enrolled(server, item, number)
    other = server.accounts.create_account_group("Other", 1)
    server.accounts.create_user("both@example.com", Role.ACCOUNT_ADMIN, [server.aid, other])
    lines = "\n".join(f"{item['agentId']},{server.aid},{other}" for item in agents)
    async with server.client(server.accounts.create_token("both@example.com")) as client:
        answer = await client.post(
            "/v6/endpoint-agents/transfer", content=lines, headers={"Content-Type": "text/csv"}
        )
    assert answer.json() == sample("endpoint-agents-transfer")


async def test_account_groups_are_served_as_published(server: Any) -> None:
    """Name and flags of the list; the detail has every served field of the sample for its users."""
    (published,) = sample("account-groups")["accountGroups"]
    (detail,) = sample("account-group-detail")["accountGroups"]
    aid = server.accounts.create_account_group(published["accountGroupName"], 1)
    org_id = server.accounts.create_organization(detail["organizationName"])
    other = server.accounts.create_account_group(detail["accountGroupName"], org_id)
    person = detail["users"][0]
    server.accounts.create_user("reader@example.com", Role.USER, [aid])
    server.accounts.create_user(person["email"], Role.ORG_ADMIN, [aid, other], person["name"])
    async with server.client(server.accounts.create_token("reader@example.com")) as client:
        listed = await client.get("/v6/account-groups")
    # IDs of account groups, users and roles are our own.
    assert listed.json() == {"accountGroups": [published | {"aid": aid}]}
    async with server.client(server.accounts.create_token(person["email"])) as client:
        found = (await client.get(f"/v6/account-groups/{other}")).json()["accountGroups"][0]
        await check_xml(client, f"/v6/account-groups/{other}")
    lists = {"users", "agents", "aid"}
    assert {key: found[key] for key in detail.keys() - lists} == {
        key: detail[key] for key in detail.keys() - lists
    }
    (user,) = found["users"]
    assert {key: user[key] for key in ("name", "email")} == {key: person[key] for key in ("name", "email")}
    assert user.keys() == person.keys()
    admin = person["roles"][1]
    assert user["roles"] == [admin | {"roleId": 1}]


async def test_an_agent_of_an_account_group_is_served_as_published(server: Any, client: Any) -> None:
    """What an endpoint agent shares with the sample's enterprise agent has the sample's names."""
    enrolled(server, sample("endpoint-agents")["endpointAgents"][0], 0)
    (published,) = sample("account-group-detail")["accountGroups"][0]["agents"]
    group = (await client.get(f"/v6/account-groups/{server.aid}")).json()["accountGroups"][0]
    (agent,) = group["agents"]
    absent = all_fields()["/v6/account-groups/{groupId:str}"].absent
    reasons = {field.removeprefix("accountGroups[].agents[].") for field in absent}
    assert agent.keys() == published.keys() - reasons
    assert agent["publicIpAddresses"] == [agent["publicIpAddress"]]
