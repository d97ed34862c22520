"""Version 6 serves what the vendor's did: our own fields stay out of it, in JSON and in XML."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lxml import etree
from msgspec import inspect

from hopsight.model.dimensions import (
    NETWORK_PROBES,
    NETWORK_SESSIONS,
    USER_SESSIONS,
    WEB_SESSIONS,
    Dimensions,
)
from hopsight.model.kinds import KINDS
from hopsight.model.query import Record
from hopsight.server.api.names import singular
from hopsight.server.api.v6 import documents
from hopsight.server.api.v6.documents import RECORDS
from hopsight.server.api.v6.rendering import ROOT

pytestmark = pytest.mark.anyio

SAMPLES = Path(__file__).parents[4] / "spec" / "samples"
DATA = "/v6/endpoint-data"
SESSIONS = f"{DATA}/user-sessions"
ROUND_ID = 1_490_529_300
SESSION_ID = f"07625:{ROUND_ID}:aVDViw0i"
PROBE_ID = f"07625:0123456789ab:{ROUND_ID}:3fde6422"
AGENT_ID = "3fde6422-f119-40e1-ae32-d08a1243c038"

PROFILE = {"proxyProfile", "proxyProfile.method", "proxyProfile.proxies"}
PROXIES = {"proxyProfile.proxies[].proxy", "proxyProfile.proxies[].bypass"}
ENTRIES = "har.log.entries[]"

RESOURCES: dict[str, tuple[Any, tuple[str, ...], set[str]]] = {
    "network sessions": (
        RECORDS[NETWORK_SESSIONS],
        ("network-sessions",),
        # Section 3.1: the samples are older than these.
        {f"networkSessions[].destination.{name}" for name in ("avgRtt", "maxRtt", "meanDevRtt")},
    ),
    "user sessions": (
        RECORDS[USER_SESSIONS],
        ("user-sessions", "user-sessions-filtered", "user-session-detail"),
        {
            # Sections 3.2 and 3.3.
            "userSessions[].experienceScore",
            *(f"userSessions[].network.{name}.error" for name in ("gatewayPing", "ping", "traceroute")),
            # Ours, as of those three: without it a connection that failed would be an empty object.
            "userSessions[].network.connect.error",
        },
    ),
    "web sessions": (RECORDS[WEB_SESSIONS], ("web-sessions",), set()),
    "archive of a page": (
        documents.HarAnswer,
        ("web-page-har",),
        # HTTP Archive 1.2 asks for them.
        {
            *(f"{ENTRIES}.request.{name}" for name in ("bodySize", "headersSize", "httpVersion")),
            *(f"{ENTRIES}.request.queryString[].{name}" for name in ("name", "value")),
            f"{ENTRIES}.response.httpVersion",
        },
    ),
    "network probes": (
        RECORDS[NETWORK_PROBES],
        ("network-topology", "network-topology-detail"),
        {
            # Section 3.5, and the profile of section 3.3.
            "networkProbes[].icmpBlocked",
            *(f"networkProbes[].networkProfile.{path}" for path in PROFILE | PROXIES),
            # Ours: a probe that could not be sent says why, as in section 3.3.
            "networkProbes[].icmpPing.error",
        },
    ),
    "networks": (documents.PrivateNetworksAnswer, ("networks",), {"pages", "pages.current"}),
    "endpoint agents": (
        documents.EndpointAgentsAnswer,
        ("endpoint-agents", "endpoint-agent-detail"),
        {"pages.current"},
    ),
    "transfer": (documents.TransferAnswer, ("endpoint-agents-transfer",), set()),
    "account groups": (
        documents.AccountGroupsAnswer,
        ("account-groups", "account-group-detail"),
        set(),
    ),
}
"""The answer of each resource, its samples, and what is documented (or ours, and says why) besides."""
EVERYWHERE = {"from", "to", "pages", "pages.current", "pages.next"}
"""Section 1: time range and pages."""


def paths(value: Any, at: str = "") -> Iterator[str]:
    """The way to every key of a document: ``a[].b.c``."""
    if isinstance(value, dict):
        for key, inner in value.items():
            way = f"{at}.{key}" if at else key
            yield way
            yield from paths(inner, way)
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, f"{at}[]")


def declared(type_: Any, at: str = "") -> Iterator[str]:
    """The same, of everything that a type may hold."""
    if isinstance(type_, inspect.Metadata):
        yield from declared(type_.type, at)
    elif isinstance(type_, inspect.StructType):
        for each in type_.fields:
            way = f"{at}.{each.encode_name}" if at else each.encode_name
            yield way
            yield from declared(each.type, way)
    elif isinstance(type_, inspect.UnionType):
        for inner in type_.types:
            yield from declared(inner, at)
    elif isinstance(type_, inspect.ListType | inspect.VarTupleType):
        yield from declared(type_.item_type, f"{at}[]")


def allowed(samples: tuple[str, ...], more: set[str]) -> set[str]:
    """What a resource may serve."""
    published = [json.loads((SAMPLES / f"{name}.json").read_bytes()) for name in samples]
    return {way for document in published for way in paths(document)} | more | EVERYWHERE


@pytest.mark.parametrize("resource", RESOURCES)
def test_no_answer_has_a_key_that_is_not_documented(resource: str) -> None:
    """Every key that an answer may ever hold is in a sample, in the API's description, or stated above."""
    answer, samples, more = RESOURCES[resource]
    assert set(declared(inspect.type_info(answer))) - allowed(samples, more) == set()


VALUES: dict[str, Any] = {
    "date": "2017-03-26 11:58:00",
    "userSessionId": SESSION_ID,
    "networkProbeId": PROBE_ID,
    "agentId": AGENT_ID,
    "roundId": ROUND_ID,
}


def filled(type_: Any, name: str = "") -> Any:
    """A document of a type with a value in every field that there is, ours too."""
    if isinstance(type_, inspect.Metadata):
        return filled(type_.type, name)
    if isinstance(type_, inspect.StructType):
        return {each.encode_name: filled(each.type, each.encode_name) for each in type_.fields}
    if isinstance(type_, inspect.UnionType):
        return filled(next(each for each in type_.types if not isinstance(each, inspect.NoneType)), name)
    if isinstance(type_, inspect.ListType | inspect.VarTupleType):
        return [filled(type_.item_type)]
    return VALUES.get(name, _plain(type_))


def _plain(type_: Any) -> Any:
    if isinstance(type_, inspect.LiteralType):
        return type_.values[0]
    if isinstance(type_, inspect.IntType | inspect.FloatType):
        return 1
    assert isinstance(type_, inspect.StrType | inspect.BoolType), type_
    return isinstance(type_, inspect.BoolType) or "x"


def full_record(kind: str) -> tuple[Record, set[str]]:
    """A record with everything that the server could ever store of its kind, and the way to all of it."""
    row = KINDS[kind]
    body = filled(inspect.type_info(row.document))
    detail = filled(inspect.type_info(row.detail)) if row.detail else {}
    record = Record(
        aid=7625,
        round_id=ROUND_ID,
        record_id=next(iter(body.values())),
        dimensions=Dimensions(agent_id=AGENT_ID),
        loss_percent=None,
        latency_ms=None,
        jitter_ms=None,
        body=msgspec.json.encode(body),
        detail=msgspec.json.encode(detail) if row.detail else None,
    )
    return record, set(paths({row.list_key: [body | detail]}))


@pytest.mark.parametrize(
    ("resource", "kind", "list_path", "detail_path"),
    [
        ("network sessions", NETWORK_SESSIONS, f"{SESSIONS}/network", None),
        ("user sessions", USER_SESSIONS, SESSIONS, f"{SESSIONS}/{SESSION_ID}"),
        ("network probes", NETWORK_PROBES, f"{DATA}/network-topology", f"{DATA}/network-topology/{PROBE_ID}"),
    ],
)
async def test_what_is_stored_for_us_is_not_served(
    server: Any, client: Any, resource: str, kind: str, list_path: str, detail_path: str | None
) -> None:
    """A record that has every field of ours is served without them, as JSON and XML, listed and whole."""
    _, samples, more = RESOURCES[resource]
    record, stored = full_record(kind)
    ours = stored - allowed(samples, more)
    assert ours or kind == NETWORK_SESSIONS
    await server.store.add(kind, [record])
    for path in filter(None, (list_path, detail_path)):
        answer = await client.get(path)
        assert answer.status_code == 200, answer.text
        served = set(paths(answer.json()))
        assert f"{KINDS[kind].list_key}[].agentId" in served
        assert served - allowed(samples, more) == set()
        root = etree.fromstring((await client.get(f"{path}.xml")).content)
        assert {element.tag for element in root.iter()} == {ROOT, *_element_names(answer.json())}


def _element_names(value: Any) -> Iterator[str]:
    """The names of the elements that a JSON document would have in XML."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from [singular(key)] if isinstance(inner, list) and inner else []
            yield from _element_names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _element_names(inner)


async def test_the_schema_knows_nothing_of_ours(client: Any) -> None:
    """Neither the tunnel nor the verdict has an element in it."""
    schema = (await client.get("/v6/docs/te-api-v6.xsd")).text
    assert 'name="networkProfile"' in schema
    for name in ("vpnProfile", "pacUrl", "targetKind", "segments", "verdict", "passive"):
        assert f'name="{name}"' not in schema


def _named(element: Any) -> Iterator[str]:
    """The names of all elements that are no items of a list."""
    for child in element:
        if element.tag not in _LISTS:
            yield child.tag
        yield from _named(child)


_LISTS = {
    "networkSessions",
    "userSessions",
    "networkProbes",
    "hops",
    "mpls",
    "errors",
    "dnsServers",
    "proxies",
}


def _named_in_json(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _named_in_json(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named_in_json(inner)


async def test_our_own_api_has_what_version_6_leaves_out(server: Any, client: Any) -> None:
    """The round-trip time of a hop to the fraction, the tunnel and the address of a PAC file are ours."""
    record, _ = full_record(USER_SESSIONS)
    await server.store.add(USER_SESSIONS, [record])
    found = set(paths((await client.get(f"/hopsight/v1/user-sessions/{SESSION_ID}")).json()))
    for way in ("traceroute.hops[].rtt", "networkProfile.vpnProfile", "networkProfile.proxyProfile.pacUrl"):
        assert any(each.endswith(way) for each in found), way
