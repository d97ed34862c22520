"""The pages of alerts: what goes on and why, one incident whole, and forms for administrators alone."""

import random
from typing import Any

import pytest
from msgspec import structs

from hopsight.accounts.incidents import IncidentChange
from hopsight.model.accounts import Role
from hopsight.model.alerts import AlertFilter, AlertRule, Cause, MaintenanceWindow, Webhook
from hopsight.model.dimensions import USER_SESSIONS, Dimensions
from hopsight.server.web.alert_texts import describe_length
from hopsight.testing import ROUND_ID, sample_record

pytestmark = pytest.mark.anyio

BSSID = "02:00:00:00:01:02"
RULE = AlertRule(
    name="Slow <b>office</b>",
    metric="latency",
    threshold=150,
    filters=(AlertFilter("platform", ("Linux",)),),
    webhooks=(Webhook(url="https://chat.example.com/hook/s3cret", secret="correct horse"),),
)


async def opened(server: Any, *, resolved: bool = False) -> int:
    """An incident of two agents behind one access point, and an hour of what they measured."""
    rng = random.Random(1)
    alerts = server.accounts.alerts
    stored = alerts.rules.get(server.aid, alerts.rules.add(server.aid, RULE))
    cause = Cause(dimension="bssid", value=BSSID, failing=2)
    change = IncidentChange(
        rule=stored, incident_id=None, cause=cause, agents={"agent-a": 300.0, "agent-b": 250.0},
        calm_rounds=0, resolved=False, events=(("opened", "2 agents fail."),),
    )  # fmt: skip
    ((incident_id, _),) = alerts.incidents.advance(server.aid, ROUND_ID, ROUND_ID + 90, [change])
    alerts.incidents.note(incident_id, "notified", "Webhook at chat.example.com was told.", ROUND_ID + 91)
    place = Dimensions(agent_id="agent-a", bssid=BSSID, platform="Linux")
    for number in range(30):
        record = sample_record(rng, aid=server.aid, round_id=ROUND_ID - 60 * number, dimensions=place)
        await server.store.add(USER_SESSIONS, [structs.replace(record, latency_ms=300.0)])
    if resolved:
        over = structs.replace(change, incident_id=incident_id, agents={}, resolved=True)
        alerts.incidents.advance(server.aid, ROUND_ID + 600, ROUND_ID + 690, [over])
    server.clock.advance(1_000)
    return int(incident_id)


async def page_of(server: Any, path: str, role: Role = Role.USER) -> str:
    """A page, which must be there."""
    async with server.client(server.tokens[role]) as client:
        answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return str(answer.text)


async def test_without_rules_it_says_that_nothing_is_looked_for(server: Any) -> None:
    """No incident is not the same as nobody looking."""
    assert "there is no rule yet" in await page_of(server, "/alerts")


@pytest.mark.parametrize("resolved", [False, True])
async def test_an_incident_is_listed_with_cause_and_time(server: Any, *, resolved: bool) -> None:
    """Open or over, with a link to its page; names of people's making cannot break out."""
    incident_id = await opened(server, resolved=resolved)
    page = await page_of(server, "/alerts")
    assert f"access point {BSSID}" in page
    assert f'href="/alerts/{incident_id}?aid={server.aid}"' in page
    assert "Slow &lt;b&gt;office" in page
    assert ("None: no rule fails now" in page) == resolved
    assert "s3cret" not in page


async def test_one_incident_whole(server: Any) -> None:
    """Since when, the chart of its metric, its agents, what happened, who was told, the way to look on."""
    incident_id = await opened(server)
    page = await page_of(server, f"/alerts/{incident_id}")
    assert "2017-03-26 11:59:00" in page
    assert "Latency, 95th percentile" in page
    assert "30 samples" in page
    assert "300.0 ms" in page
    assert "Webhook at chat.example.com was told." in page
    assert "bssid=02%3A00" in page
    assert "platform=Linux" in page


async def test_what_maintenance_suppressed_is_on_the_incident_s_page(server: Any) -> None:
    """Of the same rule, with the window's name and how many agents."""
    incident_id = await opened(server)
    rules = server.accounts.alerts.rules
    (stored,) = rules.listing(server.aid)
    window_id = rules.add_window(server.aid, MaintenanceWindow(name="Firmware", start_s=1, end_s=2))
    rules.suppress(window_id, stored, ["agent-c"], ROUND_ID)
    assert "Firmware: 1 agent," in await page_of(server, f"/alerts/{incident_id}")
    assert "1 agent: Slow" in await page_of(server, "/alerts")


@pytest.mark.parametrize("text", ["x", "0", "99999", "9" * 40])
async def test_an_incident_that_is_not_there(server: Any, text: str) -> None:
    """Refused as a page, never a fault."""
    async with server.client() as client:
        assert (await client.get(f"/alerts/{text}")).status_code in {400, 404}


async def test_an_incident_of_others_is_not_there(server: Any) -> None:
    """IDs of another organization are not found."""
    org_id = server.accounts.create_organization("Elsewhere")
    theirs = server.accounts.create_account_group("Sandbox", org_id)
    rules, incidents = server.accounts.alerts.rules, server.accounts.alerts.incidents
    change = IncidentChange(
        rule=rules.get(theirs, rules.add(theirs, RULE)), incident_id=None, cause=Cause(), agents={},
        calm_rounds=0, resolved=False,
    )  # fmt: skip
    ((incident_id, _),) = incidents.advance(theirs, ROUND_ID, ROUND_ID, [change])
    async with server.client() as client:
        assert (await client.get(f"/alerts/{incident_id}")).status_code == 404


async def test_who_only_reads_sees_no_forms(server: Any) -> None:
    """A regular user has the same page, without what changes things."""
    page = await page_of(server, "/alerts")
    assert "Add a rule" not in page
    assert "Plan maintenance" not in page


@pytest.mark.parametrize(
    ("length_s", "said"),
    [
        (0, "less than a minute"),
        (300, "5 min"),
        (7_500, "2 h 5 min"),
        (90_060, "1 d 1 h"),
        (-5, "less than a minute"),
    ],
)
def test_lengths_are_said_in_two_units(length_s: int, said: str) -> None:
    """The two largest that there are."""
    assert describe_length(length_s) == said
