"""From a rule that somebody makes to the end of what it found."""

import random
from typing import Any

import pytest
from msgspec import structs
from tests.journeys.conftest import Journey
from tests.server.alerts.test_engine import BAD
from tests.server.alerts.test_incidents import fleet

from hopsight.model.accounts import Role
from hopsight.model.dimensions import USER_SESSIONS
from hopsight.model.times import format_utc
from hopsight.server.alerts.engine import AlertEngine
from hopsight.testing import sample_record

pytestmark = [pytest.mark.anyio, pytest.mark.chromium]

MINUTE_S = 60


class Fleet:
    """Eighty agents that measure while an engine looks; time passes in rounds."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.rng = random.Random(3)
        self.engine = AlertEngine(server.store, server.accounts, server.clock)

    async def pass_rounds(self, count: int, *, bad: bool) -> None:
        """Measure; when it is bad, those behind one access point are slow."""
        clock = self.server.clock
        for _ in range(count):
            round_id = int(clock.now()) // MINUTE_S * MINUTE_S
            records = [
                structs.replace(
                    sample_record(self.rng, aid=self.server.aid, round_id=round_id, dimensions=place),
                    latency_ms=400.0 if bad and place.bssid == BAD else 20.0,
                )
                for place in fleet()
            ]
            await self.server.store.add(USER_SESSIONS, records)
            clock.advance(MINUTE_S)
            await self.engine.run_due()


async def make_rule(journey: Journey) -> None:
    """By its form, with what it offers."""
    page = journey.page
    await journey.open("/alerts")
    await journey.click("text=Add a rule")
    await page.fill("#name", "Slow office")
    await page.select_option("#metric", "latency")
    await page.fill("#threshold", "150")
    await journey.send("Add the rule")
    assert await page.inner_text("[role=status].done")


async def plan_maintenance(server: Any, journey: Journey, minutes: int) -> None:
    """From now on, by its form."""
    page, now_s = journey.page, int(server.clock.now())
    await journey.open("/alerts")
    await journey.click("text=Plan maintenance")
    await page.fill("#name", "New firmware")
    for field, moment_s in (("#start", now_s), ("#end", now_s + MINUTE_S * minutes)):
        await page.fill(field, format_utc(moment_s)[:16])
    await journey.send("Plan it")


async def test_a_fault_is_an_incident_with_its_agents_until_it_ends(server: Any, journey: Journey) -> None:
    """The rule that the form made finds it; list and page name the cause and who is affected; it resolves."""
    page, site = journey.page, Fleet(server)
    await journey.sign_in(server.tokens[Role.ACCOUNT_ADMIN])
    await make_rule(journey)
    await site.pass_rounds(6, bad=False)
    await journey.open("/alerts")
    assert "None: no rule fails now" in await page.inner_text("main")
    await site.pass_rounds(6, bad=True)
    await journey.open("/alerts")
    row = "[aria-label='Incidents that go on'] tbody tr"
    assert f"access point {BAD}" in await page.inner_text(row)
    await journey.click(f"{row} th a")
    assert await page.inner_text("h1") == f"Slow office: access point {BAD}"
    assert await page.inner_text(".facts dd >> nth=0") == "open"
    assert await page.locator("[aria-label='Affected agents'] tbody tr").count() == 10
    assert await page.locator(".uplot canvas").count() == 1
    await site.pass_rounds(10, bad=False)
    await page.reload()
    assert await page.inner_text(".facts dd >> nth=0") == "resolved"
    assert "Resolved" in await page.inner_text(".timeline")
    await journey.open("/alerts")
    assert await page.locator("[aria-label='The incident that is over'] tbody tr").count() == 1


async def test_maintenance_keeps_still_and_says_of_whom(server: Any, journey: Journey) -> None:
    """In its time the same fault is no incident; the window's page has the agents that it spared."""
    page, site = journey.page, Fleet(server)
    await journey.sign_in(server.tokens[Role.ACCOUNT_ADMIN])
    await make_rule(journey)
    await plan_maintenance(server, journey, minutes=30)
    await site.pass_rounds(8, bad=True)
    await journey.open("/alerts")
    assert "None: no rule fails now" in await page.inner_text("main")
    await journey.click("[aria-label='Maintenance windows'] th a:text-is('New firmware')")
    rows = page.locator("[aria-label=Suppressed] tbody tr")
    assert await rows.count() == 10
    assert "Slow office" in await rows.first.inner_text()
