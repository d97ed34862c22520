"""Pages of what has happened: nothing serious for axe-core, nothing wider than the screen."""

import json
from typing import Any

import pytest
from tests.journeys.conftest import Journey
from tests.server.web.test_agents import enrol
from tests.server.web.test_alerts import opened
from tests.server.web.test_pages_in_a_browser import AXE
from tests.server.web.test_paths import SITE, measured

from hopsight.accounts.audit import Actor
from hopsight.model.accounts import Role
from hopsight.model.agents import Target
from hopsight.model.network_documents import PathHop

pytestmark = [pytest.mark.anyio, pytest.mark.chromium]

ADMIN = Actor(who="admin@example.com")
WIDTHS = (390, 1920)
FITS = "() => document.documentElement.scrollWidth <= innerWidth"
RUN = "() => axe.run().then(found => JSON.stringify(found.violations))"


async def look(journey: Journey) -> None:
    """Look at the page as it is, narrow and wide."""
    page = journey.page
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 900})
        where = f"{page.url} at {width}"
        # Charts are as wide as before until the page has heard of its new width.
        await page.wait_for_function(FITS, timeout=10_000)
        await page.evaluate(f"{AXE}; 0")
        serious = [
            (each["id"], [node["html"][:120] for node in each["nodes"][:3]])
            for each in json.loads(await page.evaluate(RUN))
            if each["impact"] in {"serious", "critical"}
        ]
        assert serious == [], where


async def look_at(journey: Journey, path: str, status: int = 200) -> None:
    """Go there, and look."""
    answer = await journey.page.goto(journey.base + path)
    assert answer is not None
    assert answer.status == status, path
    await look(journey)


async def fill(server: Any) -> list[str]:
    """Routers, targets with and without agents, tokens; the pages that show them."""
    agent_id = enrol(server, "laptop-1")
    server.accounts.labels.add(agent_id, "Reception", ADMIN)
    for number in range(3):
        target = Target(host=f"host{number}.example.com", port=443)
        target_id = server.accounts.add_target(server.aid, target, (agent_id,) * (number % 2))
    further = (
        PathHop(hop=2, rtt_ms=8.0, ip_address="198.51.100.1", name="edge.provider.example"),
        PathHop(hop=3),
        PathHop(hop=4, rtt_ms=20.0, ip_address="198.51.100.9", name="core.provider.example"),
        PathHop(hop=5, rtt_ms=21.0, ip_address="192.0.2.10"),
    )
    for seed in range(1, 5):
        await measured(server, seed, 60 * seed, f"home-{seed}", further=further[: 3 + seed % 2])
    server.accounts.create_token("org-admin@example.com")
    return [
        f"/paths?visitedSite={SITE}&window=24h",
        f"/admin/agents/{agent_id}",
        "/admin/agents",
        "/admin/targets",
        f"/admin/targets/{target_id}",
        f"/admin/targets/{target_id}/delete",
        "/account",
    ]


@pytest.mark.parametrize("colours", ["light", "dark"])
async def test_pages_of_what_happened(server: Any, journey: Journey, colours: str) -> None:
    """A drawn graph, administration with rows, a string that is shown once, tokens."""
    paths = await fill(server)
    await journey.prefer(colours)
    await journey.sign_in(server.tokens[Role.ORG_ADMIN])
    for path in paths:
        await look_at(journey, path)
    await journey.open("/admin/connection")
    await journey.send("Make a connection string")
    await look(journey)
    await journey.open("/account")
    await journey.send("Make a token")
    await look(journey)


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("resolved", [False, True])
async def test_an_incident(server: Any, journey: Journey, colours: str, *, resolved: bool) -> None:
    """With its chart and its agents, while it goes on and when it is over."""
    incident_id = await opened(server, resolved=resolved)
    await journey.prefer(colours)
    await journey.sign_in(server.token)
    await look_at(journey, f"/alerts/{incident_id}")
    await look_at(journey, "/alerts")


@pytest.mark.parametrize("colours", ["light", "dark"])
async def test_pages_that_refuse(server: Any, journey: Journey, colours: str) -> None:
    """A sign-in that failed, a page that is not there, and one that is not for everybody."""
    await journey.prefer(colours)
    await journey.sign_in("wrong")
    assert "not known" in await journey.page.inner_text("[role=alert]")
    await look(journey)
    await journey.sign_in(server.token)
    await look_at(journey, "/agents/nothing", 404)
    await look_at(journey, "/admin", 403)
