"""Reports: what the preview shows, what is signed, who may, and that page and file are the same."""

import hashlib
import re
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from tests.server.web.signing_in import csrf_of, tree
from tests.server.web.test_agents import enrol
from tests.server.web.test_overview import NOW, session
from tests.server.web.test_paths import SITE, measured

from hopsight.errors import StoreUnavailableError
from hopsight.model.accounts import Role
from hopsight.model.dimensions import USER_SESSIONS
from hopsight.model.times import format_instant
from hopsight.server.reports.document import Report, decode_report
from hopsight.server.reports.signing import check, digest_of
from hopsight.server.web import report_hops
from hopsight.testing import ROUND_ID

pytestmark = pytest.mark.anyio

PERIOD = "from=2020-09-13T23:00:00&to=2020-09-13T23:59:59"
URL = f"/report?{PERIOD}"
PERSON = "Annas-MacBook"
EVIL = "<script>alert(1)</script>"


async def sessions(server: Any, agent_id: str, minutes: range, **changes: Any) -> None:
    """Sessions of an agent, one a minute."""
    made = [session(minute, agent=agent_id, **changes) for minute in minutes]
    await server.store.add(USER_SESSIONS, made)


@pytest.fixture
async def filled(server: Any) -> Any:
    """Two agents over half an hour; ten minutes of it their site is out; then a gap."""
    server.clock.advance(NOW - server.clock.now())
    for name in (PERSON, "other"):
        agent_id = enrol(server, name)
        await sessions(server, agent_id, range(1, 6), ssid="Annas WLAN")
        await sessions(server, agent_id, range(10, 20), loss=100.0, latency=None, verdict="provider")
        await sessions(server, agent_id, range(20, 30))
    return server


@pytest.fixture
async def admin(filled: Any) -> Any:
    """An account admin's client."""
    async with filled.client(filled.tokens[Role.ACCOUNT_ADMIN]) as client:
        yield client


async def signed(client: httpx.AsyncClient, url: str = URL) -> str:
    """Sign a report; the path that it leads to."""
    page = await client.get(url)
    form = tree(page).xpath("//form[contains(., 'Sign this report')]")[0]
    fields = {field.get("name"): field.get("value") for field in form.xpath(".//input")}
    answer = await client.post(form.get("action"), data=fields)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["Location"])


async def file_of(client: httpx.AsyncClient, location: str) -> bytes:
    """The signed file of a report."""
    answer = await client.get(location.replace("?", ".json?", 1))
    assert answer.status_code == 200, answer.text
    return answer.content


async def report_of(client: httpx.AsyncClient, url: str = URL) -> Report:
    """The document of a view, signed."""
    return decode_report(check(await file_of(client, await signed(client, url))).payload)


@pytest.mark.parametrize("url", ["/report", "/report?window=1h", "/report?from=2020-09-13T23:00:00"])
async def test_a_moving_range_is_led_to_where_it_stands(
    filled: Any, client: httpx.AsyncClient, url: str
) -> None:
    """The URL says two times, which mean the same tomorrow; filters and choices go along."""
    answer = await client.get(url)
    assert answer.status_code == 303
    location = answer.headers["Location"]
    assert "window" not in location
    filled.clock.advance(86_400)
    assert (await client.get(location)).status_code == 200
    joint = "&" if "?" in url else "?"
    more = await client.get(f"{url}{joint}visitedSite=app.example.com&outageLoss=75")
    assert more.headers["Location"].endswith("&visitedSite=app.example.com&outageLoss=75")


async def test_outages_are_told(admin: httpx.AsyncClient) -> None:
    """Ten minutes of both agents are one outage; the gap is none."""
    outages = (await report_of(admin)).outages
    (found,) = outages.periods
    assert (found.site, found.start, found.end) == (
        "app.example.com", "2020-09-13T23:41:00Z", "2020-09-13T23:51:00Z",
    )  # fmt: skip
    assert (found.length_s, found.all_lost, found.mean_loss_percent) == (600, True, 100.0)
    assert (found.sessions, found.agents, found.agents_affected) == (20, 2, 2)
    assert sorted(found.affected) == ["agent 1", "agent 2"]
    assert outages.bucket_s == 60


async def test_one_agent_s_trouble_is_no_outage(server: Any) -> None:
    """A site that several agents measure is not out because one of them loses all."""
    server.clock.advance(NOW - server.clock.now())
    one, two = enrol(server, "one"), enrol(server, "two")
    await sessions(server, one, range(1, 30), loss=100.0, latency=None)
    await sessions(server, two, range(20, 30))
    async with server.client(server.tokens[Role.ORG_ADMIN]) as client:
        assert (await report_of(client, f"{URL}&outageLoss=60")).outages.periods == ()
        # Where the site has no other agent it is.
        alone = await report_of(client, f"{URL}&agentId={one}")
        assert [each.length_s for each in alone.outages.periods] == [29 * 60]


async def test_names_are_left_out(admin: httpx.AsyncClient, filled: Any) -> None:
    """Neither page nor file has a name or ID of an agent, or a value of a filter that names something."""
    url = f"{URL}&ssid=Annas+WLAN&visitedSite=app.example.com"
    location = await signed(admin, url)
    document = check(await file_of(admin, location)).payload.decode()
    page = (await admin.get(location)).text
    ids = [agent.agent_id for agent in filled.accounts.agents(filled.aid)]
    for secret in (PERSON, "Annas WLAN", *ids):
        assert secret not in document
        assert secret not in page
    report = decode_report(document.encode())
    assert [(each.key, each.values, each.count) for each in report.filters] == [
        ("ssid", None, 1), ("visitedSite", ("app.example.com",), 1),
    ] or [(each.key, each.values, each.count) for each in report.filters] == [
        ("visitedSite", ("app.example.com",), 1), ("ssid", None, 1),
    ]  # fmt: skip
    assert not report.names_shown
    assert any("numbered" in each for each in report.left_out)


async def test_names_are_shown_to_those_who_ask(admin: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    """Admins may have names in it, and the report says so; who only reads may not."""
    report = await report_of(admin, f"{URL}&names=yes&ssid=Annas+WLAN")
    assert report.names_shown
    assert {each.name for each in report.agents} == {PERSON, "other"}
    assert report.filters[0].values == ("Annas WLAN",)
    refused = await client.get(f"{URL}&names=yes")
    assert refused.status_code == 403
    assert "account admin" in refused.text


async def test_page_and_file_are_the_same_document(admin: httpx.AsyncClient, filled: Any) -> None:
    """What is measured later changes neither; the page shows the digest of the file and the key's."""
    location = await signed(admin)
    before = ((await admin.get(location)).text, await file_of(admin, location))
    await sessions(filled, "00000000-0000-4000-8000-000000000001", range(1, 10), loss=50.0)
    filled.clock.advance(3_600)
    csrf = re.compile(r'name="csrf" value="\w+"')
    assert csrf.sub("", (await admin.get(location)).text) == csrf.sub("", before[0])
    assert await file_of(admin, location) == before[1]
    payload = check(before[1]).payload
    page = tree(await admin.get(location))
    codes = page.xpath("//dl[@class='seal']//code/text()")
    key = (await admin.get("/report-key")).content
    pem = load_pem_public_key(key)
    assert codes[:2] == [digest_of(payload), check(before[1], pem).fingerprint]  # type: ignore[arg-type]
    report = decode_report(payload)
    assert "<dd>50</dd>" in before[0]
    assert report.whole.sessions == 50
    assert location == f"/report/{hashlib.sha256(payload).hexdigest()}?aid=7625"


async def test_what_came_between_preview_and_signature_is_said(admin: httpx.AsyncClient, filled: Any) -> None:
    """The signed page says that it is not quite what was seen."""
    page = await admin.get(URL)
    form = tree(page).xpath("//form[contains(., 'Sign this report')]")[0]
    fields = {field.get("name"): field.get("value") for field in form.xpath(".//input")}
    await sessions(filled, "00000000-0000-4000-8000-000000000001", range(1, 3))
    answer = await admin.post(form.get("action"), data=fields)
    assert answer.headers["Location"].endswith("&changed=yes")
    assert "between the preview and the signature" in (await admin.get(answer.headers["Location"])).text


async def test_only_admins_sign(filled: Any, admin: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    """Who only reads has no button, is refused, and may read what others have signed."""
    page = await client.get(URL)
    assert "Sign this report" not in page.text
    csrf = csrf_of(await admin.get(URL))
    assert (await client.post(URL, data={"csrf": csrf})).status_code == 403
    location = await signed(admin)
    assert (await client.get(location)).status_code == 200
    assert check(await file_of(client, location))
    refused = await client.post(location, data={"csrf": csrf, "do": "delete"})
    assert refused.status_code == 403
    assert len(filled.app.services.reports.kept(filled.aid)) == 1


async def test_a_form_of_elsewhere_signs_nothing(filled: Any, admin: httpx.AsyncClient) -> None:
    """Without the page's token nothing is signed or deleted."""
    location = await signed(admin)
    for url, fields in ((URL, {"x": "1"}), (URL, {"csrf": "0" * 64}), (location, {"do": "delete"})):
        assert (await admin.post(url, data=fields)).status_code == 403
    assert len(filled.app.services.reports.kept(filled.aid)) == 1


async def test_other_account_groups_have_no_report(filled: Any, admin: httpx.AsyncClient) -> None:
    """Neither page nor file of a report is there for who looks from another account group."""
    location = await signed(admin)
    other = filled.accounts.create_account_group("Other", filled.accounts.organizations()[0].org_id)
    filled.accounts.create_user("elsewhere@example.com", Role.ORG_ADMIN, [other])
    token = filled.accounts.create_token("elsewhere@example.com")
    path = location.partition("?")[0]
    async with filled.client(token) as stranger:
        for url in (path, f"{path}.json", f"{path}?aid={other}"):
            assert (await stranger.get(url)).status_code == 404
        assert (await stranger.get(f"{path}.json?aid={filled.aid}")).status_code == 400
        csrf = csrf_of(await stranger.get(f"/account?aid={other}"))
        gone = await stranger.post(f"{path}?aid={other}", data={"csrf": csrf, "do": "delete"})
        assert gone.status_code == 404
    async with filled.client("") as nobody:
        assert (await nobody.get(f"{path}.json", headers={"Authorization": "Bearer x"})).status_code == 401
    assert (await admin.get(location)).status_code == 200


async def test_signing_and_deleting_are_audited(filled: Any, admin: httpx.AsyncClient) -> None:
    """Who, and which report; afterwards it is gone, and a file that was handed out is still valid."""
    location = await signed(admin)
    envelope = await file_of(admin, location)
    digest = check(envelope).digest
    csrf = csrf_of(await admin.get(location))
    answer = await admin.post(location, data={"csrf": csrf, "do": "delete"})
    assert answer.status_code == 303
    assert (await admin.get(location)).status_code == 404
    events = filled.accounts.audit_events([filled.aid], first_s=NOW - 10, last_s=NOW + 86_400)
    found = [(each.event, each.who, each.resources[0].name) for each in events if "Report" in each.event]
    assert found == [
        ("Report signed", "account-admin@example.com", digest),
        ("Report deleted", "account-admin@example.com", digest),
    ]
    assert check(envelope).digest == digest


async def test_what_is_not_audited_is_not_signed(
    filled: Any, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the log of changes cannot be written, the report is not kept, either."""

    def fail(*_: object) -> None:
        raise StoreUnavailableError("busy")

    monkeypatch.setattr(filled.accounts, "note", fail)
    csrf = csrf_of(await admin.get(URL))
    assert (await admin.post(URL, data={"csrf": csrf})).status_code == 503
    assert filled.app.services.reports.kept(filled.aid) == []


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ("from=2020-08-01T00:00:00&to=2020-09-10T00:00:00", "at most 31 days"),
        (f"{PERIOD}&outageLoss=0", "percent from 1 to 100"),
        (f"{PERIOD}&outageLoss=nan", "percent from 1 to 100"),
        (f"{PERIOD}&outageLoss={'9' * 400}", "percent from 1 to 100"),
        (f"{PERIOD}&names=maybe", "yes or no"),
        ("window=0d", "a number above 0"),
    ],
)
async def test_bounds_are_named(filled: Any, admin: httpx.AsyncClient, more: str, word: str) -> None:
    """What is too much or wrong is 400 with what is accepted, for preview and signature."""
    answer = await admin.get(f"/report?{more}")
    assert answer.status_code == 400
    assert word in answer.text
    csrf = csrf_of(await admin.get(URL))
    assert (await admin.post(f"/report?{more}", data={"csrf": csrf})).status_code == 400
    assert filled.app.services.reports.kept(filled.aid) == []


async def test_nothing_is_not_signed(admin: httpx.AsyncClient) -> None:
    """A period without sessions says so, has no button, and is refused."""
    empty = "/report?from=2020-09-01T00:00:00&to=2020-09-02T00:00:00"
    page = await admin.get(empty)
    assert "No session was measured" in page.text
    assert "Sign this report" not in page.text
    csrf = csrf_of(await admin.get(URL))
    assert (await admin.post(empty, data={"csrf": csrf})).status_code == 400


async def test_the_key_is_for_everybody(filled: Any) -> None:
    """Whoever was handed a report has no account; it is a public key, and only that."""
    async with filled.client("") as nobody:
        answer = await nobody.get("/report-key")
    assert answer.status_code == 200
    assert answer.text.startswith("-----BEGIN PUBLIC KEY-----")
    assert "PRIVATE" not in answer.text


async def test_hops_are_told_without_homes(server: Any) -> None:
    """Routers have their place, name and numbers; names are text; the first hop is local."""
    await measured(server, 1, 60, EVIL)
    await measured(server, 2, 120, "r2")
    server.clock.advance(ROUND_ID - server.clock.now())
    async with server.client(server.tokens[Role.ORG_ADMIN]) as client:
        pinned = (await client.get(f"/report?window=1h&visitedSite={SITE}")).headers["Location"]
        masked = await report_of(client, pinned)
        shown = await report_of(client, f"{pinned}&names=yes")
        page = tree(await client.get(f"{pinned}&names=yes"))
    assert [(each.hop, each.address, each.name) for each in masked.hops.routers] == [(1, "local", None)]
    assert {each.name for each in shown.hops.routers} == {EVIL, "r2"}
    assert shown.hops.traces == shown.hops.sessions_looked_at == 2
    assert not page.xpath("//*[@style] | //style | //script[contains(., 'alert')]")
    assert EVIL in page.text_content()


async def test_hops_of_an_outage_are_looked_at(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much was measured since, the ways of the outage are in the table, each session once."""
    monkeypatch.setattr(report_hops, "NEWEST", 2)
    for seed in range(1, 4):
        await measured(server, seed, 60 * seed, "since")
    await measured(server, 9, 1_200, "during", loss=100.0)
    server.clock.advance(ROUND_ID - server.clock.now())
    async with server.client(server.tokens[Role.ORG_ADMIN]) as client:
        pinned = (await client.get("/report?window=1h&names=yes")).headers["Location"]
        report = await report_of(client, pinned)
    assert [each.start for each in report.outages.periods] == [format_instant(ROUND_ID - 1_200)]
    found = {each.name: each for each in report.hops.routers}
    assert (found["during"].sessions, found["during"].last_of_lossy) == (1, 1)
    assert (found["during"].loss_percent, found["during"].other_loss_percent) == (100.0, 0.0)
    assert (report.hops.sessions_looked_at, report.hops.outages) == (3, 1)


async def test_pages_lead_to_their_report(filled: Any, client: httpx.AsyncClient) -> None:
    """The menu of a page leads to the report of the same range and filters."""
    page = tree(await client.get("/?window=6h&visitedSite=app.example.com"))
    links = page.xpath("//details[@class='take-away']//a[text()='Report']/@href")
    assert links == [f"/report?aid={filled.aid}&window=6h&visitedSite=app.example.com"]
    assert (await client.get(links[0])).status_code == 303
    (agent, *_) = filled.accounts.agents(filled.aid)
    page = tree(await client.get(f"/agents/{agent.agent_id}?window=6h"))
    links = page.xpath("//details[@class='take-away']//a[text()='Report']/@href")
    assert links == [f"/report?aid={filled.aid}&window=6h&agentId={agent.agent_id}"]
