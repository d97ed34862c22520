"""XML carries what JSON carries, and validates: for any structs that answers are made of."""

import io
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from msgspec import Struct, inspect

from hopsight.model.dimensions import NETWORK_SESSIONS
from hopsight.model.sessions import Destination, NetworkSession
from hopsight.model.system import BytesSummary, FractionSummary, SystemMetrics
from hopsight.server.api.documents import ErrorDocument, Pages, Tail
from hopsight.server.api.formats import Format
from hopsight.server.api.names import singular
from hopsight.server.api.v6.documents import (
    ANSWERS,
    RECORDS,
    AccountGroupDocument,
    AccountGroupsAnswer,
    AgentLocation,
    Client,
    EndpointAgent,
    EndpointAgentsAnswer,
    GroupAgent,
    GroupUser,
    StatusAnswer,
    UserProfile,
    UserRole,
)
from hopsight.server.api.v6.rendering import ROOT, render, render_records
from hopsight.server.api.xml_schema import write_schema
from hopsight.server.api.xml_writer import XmlWriters, escape, value_type

SCHEMA = etree.XMLSchema(etree.parse(io.BytesIO(write_schema(ROOT, ANSWERS))))
SCOPE: Any = {"headers": []}

floats = st.floats(0, 1e308) | st.sampled_from([0.0, 1e16, 1e-7, 5e-324, 1e22, 0.1, 100 / 3])
milliseconds = st.floats(0, 1e9) | st.sampled_from([0.0, 1e-7, 5e-324, 0.1, 100 / 3])
integers = st.integers(0, 2**62)
texts = st.text(st.characters(codec="utf-8"))
dates = st.datetimes().map(lambda moment: moment.replace(microsecond=0).isoformat(" "))


def summaries(struct: Any, numbers: st.SearchStrategy[float]) -> Any:
    """Six numbers."""
    names = ("min", "max", "mean", "median", "std_dev")
    return st.builds(struct, **dict.fromkeys(names, numbers), count=st.integers(0, 100))


maybe = st.none()
destinations = st.builds(
    Destination,
    target=st.ip_addresses().map(str),
    loss_percent=maybe | st.floats(0, 100),
    latency_ms=maybe | st.integers(0, 10**9),
    jitter_ms=maybe | st.integers(0, 10**9),
    avg_rtt_ms=maybe | milliseconds,
    max_rtt_ms=maybe | milliseconds,
    mean_dev_rtt_ms=maybe | milliseconds,
)
metrics = st.builds(
    SystemMetrics,
    start_time_ms=st.integers(0, 253_402_300_799_999),
    end_time_ms=st.integers(0, 253_402_300_799_999),
    cpu_utilization=maybe | summaries(FractionSummary, st.floats(0, 1)),
    physical_memory_used_bytes=maybe | summaries(BytesSummary, floats),
    physical_memory_total_bytes=maybe | integers,
)
sessions = st.builds(
    NetworkSession,
    user_session_id=st.from_regex("[0-9]{5}:[0-9]{10}:[0-9A-Za-z]{8}", fullmatch=True),
    agent_id=st.uuids().map(str),
    round_id=st.integers(0, 4_000_000_000 // 60).map(lambda number: number * 60),
    date=dates,
    destination=destinations,
    system_metrics=maybe | metrics,
)
pages = st.builds(Pages, current=integers, next=maybe | texts)
tails = st.builds(Tail, from_=maybe | dates, to=maybe | dates, pages=pages)
locations = st.builds(AgentLocation, latitude=maybe | floats, longitude=maybe | floats, location_name=texts)
agents = st.builds(
    EndpointAgent,
    agent_id=st.uuids().map(str),
    **dict.fromkeys(
        ("agent_name", "computer_name", "os_version", "kernel_version", "status", "version"), texts
    ),
    **dict.fromkeys(("manufacturer", "model", "total_memory", "public_ip"), maybe | texts),
    **dict.fromkeys(("created_time", "last_seen"), dates),
    deleted=st.booleans(),
    number_of_clients=integers,
    location=maybe | locations,
    clients=st.lists(st.builds(Client, user_profile=st.builds(UserProfile, user_name=texts)), max_size=3),
    agent_type=texts,
)
roles = st.builds(UserRole, role_name=texts, has_management_permissions=integers, builtin=integers)
users = st.builds(GroupUser, name=texts, email=texts, uid=integers, roles=st.lists(roles, max_size=3))
group_agents = st.builds(
    GroupAgent,
    agent_id=st.uuids().map(str),
    agent_name=texts,
    location=maybe | texts,
    public_ip_addresses=maybe | st.lists(texts, max_size=3),
    enabled=integers,
    last_seen=dates,
    agent_type=texts,
)
groups = st.builds(
    AccountGroupDocument,
    account_group_name=texts,
    aid=integers,
    organization_name=maybe | texts,
    current=integers,
    default=integers,
    users=maybe | st.lists(users, max_size=3),
    agents=maybe | st.lists(group_agents, max_size=3),
)
answers = st.one_of(
    st.builds(EndpointAgentsAnswer, endpoint_agents=st.lists(agents, max_size=3), pages=maybe | pages),
    st.builds(AccountGroupsAnswer, account_groups=st.lists(groups, max_size=3)),
    st.builds(StatusAnswer, timestamp=integers, version=texts),
    st.builds(ErrorDocument, error_message=texts),
)


def content(element: Any, type_: inspect.Type, key: str) -> Any:
    """What an element says, as JSON would: lists and keys by the names, scalars by the types."""
    type_ = value_type(type_)
    if isinstance(type_, inspect.StructType):
        fields = {field.encode_name: field.type for field in type_.fields}
        assert [child.tag for child in element] == [name for name in fields if element.find(name) is not None]
        return {child.tag: content(child, fields[child.tag], child.tag) for child in element}
    if isinstance(type_, inspect.ListType | inspect.VarTupleType):
        assert {child.tag for child in element} <= {singular(key)}
        return [content(child, type_.item_type, singular(key)) for child in element]
    text = element.text or ""
    return text if isinstance(type_, inspect.StrType) else json_token(text)


def json_token(text: str) -> tuple[str, str]:
    """A number or boolean just as it is written."""
    return ("written", text)


def as_written(body: bytes) -> Any:
    """JSON with numbers and booleans just as they are written, and what XML cannot carry replaced."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list):
            return [plain(item) for item in value]
        if isinstance(value, str):
            return carried(value)
        return json_token(msgspec.json.encode(value).decode())

    return plain(msgspec.json.decode(body))


def carried(text: str) -> str:
    """Text with U+FFFD for every character outside XML 1.0's own list of what may stand in a document."""
    return "".join(
        char
        if char in "\t\n\r" or " " <= char <= "\ud7ff" or "\ue000" <= char <= "\ufffd" or char >= "\U00010000"
        else "\ufffd"
        for char in text
    )


def check(xml: bytes, json: bytes, struct: type[Struct]) -> None:
    """The XML validates, and says what the JSON says."""
    root = etree.fromstring(xml)
    SCHEMA.assertValid(root)
    assert root.tag == "teResults"
    assert content(root, inspect.type_info(struct), "") == as_written(json)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(sessions, max_size=4), tails)
def test_pages_of_records_say_the_same_in_both_formats(found: list[NetworkSession], tail: Tail) -> None:
    """Any records, any tail: same names, same order, same numbers."""
    bodies = [msgspec.json.encode(session) for session in found]
    xml, json = (
        render_records(SCOPE, format_, NETWORK_SESSIONS, bodies, tail)
        for format_ in (Format.XML, Format.JSON)
    )
    check(xml.body, json.body, RECORDS[NETWORK_SESSIONS])
    assert msgspec.json.decode(json.body)["networkSessions"] == [msgspec.json.decode(body) for body in bodies]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(answers)
def test_documents_say_the_same_in_both_formats(document: Struct) -> None:
    """Agents, account groups, status and errors, with any text in them."""
    xml, json = (render(SCOPE, format_, document) for format_ in (Format.XML, Format.JSON))
    check(xml.body, json.body, type(document))


@given(st.text())
def test_any_text_is_escaped_into_xml(text: str) -> None:
    """Half surrogates and control characters included: the result parses, and nothing else is changed."""
    root = etree.fromstring(f"<t>{escape(text)}</t>".encode())
    assert (root.text or "") == carried(text)


@pytest.mark.parametrize(
    ("key", "item"),
    [
        ("networkSessions", "networkSession"),
        ("dnsServers", "dnsServer"),
        ("publicIpAddresses", "publicIpAddress"),
        ("entries", "entry"),
        ("pages", "page"),
        ("mpls", "label"),
        ("data", "item"),
    ],
)
def test_items_are_named_by_the_singular(key: str, item: str) -> None:
    """The name of a list gives the name of its elements."""
    assert singular(key) == item


class Unwritable(Struct):
    """A struct with a field that has no form in XML."""

    field: dict[str, int]


def test_a_type_without_a_form_is_found_at_start() -> None:
    """Writers and schema refuse it when they are made, not when a client asks."""
    with pytest.raises(TypeError, match="field"):
        XmlWriters().writer(Unwritable)
    with pytest.raises(TypeError, match="field"):
        write_schema("root", [Unwritable])
