"""Pages of one alert rule: every field in a form for administrators, the same to read for everybody else."""

import html
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from hopsight.config import SmtpConfig
from hopsight.model.accounts import Role
from hopsight.model.alerts import AlertFilter, AlertRule, ChatService, Webhook
from hopsight.model.dimensions import USER_SESSIONS, Dimensions
from hopsight.server.web.forms import Form
from hopsight.server.web.rule_fields import rule_fields_from, rule_fields_of, rule_of
from hopsight.server.web.rule_sentences import rule_sentences
from hopsight.testing import sample_record

pytestmark = pytest.mark.anyio

HOOK = "https://hooks.example.com/t0ken"
CHAT = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
RULE = AlertRule(
    name="Slow",
    metric="latency",
    threshold=120.5,
    rounds=2,
    of_rounds=4,
    clear_rounds=7,
    min_agents=2,
    filters=(AlertFilter("platform", ("Linux", "Mac")), AlertFilter("ssid", ("Office",))),
    webhooks=(Webhook(url=HOOK, secret="correct horse"),),
    emails=("ops@example.org", "noc@example.org"),
    services=(ChatService(label="Ops", kind="slack", url=CHAT),),
)
FIELDS = {
    "name": "Slow", "metric": "latency", "threshold": "120.5", "rounds": "2", "ofRounds": "4",
    "clearRounds": "7", "minAgents": "2", "enabled": "yes", "filterKey": ["platform", "", "ssid"],
    "filterValues": ["Linux\r\n mac\r\n", "", "Office"], "webhookUrl": [HOOK, ""],
    "webhookSecret": ["correct horse", ""], "emails": "ops@example.org\r\nnoc@example.org\r\n",
    "serviceLabel": ["Ops", ""], "serviceUrl": [CHAT, ""],
}  # fmt: skip


@pytest.fixture
def server(make_server: Callable[..., Any]) -> Any:
    """A server that sends e-mail, so that rules may name addresses."""
    return make_server(smtp=SmtpConfig(host="127.0.0.1", port=9, mail_from="hopsight@example.org"))


async def sent(
    server: Any, path: str, fields: dict[str, Any], role: Role = Role.ACCOUNT_ADMIN, csrf: str | None = None
) -> Any:
    """The answer to a form, with the token of that role's pages."""
    async with server.client(server.tokens[role]) as client:
        page = (await client.get("/account")).text
        found = re.search(r'name="csrf" value="([^"]+)"', page)
        token = csrf if csrf is not None else found[1] if found else ""
        return await client.post(path, data={**fields, "csrf": token})


async def page_of(server: Any, path: str, role: Role = Role.ACCOUNT_ADMIN) -> Any:
    """A page as somebody of a role sees it."""
    async with server.client(server.tokens[role]) as client:
        return await client.get(path)


def added(server: Any) -> int:
    """The rule, stored; its ID."""
    return int(server.accounts.alerts.rules.add(server.aid, RULE))


def rules_of(server: Any) -> list[AlertRule]:
    """What is stored."""
    return [each.rule for each in server.accounts.alerts.rules.listing(server.aid)]


def last_event(server: Any) -> tuple[str, str]:
    """What the audit log says last, and of whom."""
    event = server.accounts.audit_events([server.aid], first_s=0, last_s=2**40)[-1]
    return event.event, event.who


async def test_a_form_adds_a_rule_with_all_its_fields(server: Any) -> None:
    """Rows that are empty are left out, values come one a line, and the audit log says who."""
    answer = await sent(server, "/alerts/rules/new", FIELDS)
    assert answer.status_code == 303, answer.text
    assert rules_of(server) == [RULE]
    assert last_event(server) == ("Alert rule created", "account-admin@example.com")
    shown = await page_of(server, answer.headers["location"])
    assert "The rule is added." in shown.text


@pytest.mark.parametrize("path", ["/alerts/rules/{}", "/alerts", "/alerts/rules/{}/delete"])
@pytest.mark.parametrize("role", list(Role))
async def test_no_page_shows_a_secret(server: Any, path: str, role: Role) -> None:
    """Neither the secret of a webhook nor the URL of a service is in any page, whoever looks."""
    page = (await page_of(server, path.format(added(server)), role)).text
    assert "correct horse" not in page
    assert "TIiajkdnlazkcOXrIdevi7FQ" not in page


async def test_who_only_reads_has_the_rule_without_a_form(server: Any) -> None:
    """Fields and meaning in words; of recipients what everybody may see."""
    page = (await page_of(server, f"/alerts/rules/{added(server)}", Role.USER)).text
    assert "120.5 ms" in page
    assert "platform is Linux or Mac, and ssid is Office" in page
    assert "hooks.example.com, o***@example.org, n***@example.org, Ops (slack)" in page
    assert "t0ken" not in page
    assert 'action="/alerts/rules' not in page


async def test_secrets_that_are_left_empty_stay(server: Any) -> None:
    """A rule that is saved as its form shows it, with a new name, keeps all else."""
    rule_id = added(server)
    fields = FIELDS | {"name": "Slower", "webhookSecret": ["", ""], "serviceUrl": ["", ""], "enabled": ""}
    assert (await sent(server, f"/alerts/rules/{rule_id}", fields)).status_code == 303
    (rule,) = rules_of(server)
    assert (rule.name, rule.enabled) == ("Slower", False)
    assert (rule.webhooks, rule.services) == (RULE.webhooks, RULE.services)
    assert last_event(server) == ("Alert rule updated", "account-admin@example.com")


@pytest.mark.parametrize(
    ("field", "changes", "words"),
    [
        ("name", {"name": " "}, "1 to 255 characters"),
        ("metric", {"metric": "noise"}, "latency, loss, jitter, verdict, no-data"),
        ("threshold", {"threshold": "-1"}, "a number from 0"),
        ("threshold", {"threshold": "nan"}, "a number from 0"),
        ("verdict", {"verdict": "weather"}, "device, lan"),
        ("verdict", {"verdict": "lan"}, "none with any other"),
        ("rounds", {"rounds": "9"}, "at most ofRounds"),
        ("rounds", {"rounds": "many"}, "a whole number from 1 to 30"),
        ("of_rounds", {"ofRounds": "31"}, "a whole number from 1 to 30"),
        ("clear_rounds", {"clearRounds": ""}, "a whole number from 1 to 1440"),
        ("min_agents", {"minAgents": "0"}, "a whole number from 1 to 100000"),
        ("filters", {"filterKey": "", "filterValues": "x"}, "values without a key"),
        ("filters", {"filterKey": "ssid", "filterValues": " "}, "one or more, one a line"),
        ("filters", {"filterKey": "colour", "filterValues": "x"}, "agentId"),
        ("webhooks", {"webhookUrl": "ftp://x/abc"}, "http://HOST"),
        ("webhooks", {"webhookUrl": HOOK, "webhookSecret": ""}, "for a URL that is new"),
        ("webhooks", {"webhookUrl": "", "webhookSecret": "12345678"}, "a secret without a URL"),
        ("webhooks", {"webhookUrl": HOOK, "webhookSecret": "1234567"}, "a secret of 8 to 255"),
        ("emails", {"emails": "nobody"}, "jane.doe@example.org"),
        ("emails", {"emails": "\n".join(f"a{n}@example.org" for n in range(21))}, "at most 20"),
        ("services", {"serviceLabel": "Ops", "serviceUrl": ""}, "for a label that is new"),
        ("services", {"serviceLabel": "", "serviceUrl": CHAT}, "a URL without a name"),
        ("services", {"serviceLabel": "Ops", "serviceUrl": "file:///etc/passwd"}, "KIND://"),
    ],
)
async def test_an_error_is_beside_its_field_and_what_was_typed_stays(
    server: Any, field: str, changes: dict[str, str], words: str
) -> None:
    """Nothing is stored; the form comes back as it was typed, without the secrets."""
    answer = await sent(server, "/alerts/rules/new", FIELDS | {"threshold": "77.25"} | changes)
    page = html.unescape(answer.text)
    assert answer.status_code == 400
    assert rules_of(server) == []
    said = re.search(rf'id="{field}-error">([^<]+)<', page)
    assert said is not None, re.findall(r'id="\w+-error">[^<]+', page)
    assert words in said[1]
    assert "threshold" in changes or 'value="77.25"' in page
    assert "correct horse" not in page
    assert "TIiajkdnlazkcOXrIdevi7FQ" not in page
    assert "secret" in changes or "Secrets that were typed are not shown again" in page or field in {
        "webhooks", "services",
    }  # fmt: skip


async def test_another_row_is_asked_for_without_saving(server: Any) -> None:
    """Without scripts a button gives the form back with a row more, and stores nothing."""
    first = (await page_of(server, "/alerts/rules/new")).text
    answer = await sent(server, "/alerts/rules/new", FIELDS | {"more": "filters"})
    assert answer.status_code == 200
    assert first.count('name="filterKey"') == 1
    assert answer.text.count('name="filterKey"') == 4
    assert rules_of(server) == []


async def test_a_rule_is_switched_and_deleted(server: Any) -> None:
    """Off and on from the list; deleting asks first, and the audit log says who."""
    rule_id = added(server)
    assert (await sent(server, f"/alerts/rules/{rule_id}/switch", {"do": "off"})).status_code == 303
    (rule,) = rules_of(server)
    assert (rule.enabled, rule.webhooks, rule.services) == (False, RULE.webhooks, RULE.services)
    assert (await sent(server, f"/alerts/rules/{rule_id}/switch", {"do": "up"})).status_code == 400
    assert "Delete the rule Slow?" in (await page_of(server, f"/alerts/rules/{rule_id}/delete")).text
    assert len(rules_of(server)) == 1
    assert (await sent(server, f"/alerts/rules/{rule_id}/delete", {})).status_code == 303
    assert rules_of(server) == []
    assert last_event(server) == ("Alert rule deleted", "account-admin@example.com")


@pytest.mark.parametrize("path", ["new", "{}", "{}/switch", "{}/delete"])
async def test_only_writers_write_and_only_from_our_pages(server: Any, path: str) -> None:
    """A regular user, and a form without its token, are refused."""
    rule_id = added(server)
    where = f"/alerts/rules/{path.format(rule_id)}"
    fields = FIELDS | {"do": "off", "name": "Changed"}
    assert (await sent(server, where, fields, Role.USER)).status_code == 403
    assert (await sent(server, where, fields, csrf="x")).status_code == 403
    assert rules_of(server) == [RULE]


@pytest.mark.parametrize("path", ["new", "{}/delete"])
async def test_forms_are_for_writers(server: Any, path: str) -> None:
    """Who only reads is told so instead of being shown a form."""
    answer = await page_of(server, f"/alerts/rules/{path.format(added(server))}", Role.USER)
    assert answer.status_code == 403


@pytest.mark.parametrize(("text", "status"), [("99999", 404), ("x", 400), ("0x1", 400), ("9" * 40, 400)])
async def test_a_rule_that_is_not_there(server: Any, text: str, status: int) -> None:
    """Refused as a page, never a fault."""
    assert (await page_of(server, f"/alerts/rules/{text}")).status_code == status


async def test_a_rule_of_others_is_not_there(server: Any) -> None:
    """IDs of another organization are not found, to be read or written."""
    org_id = server.accounts.create_organization("Elsewhere")
    theirs = server.accounts.create_account_group("Sandbox", org_id)
    rule_id = server.accounts.alerts.rules.add(theirs, RULE)
    assert (await page_of(server, f"/alerts/rules/{rule_id}")).status_code == 404
    assert (await sent(server, f"/alerts/rules/{rule_id}", FIELDS)).status_code == 404
    assert (await sent(server, f"/alerts/rules/{rule_id}/delete", {})).status_code == 404
    assert server.accounts.alerts.rules.get(theirs, rule_id).rule == RULE


def test_the_form_of_a_rule_describes_that_rule() -> None:
    """What is read out of its own form is the rule, less its secrets."""
    fields = rule_fields_of(RULE)
    pairs = [("name", fields.name), ("metric", fields.metric), ("threshold", fields.threshold)]
    pairs += [("rounds", fields.rounds), ("ofRounds", fields.of_rounds), ("enabled", "yes")]
    pairs += [("clearRounds", fields.clear_rounds), ("minAgents", fields.min_agents)]
    pairs += [
        pair for row in fields.filters for pair in (("filterKey", row.key), ("filterValues", row.values))
    ]
    pairs += [("webhookUrl", row.url) for row in fields.webhooks]
    pairs += [("serviceLabel", row.label) for row in fields.services] + [("emails", fields.emails)]
    again = rule_fields_from(Form(pairs), RULE)
    assert again == fields
    rule, errors = rule_of(again)
    assert errors == {}
    assert rule is not None
    assert rule_fields_of(rule) == fields


def test_what_a_rule_means_is_said_in_sentences() -> None:
    """What it looks at, when an agent fails, what an incident is, and when it is over."""
    assert " ".join(rule_sentences(RULE)) == (
        "It looks at sessions where platform is Linux or Mac, and ssid is Office. "
        "An agent fails when of its sessions with one site the 95th percentile of latency is over 120.5 ms, "
        "in 2 of 4 rounds of a minute. "
        "2 agents or more that fail for the same reason are an incident; it is over after 7 rounds in a row "
        "with fewer."
    )


async def test_addresses_are_refused_where_no_mail_is_sent(make_server: Callable[..., Any]) -> None:
    """Said before and beside the field, with the option that is missing; nothing is stored."""
    server = make_server()
    assert "None is accepted" in (await page_of(server, "/alerts/rules/new")).text
    answer = await sent(server, "/alerts/rules/new", FIELDS)
    assert "no mail server set (--smtp-host)" in html.unescape(answer.text)
    assert rules_of(server) == []


async def test_a_test_message_s_outcome_is_shown_for_each_recipient(server: Any) -> None:
    """Who was not told, and why; the audit log says who asked."""
    hook = Webhook(url="http://127.0.0.1:9/t0ken", secret="correct horse")
    rule = AlertRule(name="Slow", metric="latency", threshold=1, webhooks=(hook,))
    rule_id = server.accounts.alerts.rules.add(server.aid, rule)
    answer = await sent(server, f"/alerts/rules/{rule_id}/test", {})
    assert answer.status_code == 200
    outcome = re.search(r'<ul class="outcomes">(.*?)</ul>', answer.text, re.DOTALL)
    assert outcome is not None
    assert "not told" in outcome[1]
    assert "127.0.0.1 is an address of this machine or link" in outcome[1]
    assert last_event(server)[1] == "account-admin@example.com"
    assert (await sent(server, f"/alerts/rules/{rule_id}/test", {}, Role.USER)).status_code == 403
    assert (await sent(server, f"/alerts/rules/{rule_id}/test", {}, csrf="x")).status_code == 403


async def test_a_rule_without_recipients_offers_no_test(server: Any) -> None:
    """There is nobody to tell, and the page says so."""
    rule = AlertRule(name="Slow", metric="latency", threshold=1)
    rule_id = server.accounts.alerts.rules.add(server.aid, rule)
    page = (await page_of(server, f"/alerts/rules/{rule_id}")).text
    assert "tells nobody" in page
    assert "Send a test message" not in page


async def measured(server: Any, slow: int, well: int) -> None:
    """Agents in the last three rounds: those behind one access point are slow."""
    rng, now_s = random.Random(3), int(server.clock.now()) // 60 * 60
    for number in range(slow + well):
        bssid = "02:00:00:00:00:01" if number < slow else f"02:00:00:00:01:{number:02x}"
        place = Dimensions(
            agent_id=f"agent-{number}", bssid=bssid, visited_site="a.example", platform="Linux"
        )
        for back in (120, 180, 240):
            record = sample_record(rng, aid=server.aid, round_id=now_s - back, dimensions=place)
            latency_ms = 400.0 if number < slow else 20.0
            await server.store.add(USER_SESSIONS, [structs.replace(record, latency_ms=latency_ms)])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "4 of 10 agents fail. It would be an incident of 4 agents: access point 02:00:00:00:00:01."),
        ({"minAgents": "5"}, "4 of 10 agents fail. It would be no incident."),
        ({"threshold": "500"}, "0 of 10 agents fail. It would be no incident."),
        ({"filterKey": "platform", "filterValues": "mac"}, "no session that it looks at."),
    ],
)
async def test_what_a_rule_would_find_now_is_said_without_saving_it(
    server: Any, changes: dict[str, str], words: str
) -> None:
    """The engine's own step over the newest rounds; neither rule nor incident is stored."""
    await measured(server, 4, 6)
    fields = FIELDS | {"filterKey": "platform", "filterValues": "linux", "do": "preview"} | changes
    answer = await sent(server, "/alerts/rules/new", fields)
    assert answer.status_code == 200
    said = " ".join(re.sub(r"<[^>]+>", " ", answer.text.partition('class="done"')[2][:800]).split())
    assert words in said
    assert rules_of(server) == []
    assert server.accounts.alerts.incidents.listing(server.aid) == []
    assert server.accounts.alerts.incidents.progress(server.aid) is None


async def test_a_preview_of_what_means_nothing_says_so(server: Any) -> None:
    """The error is beside its field, as when it is saved."""
    answer = await sent(server, "/alerts/rules/new", FIELDS | {"do": "preview", "rounds": "9"})
    assert answer.status_code == 400
    assert "at most ofRounds" in answer.text
