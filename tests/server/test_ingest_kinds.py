"""User sessions, network probes and agent states as they are uploaded: what is kept, what is refused."""

import json
import random
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from hopsight.errors import InvalidValueError
from hopsight.model.dimensions import (
    AGENT_STATES,
    NETWORK_PROBES,
    NETWORK_SESSIONS,
    USER_SESSIONS,
    WEB_SESSIONS,
)
from hopsight.model.kinds import KINDS
from hopsight.model.query import Record
from hopsight.model.upload import MAX_BATCH_RECORDS, AgentUsage, NetworkSessionRecord
from hopsight.server.checks import Sender, sender_of
from hopsight.server.ingest import Checked, check_batch
from hopsight.server.kinds.table import CHECKS
from hopsight.testing import (
    AGENT_ID,
    ROUND_ID,
    sample_agent_state_record,
    sample_network_probe_record,
    sample_session,
    sample_user_session_record,
    sample_web_session_record,
)

AID = 7625
KEEP_S = 90 * 86_400
NOW_S = ROUND_ID + 3_600.0
SENDER = sender_of(AGENT_ID, AID, NOW_S, KEEP_S, "203.0.113.9")
PROBE_ROUND = ROUND_ID - ROUND_ID % 300
DAY_S = 86_400


def sample(kind: str, seed: int = 1, **options: Any) -> dict[str, Any]:
    """A good record of a kind as JSON."""
    rng = random.Random(seed)
    makers: dict[str, Any] = {
        NETWORK_SESSIONS: lambda **_: NetworkSessionRecord(document=sample_session(rng), context=0),
        USER_SESSIONS: lambda **more: sample_user_session_record(rng, **more),
        NETWORK_PROBES: lambda **more: sample_network_probe_record(
            rng, **({"network_id": f"{seed:012x}"} | more)
        ),
        WEB_SESSIONS: lambda **more: sample_web_session_record(rng, **more),
        AGENT_STATES: lambda **more: sample_agent_state_record(rng, **more),
    }
    made: dict[str, Any] = json.loads(msgspec.json.encode(makers[kind](**options)))
    return made


def changed(record: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The record with one value set, by its way through it; None takes it away."""
    made: dict[str, Any] = json.loads(json.dumps(record))
    *way, last = path.split(".")
    place: Any = made
    for step in way:
        place = place[int(step) if step.isdigit() else step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return made


def check(lists: dict[str, list[Any]], sender: Sender = SENDER, **more: Any) -> Checked:
    """Check an upload of these lists, by kind."""
    whole: dict[str, Any] = {
        "uploadId": str(uuid.UUID(int=1, version=4)),
        "contexts": [{"platform": "linux", "gateway": "10.0.0.1", "networkId": "ffffffffffff"}],
        **{KINDS[kind].list_key: records for kind, records in lists.items()},
    }
    return check_batch(json.dumps(whole | more).encode(), sender)


def only(kind: str, record: dict[str, Any]) -> Record:
    """What is kept of a record that is sent alone."""
    checked = check({kind: [record]})
    assert checked.refused == []
    (kept,) = checked.records[kind]
    return kept


def test_every_kind_has_its_list_and_its_check() -> None:
    """What the model knows as a kind of record may be uploaded."""
    assert [row.kind for row in CHECKS] == list(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_good_record_is_kept_as_the_model_writes_it(kind: str) -> None:
    """Document and detail, their account group, round and ID; the detail only where the kind has one."""
    sent = sample(kind)
    kept = only(kind, sent)
    body = json.loads(kept.body)
    assert {key: body[key] for key in sent["document"]} == sent["document"]
    assert (kept.aid, kept.round_id) == (AID, sent["document"]["roundId"])
    page = f":{sent['document']['pageId']}" if kind == WEB_SESSIONS else ""
    assert kept.record_id.removesuffix(page) in sent["document"].values()
    assert kept.record_id.endswith(page)
    assert kept.dimensions.platform == "Linux"
    assert json.loads(kept.detail or b"null") == sent.get("detail")
    assert (kept.detail is None) == (KINDS[kind].detail is None)


@pytest.mark.parametrize("kind", KINDS)
def test_what_waited_through_a_transfer_is_kept_where_it_was_made(kind: str) -> None:
    """An ID that names a former account group of the agent is good there; one of any other group never is."""
    sent = sample(kind)
    moved = structs.replace(SENDER, aid=AID + 1, former_aids=(AID + 2, AID))
    assert check({kind: [sent]}, moved) == check({kind: [sent]})
    elsewhere = structs.replace(moved, former_aids=(AID + 2,))
    checked = check({kind: [sent]}, elsewhere)
    (refusal,) = checked.refused
    assert checked.records == {}
    assert f"{AID + 1:05d}" in refusal.reason or "account group" in refusal.reason


def test_a_record_that_is_wrong_is_wrong_in_every_account_group() -> None:
    """The reason given for it is that of the account group where the agent is now."""
    sent = changed(sample(NETWORK_SESSIONS), "document.date", "2017-02-30 00:00:00")
    moved = structs.replace(SENDER, aid=AID + 1, former_aids=(AID,))
    (refusal,) = check({NETWORK_SESSIONS: [sent]}, moved).refused
    assert refusal.reason.startswith("date:")


def test_the_server_says_when_and_from_where_a_user_session_came() -> None:
    """Whatever the agent says of it."""
    sent = changed(sample(USER_SESSIONS), "document.committed", "2001-01-01 00:00:00")
    sent = changed(sent, "document.sourceAddr", "192.0.2.77")
    body = json.loads(only(USER_SESSIONS, sent).body)
    assert (body["committed"], body["sourceAddr"]) == ("2017-03-26 12:58:00", "203.0.113.9")


def test_what_a_user_session_is_filtered_by() -> None:
    """Site, domain, address, trigger and verdict, each in its one spelling, in the document too."""
    sent = sample(USER_SESSIONS, visited_site="App.Example.CO.UK.", verdict="lan")
    sent |= {"destinationIp": "2001:DB8:0::1", "trigger": "user"}
    kept = only(USER_SESSIONS, sent)
    found = kept.dimensions
    assert (found.visited_site, found.domain) == ("app.example.co.uk", "example.co.uk")
    assert (found.destination_ip, found.trigger, found.verdict) == ("2001:db8::1", "user", "lan")
    assert json.loads(kept.body)["visitedSite"] == "app.example.co.uk"


def test_a_name_that_did_not_resolve_has_no_address() -> None:
    """The session is kept all the same: that is a finding."""
    sent = changed(sample(USER_SESSIONS, verdict=None), "destinationIp", None)
    sent = changed(sent, "detail.network.ping", {"error": "no such host"})
    kept = only(USER_SESSIONS, sent)
    assert (kept.dimensions.destination_ip, kept.dimensions.verdict) == (None, None)
    assert (kept.loss_percent, kept.latency_ms, kept.jitter_ms) == (None, None, None)


def test_numbers_for_charts_are_those_of_the_probes() -> None:
    """Loss from the counts, latency and jitter from the RTTs; a watched session has its lowest RTT alone."""
    sent = sample(USER_SESSIONS)
    sent = changed(sent, "detail.network.ping.pktsReceived", 7)
    kept = only(USER_SESSIONS, sent)
    ping = sent["detail"]["network"]["ping"]
    assert (kept.loss_percent, kept.latency_ms, kept.jitter_ms) == (30.0, ping["avgRtt"], ping["meanDevRtt"])
    watched = sample(USER_SESSIONS, passive=True)
    kept = only(USER_SESSIONS, watched)
    assert (kept.loss_percent, kept.jitter_ms) == (None, None)
    assert kept.latency_ms == watched["detail"]["passive"]["minRtt"]
    probe = sample(NETWORK_PROBES)
    kept = only(NETWORK_PROBES, probe)
    assert (kept.loss_percent, kept.latency_ms) == (0.0, probe["document"]["icmpPing"]["avgRtt"])


def test_a_network_probe_belongs_to_the_network_of_its_id() -> None:
    """A filter by network finds it by what its ID says; no site was visited."""
    found = only(NETWORK_PROBES, sample(NETWORK_PROBES, network_id="0a1b2c3d4e5f")).dimensions
    assert (found.network_id, found.visited_site, found.gateway) == ("0a1b2c3d4e5f", None, "10.0.0.1")


def test_a_network_probe_of_the_oldest_round_is_taken() -> None:
    """Its round is longer than a session's: the one that holds the oldest second is still kept."""
    oldest = int(NOW_S) - KEEP_S
    first = oldest - oldest % 300
    checked = check({NETWORK_PROBES: [sample(NETWORK_PROBES, round_id=at) for at in (first, first - 300)]})
    assert [kept.round_id for kept in checked.records[NETWORK_PROBES]] == [first]


@pytest.mark.parametrize("kind", ["gateway", "proxy", "vpn"])
def test_each_target_of_a_round_has_an_id_of_its_own(kind: Any) -> None:
    """Gateway, proxy and VPN of one round are three records."""
    assert only(NETWORK_PROBES, sample(NETWORK_PROBES, target_kind=kind)).record_id.count("-") == (
        kind != "gateway"
    )


def test_addresses_in_details_have_one_spelling() -> None:
    """However deep they stand; a zone is left out, since it means nothing here."""
    sent = sample(USER_SESSIONS)
    sent = changed(sent, "detail.network.traceroute.hops.0.ipAddress", "2001:DB8::0001")
    sent = changed(sent, "detail.network.networkProfile.dnsServers", ["fe80::1%eth0", "10.0.0.53"])
    sent = changed(sent, "detail.segments.0.target", "FE80::1%wlan0")
    detail = json.loads(only(USER_SESSIONS, sent).detail or b"")
    hops = detail["network"]["traceroute"]["hops"]
    assert (hops[0]["ipAddress"], hops[2]["ipAddress"]) == ("2001:db8::1", "192.0.2.10")
    assert detail["network"]["networkProfile"]["dnsServers"] == ["fe80::1", "10.0.0.53"]
    assert detail["segments"][0]["target"] == "fe80::1"


ELSEWHERE = "3fde6422-f119-40e1-ae32-d08a1243c039"
COMMON_FAULTS: list[tuple[str, Any, str]] = [
    ("document.agentId", ELSEWHERE, "agentId"),
    ("document.agentId", None, "agentId"),
    ("document.roundId", ROUND_ID + 1, "roundId"),
    ("document.roundId", -300, "roundId"),
    ("document.roundId", 10**30, "roundId"),
    ("document.date", "2017-02-30 00:00:00", "date"),
    ("document.date", "2017-03-22T11:58:42", "date"),
    ("document", None, "document"),
    ("context", 1, "context"),
    ("context", -1, "context"),
    ("context", None, "context"),
]
USER_FAULTS: list[tuple[str, Any, str]] = [
    ("document.userSessionId", f"00001:{ROUND_ID}:aVDViw0i", "userSessionId"),
    ("document.userSessionId", f"07625:{ROUND_ID - 60}:aVDViw0i", "userSessionId"),
    ("document.userSessionId", f"07625:{ROUND_ID}:aVDV-w0i", "userSessionId"),
    ("document.visitedSite", "a\nb", "visitedSite"),
    ("document.visitedSite", "", "visitedSite"),
    ("document.visitedSite", None, "visitedSite"),
    ("document.numberOfPages", -1, "numberOfPages"),
    ("document.port", 65_536, "port"),
    ("detail", None, "detail"),
    ("detail.network", None, "network"),
    ("detail.verdict.result", "weather", "result"),
    ("detail.verdict.summary", "x\n", "summary"),
    ("detail.network.ping.pktsReceived", 11, "detail.network.ping"),
    ("detail.network.ping.avgRtt", -1, "avgRtt"),
    ("detail.network.traceroute.hops.0.ipAddress", "example.com", "detail.network.traceroute.hops.ipAddress"),
    ("detail.network.networkProfile.dnsServers", ["10.0.0.256"], "networkProfile.dnsServers"),
    ("detail.segments.0.state", "fine", "state"),
    ("destinationIp", "fe80::1%eth0", "destinationIp"),
    ("trigger", "maybe", "trigger"),
]
PROBE_FAULTS: list[tuple[str, Any, str]] = [
    ("document.networkProbeId", f"00001:0123456789ab:{PROBE_ROUND}:3fde6422", "networkProbeId"),
    ("document.networkProbeId", f"07625:0123456789:{PROBE_ROUND}:3fde6422", "networkProbeId"),
    ("document.networkProbeId", f"07625:0123456789AB:{PROBE_ROUND}:3fde6422", "networkProbeId"),
    ("document.networkProbeId", f"07625:0123456789ab:{PROBE_ROUND - 300}:3fde6422", "networkProbeId"),
    ("document.networkProbeId", f"07625:0123456789ab:{PROBE_ROUND}:3fde6423", "networkProbeId"),
    ("document.networkProbeId", f"07625:0123456789ab:{PROBE_ROUND}:3fde6422-vpn", "networkProbeId"),
    ("document.networkProbeId", f"07625:0123456789ab:{PROBE_ROUND}:3fde6422\n", "networkProbeId"),
    ("document.roundId", PROBE_ROUND + 60, "roundId"),
    ("document.target", "gateway.example.com", "target"),
    ("document.icmpPing.pktsReceived", 11, "icmpPing"),
    ("detail.targetKind", "dns", "targetKind"),
    ("detail.targetKind", "vpn", "networkProbeId"),
    ("detail.networkProfile.gateway", "x", "networkProfile.gateway"),
]
STATE_FAULTS: list[tuple[str, Any, str]] = [
    ("document.stateId", f"07625:{ROUND_ID}:short", "stateId"),
    ("document.stateId", None, "stateId"),
    ("document.state", "bored", "state"),
    ("document.startMs", ROUND_ID * 1_000 - 1, "startMs"),
    ("document.startMs", (ROUND_ID + 60) * 1_000, "startMs"),
    ("document.endMs", ROUND_ID * 1_000 - 1, "endMs"),
    ("document.endMs", (ROUND_ID + DAY_S + 200) * 1_000, "endMs"),
    ("document.endMs", int(NOW_S + 1_000) * 1_000, "endMs"),
    ("document.reason", "x" * 300, "reason"),
]
WEB_FAULTS: list[tuple[str, Any, str]] = [
    ("document.userSessionId", f"00001:{ROUND_ID}:aVDViw0i", "userSessionId"),
    ("document.pageId", "page 0", "pageId"),
    ("document.pageId", "page_1", "log.pages"),
    ("document.pageId", "x" * 33, "pageId"),
    ("document.pageUrl", "javascript:alert(1)", "pageUrl"),
    ("document.pageUrl", "http://a b/", "pageUrl"),
    ("document.responseCode", 1_000, "responseCode"),
    ("detail.har.log.pages", [], "log.pages"),
    ("detail.har.log.entries.0.pageref", "page_7", "log.entries"),
    ("detail.har.log.entries.0.time", -2, "time"),
    ("detail.har.log.entries.0.serverIPAddress", "example.com", "detail.har.log.entries.serverIPAddress"),
    ("detail.har.log.entries.0.request.queryString", None, "queryString"),
    ("detail.har", None, "har"),
    ("destinationIp", "x", "destinationIp"),
    ("trigger", "maybe", "trigger"),
]
FAULTS = [
    *((kind, *fault) for kind in KINDS if kind != NETWORK_SESSIONS for fault in COMMON_FAULTS),
    *((USER_SESSIONS, *fault) for fault in USER_FAULTS),
    *((WEB_SESSIONS, *fault) for fault in WEB_FAULTS),
    *((NETWORK_PROBES, *fault) for fault in PROBE_FAULTS),
    *((AGENT_STATES, *fault) for fault in STATE_FAULTS),
]


@pytest.mark.parametrize(("kind", "path", "value", "named"), FAULTS)
def test_a_bad_record_is_refused_by_name_and_its_neighbours_are_kept(
    kind: str, path: str, value: Any, named: str
) -> None:
    """Each fault costs the one record, in its own list, and its reason names the field."""
    others = {other: [sample(other, 5)] for other in KINDS if other != kind}
    bad = changed(sample(kind, 2), path, value)
    checked = check({kind: [sample(kind, 1), bad, sample(kind, 3)], **others})
    assert {name: len(kept) for name, kept in checked.records.items()} == {
        name: 2 if name == kind else 1 for name in KINDS
    }
    (refused,) = checked.refused
    assert (refused.kind, refused.index) == (kind, 1)
    assert named in refused.reason


def test_a_bad_context_costs_the_records_that_use_it_in_every_list() -> None:
    """And no others."""
    lists = {kind: [sample(kind, 1), sample(kind, 2) | {"context": 1}] for kind in KINDS}
    checked = check(lists, contexts=[{}, {"gateway": "10.0.0.999"}])
    assert {kind: len(kept) for kind, kept in checked.records.items()} == dict.fromkeys(KINDS, 1)
    assert [(item.kind, item.index) for item in checked.refused] == [(kind, 1) for kind in KINDS]


def test_a_span_of_a_whole_day_is_taken() -> None:
    """Agents cut at midnight: the longest span is a day."""
    early = ROUND_ID - 2 * DAY_S
    sent = sample(AGENT_STATES, round_id=early - early % 60, length_s=DAY_S)
    assert only(AGENT_STATES, sent).round_id == sent["document"]["roundId"]


@pytest.mark.parametrize("count", [MAX_BATCH_RECORDS, MAX_BATCH_RECORDS + 1])
def test_all_lists_together_are_bounded(count: int) -> None:
    """No list is too long by itself; together they hold as much as a batch may, or the batch is refused."""
    half = count // 2
    lists = {NETWORK_SESSIONS: [1] * half, AGENT_STATES: [1] * (count - half)}
    if count > MAX_BATCH_RECORDS:
        with pytest.raises(InvalidValueError, match=f"{count} records"):
            check(lists)
    else:
        assert len(check(lists).refused) == count


def test_usage_is_read_and_a_bad_one_costs_no_record() -> None:
    """What the agent says of itself can come again; records count."""
    usage = {"residentBytes": 41_000_000, "cpuFraction": 0.002, "waiting": 3}
    told = check({USER_SESSIONS: [sample(USER_SESSIONS)]}, usage=usage)
    assert told.usage == AgentUsage(resident_bytes=41_000_000, cpu_fraction=0.002, waiting=3)
    for bad in ({"residentBytes": -1}, 7, "x"):
        checked = check({USER_SESSIONS: [sample(USER_SESSIONS)]}, usage=bad)
        assert (checked.usage, len(checked.records[USER_SESSIONS])) == (None, 1)
        assert [item.kind for item in checked.refused] == ["usage"]
    one_by_one = check({USER_SESSIONS: [sample(USER_SESSIONS), 7]}, usage=None, agent=None)
    assert [(item.kind, item.index) for item in one_by_one.refused] == [(USER_SESSIONS, 1)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
bad_records = json_values | st.sampled_from(FAULTS).map(
    lambda fault: changed(sample(fault[0], 4), fault[1], fault[2])
)


@given(
    drawn=st.lists(
        st.tuples(st.sampled_from(list(KINDS)), st.booleans(), st.integers(10, 40), bad_records), max_size=6
    )
)
def test_exactly_the_good_records_are_kept(drawn: list[tuple[str, bool, int, Any]]) -> None:
    """Whatever stands between them and in whatever list, in their order; what is kept fits the model."""
    lists: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    good: dict[str, list[int]] = {kind: [] for kind in KINDS}
    for kind, is_good, seed, bad in drawn:
        # A good record of another kind is a bad one here.
        if is_good:
            good[kind].append(len(lists[kind]))
        lists[kind].append(sample(kind, seed) if is_good else {"document": bad})
    checked = check(lists)
    for kind, sent in lists.items():
        refused = [item.index for item in checked.refused if item.kind == kind]
        assert refused == [place for place in range(len(sent)) if place not in good[kind]]
        for kept in checked.records.get(kind, []):
            msgspec.json.decode(kept.body, type=KINDS[kind].document)


def test_secrets_of_pages_are_not_stored_whatever_an_agent_sends() -> None:
    """Cookies, credentials in headers and in URLs: out, in any spelling of their names."""
    sent = sample(WEB_SESSIONS)
    secrets = [
        {"name": name, "value": "s3cret"}
        for name in ("Cookie", "SET-COOKIE", "authorization", "Proxy-Authorization ", "WWW-Authenticate")
    ]
    entry = "detail.har.log.entries.0"
    for place in (f"{entry}.request.headers", f"{entry}.response.headers"):
        sent = changed(sent, place, [*secrets, {"name": "Accept", "value": "kept"}])
    for place in ("document.pageUrl", f"{entry}.request.url", f"{entry}.response.redirectURL"):
        sent = changed(sent, place, "https://jane:s3cret@app.example.com/a@b")
    kept = only(WEB_SESSIONS, sent)
    stored = kept.body + (kept.detail or b"")
    assert b"s3cret" not in stored
    assert b"jane" not in stored
    assert stored.count(b"(removed)") == 2 * len(secrets)
    assert stored.count(b"https://app.example.com/a@b") == 3
    assert stored.count(b'"kept"') == 2
