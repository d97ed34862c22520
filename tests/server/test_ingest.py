"""Uploaded records: good ones kept, bad ones refused with their reason, whatever is sent."""

import json
import random
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopsight.errors import InvalidValueError
from hopsight.model.dimensions import NETWORK_SESSIONS
from hopsight.model.query import Record
from hopsight.model.sessions import NetworkSession
from hopsight.server.checks import AHEAD_S, Sender, domain_of, sender_of
from hopsight.server.ingest import Checked, check_batch
from hopsight.testing import AGENT_ID, ROUND_ID, sample_session

AID = 7625
KEEP_S = 90 * 86_400
SENDER: Sender = sender_of(AGENT_ID, AID, float(ROUND_ID), KEEP_S)


def document(seed: int = 1, **changes: Any) -> dict[str, Any]:
    """A good network session as JSON, with changes; a key with dots goes deeper, None takes it away."""
    made: dict[str, Any] = msgspec.to_builtins(sample_session(random.Random(seed)))
    for path, value in changes.items():
        *way, last = path.split("__")
        place = made
        for step in way:
            place = place[step]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return made


def record(made: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A record around a document."""
    return {"document": made, "context": 0, "visitedSite": "App.Example.co.uk.", **more}


def batch(*records: Any, **changes: Any) -> bytes:
    """An upload of records."""
    whole: dict[str, Any] = {
        "uploadId": str(uuid.UUID(int=1, version=4)),
        "contexts": [
            {"platform": "linux", "connection": "WIRELESS", "gateway": "10.0.0.1", "ssid": "Office"}
        ],
        "networkSessions": list(records),
    }
    return json.dumps(whole | changes).encode()


def check(*records: Any, **changes: Any) -> Checked:
    """Check an upload from the sample agent."""
    return check_batch(batch(*records, **changes), SENDER)


def network(checked: Checked) -> list[Record]:
    """The network sessions that were kept."""
    return checked.records.get(NETWORK_SESSIONS, [])


def test_a_good_record_is_kept_with_what_filters_need() -> None:
    """The document is stored as the model writes it; dimensions are in the stored spelling."""
    made = document()
    (kept,) = network(check(record(made, trigger="user")))
    assert (kept.aid, kept.round_id, kept.record_id) == (AID, ROUND_ID, made["userSessionId"])
    assert kept.latency_ms == made["destination"]["avgRtt"]
    assert json.loads(kept.body) == made
    found = kept.dimensions
    assert (found.agent_id, found.platform, found.connection, found.ssid) == (
        AGENT_ID,
        "Linux",
        "Wireless",
        "Office",
    )
    assert (found.visited_site, found.domain) == ("app.example.co.uk", "example.co.uk")
    assert (found.destination_ip, found.gateway, found.trigger) == ("192.0.2.10", "10.0.0.1", "user")


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"agentId": "3fde6422-f119-40e1-ae32-d08a1243c039"}, "agentId"),
    ({"userSessionId": f"00001:{ROUND_ID}:aVDViw0i"}, "userSessionId"),
    ({"userSessionId": f"7625:{ROUND_ID}:aVDViw0i"}, "userSessionId"),
    ({"userSessionId": f"07625:{ROUND_ID - 60}:aVDViw0i"}, "userSessionId"),
    ({"userSessionId": f"07625:{ROUND_ID}:aVDViw0"}, "userSessionId"),
    ({"userSessionId": f"07625:{ROUND_ID}:aVDViw0i0"}, "userSessionId"),
    ({"userSessionId": f"07625:{ROUND_ID}:aVDV-w0i"}, "userSessionId"),
    ({"userSessionId": f"07625:{ROUND_ID}:aVDViwé0"}, "userSessionId"),
    ({"roundId": ROUND_ID + 1}, "roundId"),
    ({"roundId": -60}, "roundId"),
    ({"roundId": 10**30}, "roundId"),
    ({"roundId": "x"}, "roundId"),
    ({"date": "2017-02-30 00:00:00"}, "date"),
    ({"date": "2017-03-22T11:58:42"}, "date"),
    ({"date": "2017-03-22 11:58:4"}, "date"),
    ({"destination__target": "example.com"}, "target"),
    ({"destination__target": "fe80::1%eth0"}, "target"),
    ({"destination__target": "192.0.2.256"}, "target"),
    ({"destination__loss": 100.5}, "loss"),
    ({"destination__loss": -1}, "loss"),
    ({"destination__latency": 1.5}, "latency"),
    ({"destination__avgRtt": "12"}, "avgRtt"),
    ({"systemMetrics__cpuUtilization__max": 1.1}, "cpuUtilization"),
    ({"systemMetrics__physicalMemoryUsedBytes__min": -1}, "physicalMemoryUsedBytes"),
    ({"destination": None}, "destination"),
    ({"destination__target": None}, "target"),
]


@pytest.mark.parametrize(("changes", "named"), FAULTS)
def test_a_bad_record_is_refused_by_name_and_its_neighbours_are_kept(
    changes: dict[str, Any], named: str
) -> None:
    """Each fault costs the one record, and its reason names the field."""
    checked = check(record(document(1)), record(document(2, **changes)), record(document(3)))
    assert [kept.record_id for kept in network(checked)] == [
        document(1)["userSessionId"],
        document(3)["userSessionId"],
    ]
    (refused,) = checked.refused
    assert (refused.kind, refused.index) == ("network-sessions", 1)
    assert named in refused.reason


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"context": 1}, "context"),
        ({"context": -1}, "context"),
        ({"visitedSite": "a\nb"}, "visitedSite"),
        ({"visitedSite": "x" * 300}, "visitedSite"),
        ({"trigger": "maybe"}, "trigger"),
    ],
)
def test_what_is_beside_the_document_is_checked_as_well(more: dict[str, Any], named: str) -> None:
    """A context that is not there, a site that is no name and an unknown trigger are refused."""
    (refused,) = check(record(document(), **more)).refused
    assert named in refused.reason


@pytest.mark.parametrize("context", [{"gateway": "10.0.0.999"}, {"gateway": 5}, {"ssid": "a\u0000b"}, 7])
def test_a_bad_context_costs_only_the_records_that_use_it(context: Any) -> None:
    """Others of the batch are kept."""
    checked = check(
        record(document(1)), record(document(2), context=1), contexts=[{"platform": "Linux"}, context]
    )
    assert len(network(checked)) == 1
    assert [refused.index for refused in checked.refused] == [1]


def test_rounds_of_the_future_and_of_long_ago_are_refused() -> None:
    """A wrong clock cannot make itself the last round, and what would be deleted at once is not taken."""
    kept = [ROUND_ID + AHEAD_S, ROUND_ID, ROUND_ID - KEEP_S]
    refused = [ROUND_ID + AHEAD_S + 60, ROUND_ID - KEEP_S - 60]
    checked = check(
        *(record(document(at, roundId=at, userSessionId=f"07625:{at}:aVDViw0i")) for at in kept + refused)
    )
    assert [item.round_id for item in network(checked)] == kept
    assert [item.index for item in checked.refused] == [3, 4]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_no_json(number: str) -> None:
    """NaN and infinities are not JSON: such a batch is refused whole."""
    sent = batch(record(document())).replace(b'"loss": ', b'"loss": ' + number.encode() + b" , ", 1)
    with pytest.raises(InvalidValueError, match="upload"):
        check_batch(sent, SENDER)


@pytest.mark.parametrize(
    "broken",
    [
        b'"\\ud800"',  # half a surrogate pair
        b'"\n"',
        b"[" * 5_000 + b"]" * 5_000,
        b"01",
    ],
)
def test_what_is_no_json_anywhere_refuses_the_batch(broken: bytes) -> None:
    """Even in a field that nobody knows: where a record ends is not certain in what is not JSON."""
    sent = batch(record(document(1)), record(document(2), later="HERE"))
    with pytest.raises(InvalidValueError, match="UploadBatch"):
        check_batch(sent.replace(b'"HERE"', broken), SENDER)


def test_bytes_that_are_no_text_cost_one_record() -> None:
    """A name in another encoding than UTF-8 does not take the rest of the batch along."""
    sent = batch(record(document(1)), record(document(2), visitedSite="HERE"))
    checked = check_batch(sent.replace(b"HERE", b"caf\xe9"), SENDER)
    assert [kept.record_id for kept in network(checked)] == [document(1)["userSessionId"]]
    assert [(item.index, "utf-8" in item.reason) for item in checked.refused] == [(1, True)]


def test_a_number_beyond_all_numbers_costs_one_record() -> None:
    """1e999 is JSON, but no double."""
    sent = batch(record(document(1)), record(document(2, destination__loss=77)))
    checked = check_batch(sent.replace(b'"loss": 77', b'"loss": 1e999'), SENDER)
    assert len(network(checked)) == 1
    assert "range" in checked.refused[0].reason


def test_addresses_are_stored_in_one_spelling() -> None:
    """An IPv6 address written otherwise is the same address, for the filter and in the document."""
    (kept,) = network(check(record(document(destination__target="2001:DB8:0:0::1"))))
    assert kept.dimensions.destination_ip == "2001:db8::1"
    assert msgspec.json.decode(kept.body, type=NetworkSession).destination.target == "2001:db8::1"


def test_unknown_fields_are_skipped_and_not_stored() -> None:
    """A newer agent may say more than we know; what we serve is what the model has."""
    (kept,) = network(check(record(document() | {"later": {"deep": [1]}}, also=1), andThis=True))
    assert b"later" not in kept.body


def test_a_bad_introduction_does_not_spoil_the_batch() -> None:
    """Records count; what the agent says of its machine can come again."""
    checked = check(record(document()), agent={"computerName": ""})
    assert len(network(checked)) == 1
    assert checked.info is None
    assert checked.refused[0].kind == "agent"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'"\xff"',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        batch(uploadId="x"),
        batch(networkSessions={}),
        batch(*[1] * 5_001),
        b'{"uploadId": "\\ud800"}',
    ],
)
def test_what_is_no_batch_is_refused_whole(content: bytes) -> None:
    """Anything else than a batch is one error that says so; nothing deep or broken gets further."""
    with pytest.raises(InvalidValueError, match="UploadBatch"):
        check_batch(content, SENDER)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@given(records=st.lists(json_values | st.just(record(document(5))), max_size=4), contexts=json_values)
def test_any_json_is_checked_without_a_fault_of_ours(records: list[Any], contexts: Any) -> None:
    """Every record is kept or refused; what is kept is what fits the model."""
    sent = batch(*records, contexts=contexts if isinstance(contexts, list) else [{}])
    checked = check_batch(sent, SENDER)
    of_records = [item for item in checked.refused if item.kind == "network-sessions"]
    assert len(network(checked)) + len(of_records) == len(records)
    for kept in network(checked):
        msgspec.json.decode(kept.body, type=NetworkSession)


whole_batches = st.fixed_dictionaries(
    {},
    optional={
        "uploadId": json_values | st.just(str(uuid.UUID(int=1, version=4))),
        "schemaVersion": json_values,
        "agent": json_values,
        "contexts": json_values,
        "networkSessions": json_values,
    },
)


@given(content=json_values | whole_batches)
def test_any_document_is_a_batch_or_an_error_that_says_so(content: Any) -> None:
    """Nothing but InvalidValueError is ever raised, and what is no record is never stored."""
    try:
        checked = check_batch(json.dumps(content).encode(), SENDER)
    except InvalidValueError:
        return
    assert not checked.records


GOOD = st.integers(min_value=10, max_value=40).map(lambda seed: record(document(seed)))
BAD = st.one_of(
    json_values,
    st.sampled_from(FAULTS).map(lambda fault: record(document(1, **fault[0]))),
    st.sampled_from(["document", "context"]).map(
        lambda name: {key: value for key, value in record(document(2)).items() if key != name}
    ),
)


@given(drawn=st.lists(st.tuples(st.booleans(), GOOD, BAD), max_size=6))
def test_exactly_the_good_records_are_kept(drawn: list[tuple[bool, Any, Any]]) -> None:
    """Whatever stands between them, in their order; the others are refused at their places."""
    checked = check(*(good if is_good else bad for is_good, good, bad in drawn))
    assert [kept.record_id for kept in network(checked)] == [
        good["document"]["userSessionId"] for is_good, good, _ in drawn if is_good
    ]
    assert [item.index for item in checked.refused] == [
        index for index, (is_good, _, _) in enumerate(drawn) if not is_good
    ]


NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**30), 10**30)


@given(values=st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS))
def test_numbers_that_are_kept_are_served_as_they_were_sent(values: tuple[Any, ...]) -> None:
    """No number turns into null or another one on its way through; whole ones may be written as decimals."""
    loss, rtt, cpu, memory = values
    made = document(
        destination__loss=loss,
        destination__maxRtt=rtt,
        systemMetrics__cpuUtilization__max=cpu,
        systemMetrics__physicalMemoryUsedBytes__max=memory,
    )
    for kept in network(check(record(made))):
        assert json.loads(kept.body) == json.loads(json.dumps(made), parse_int=float)


@given(site=st.text(min_size=1, max_size=60) | st.from_regex(r"[.a-z-]{1,60}", fullmatch=True))
def test_any_site_is_kept_or_refused_by_name(site: str) -> None:
    """No name makes the rules of public suffixes fail."""
    checked = check(record(document(), visitedSite=site))
    assert len(network(checked)) + len(checked.refused) == 1
    assert all("visitedSite" in item.reason for item in checked.refused)
    assert all(kept.dimensions.visited_site != "" for kept in network(checked))


def test_a_site_that_is_an_address_has_one_spelling_too() -> None:
    """Who filters by an address finds it however it was written."""
    (kept,) = network(check(record(document(), visitedSite="2001:DB8:0::1")))
    assert (kept.dimensions.visited_site, kept.dimensions.domain) == ("2001:db8::1", None)


@pytest.mark.parametrize(
    ("site", "domain"),
    [
        ("app.thousandeyes.com", "thousandeyes.com"),
        ("thousandeyes.com", "thousandeyes.com"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("192.0.2.1", None),
        ("2001:db8::1", None),
        ("localhost", None),
        ("co.uk", None),
    ],
)
def test_the_domain_follows_public_suffix_rules(site: str, domain: str | None) -> None:
    """A base domain covers its hosts; addresses and bare suffixes have none."""
    assert domain_of(site) == domain


def test_the_way_is_kept_with_its_addresses_in_one_spelling() -> None:
    """VPN and proxy go with the session; an address that is none refuses the record by name."""
    way = {"target": "2001:DB8::1", "loss": 0.0, "latency": 3, "jitter": 0}
    (kept,) = network(check(record(document(vpn=way, proxy=way | {"target": "192.0.2.1"}))))
    stored = msgspec.json.decode(kept.body)
    assert (stored["vpn"]["target"], stored["proxy"]["target"]) == ("2001:db8::1", "192.0.2.1")
    for name in ("vpn", "proxy"):
        changes: dict[str, Any] = {name: way | {"target": "router"}}
        refused = check(record(document(**changes))).refused
        assert [each.reason for each in refused] == [f"{name}.target: not an IP address"]
