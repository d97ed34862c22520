"""Alert rules, incidents and maintenance windows over our own API."""

from typing import Any

import pytest

from hopsight.accounts.incidents import IncidentChange
from hopsight.model.accounts import Role
from hopsight.model.alerts import AlertRule, Cause
from hopsight.testing import ROUND_ID

pytestmark = pytest.mark.anyio

RULES = "/hopsight/v1/alert-rules"
HOOK = {"url": "https://chat.example.com/hook/s3cret", "secret": "correct horse"}
BODY = {"name": "Slow", "metric": "latency", "threshold": 150, "webhooks": [HOOK]}


async def test_a_secret_is_kept_and_never_shown(server: Any) -> None:
    """Not to its maker; who only reads sees no path either; a rule written anew without it keeps it."""
    async with server.client(server.tokens[Role.ACCOUNT_ADMIN]) as client:
        made = await client.post(RULES, json=BODY)
        assert made.status_code == 201
        path = f"{RULES}/{made.json()['ruleId']}"
        again = BODY | {"threshold": 200, "webhooks": [{"url": HOOK["url"]}]}
        answers = [made, await client.put(path, json=again), await client.get(path)]
    async with server.client() as client:
        read = await client.get(path)
    assert not [each for each in (*answers, read) if "correct horse" in each.text]
    assert answers[2].json()["webhooks"][0]["url"] == HOOK["url"]
    assert read.json()["webhooks"][0]["url"] == "https://chat.example.com"
    (stored,) = server.accounts.alerts.rules.listing(server.aid)
    assert (stored.rule.threshold, stored.rule.webhooks[0].secret) == (200, "correct horse")


async def test_who_only_reads_sees_whom_a_rule_tells_but_no_way_to_tell_them(server: Any) -> None:
    """Addresses are masked for readers; nobody sees the URL of a service again."""
    url = "slack://T00000000/B00000000/s3cr3ts3cr3ts3cr3ts3cr3t"
    body = BODY | {"services": [{"label": "Ops", "url": url}]}
    async with server.client(server.tokens[Role.ACCOUNT_ADMIN]) as client:
        made = await client.post(RULES, json=body)
        path = f"{RULES}/{made.json()['ruleId']}"
        again = await client.put(path, json=body | {"services": made.json()["services"]})
        wrong = await client.put(path, json=body | {"services": [{"label": "x", "url": f"json{url[5:]}"}]})
    async with server.client() as client:
        read = await client.get(path)
    assert (again.status_code, wrong.status_code) == (200, 400)
    assert (
        made.json()["services"] == read.json()["services"] == [{"label": "Ops", "kind": "slack", "url": None}]
    )
    assert not [each for each in (made, again, wrong, read) if "s3cr3t" in each.text]
    (stored,) = server.accounts.alerts.rules.listing(server.aid)
    assert stored.rule.services[0].url == url


@pytest.mark.parametrize(
    "changes",
    [
        {"metric": "verdict"}, {"verdict": "lan"}, {"rounds": 5, "ofRounds": 3}, {"minAgents": 0},
        {"filters": [{"key": "nothing", "values": ["x"]}]}, {"webhooks": [{"url": "https://new.example/"}]},
        {"webhooks": [HOOK, HOOK]}, {"webhooks": [HOOK | {"url": "file:///etc/passwd"}]}, {"name": " "},
        {"more": 1},
        {"emails": ["nobody"]}, {"services": [{"label": "Ops"}]},
    ],
)  # fmt: skip
async def test_a_rule_that_means_nothing_is_refused(server: Any, changes: dict[str, Any]) -> None:
    """400, and nothing is kept."""
    async with server.client(server.tokens[Role.ACCOUNT_ADMIN]) as client:
        assert (await client.post(RULES, json=BODY | changes)).status_code == 400
    assert server.accounts.alerts.rules.listing(server.aid) == []


async def test_incidents_are_paged_and_chosen_by_state(server: Any, client: Any) -> None:
    """The newest first, a hundred a page; ``next`` leads to the rest."""
    rules, incidents = server.accounts.alerts.rules, server.accounts.alerts.incidents
    rule_id = rules.add(server.aid, AlertRule(name="Slow", metric="latency"))
    change = IncidentChange(
        rule=rules.get(server.aid, rule_id), incident_id=None, cause=Cause(), agents={"a": 1.0},
        calm_rounds=0, resolved=False,
    )  # fmt: skip
    incidents.advance(server.aid, ROUND_ID, ROUND_ID, [change] * 130)
    first = (await client.get("/hopsight/v1/incidents?state=open")).json()
    rest = (await client.get(first["next"])).json()
    assert [len(first["incidents"]), len(rest["incidents"])] == [100, 30]
    assert "next" not in rest
    assert (await client.get("/hopsight/v1/incidents?state=resolved")).json() == {"incidents": []}
