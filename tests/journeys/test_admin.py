"""Administration by its forms alone, and what the audit log says of it."""

from typing import Any

import pytest
from tests.journeys.conftest import Journey
from tests.server.web.test_agents import enrol

from hopsight.model.accounts import Role
from hopsight.model.connection import parse_connection_string

pytestmark = [pytest.mark.anyio, pytest.mark.chromium]

ADMIN = "org-admin@example.com"
LEAD = "p.lead >> nth=0"
STEPS = [f"Endpoint agent {step}" for step in ("renamed", "disabled", "enabled", "deleted", "restored")]


@pytest.fixture
async def administrator(server: Any, journey: Journey) -> Journey:
    """An organization admin who has signed in."""
    await journey.sign_in(server.tokens[Role.ORG_ADMIN])
    return journey


async def said(journey: Journey) -> str:
    """What the page says that was done."""
    return await journey.page.inner_text("[role=status].done")


async def logged(journey: Journey) -> list[tuple[str, str]]:
    """What was done and by whom, as the page of the audit log has it, newest first."""
    await journey.open("/admin/audit")
    rows = journey.page.locator("table tbody tr")
    return [
        (await row.locator("th").inner_text(), await row.locator("td >> nth=2").inner_text())
        for row in await rows.all()
    ]


async def test_an_agent_is_named_stilled_deleted_and_let_in_again(
    server: Any, administrator: Journey
) -> None:
    """Each step says what it did, deleting asks first, and the log has all of them under the admin's name."""
    enrol(server, "laptop-1")
    journey, page = administrator, administrator.page
    await journey.open("/admin/agents")
    await journey.click("th a:text-is('laptop-1')")
    await page.fill("#name", "Reception")
    await journey.send("Rename the agent")
    assert (await said(journey), await page.inner_text("h1")) == ("The agent is renamed.", "Reception")
    await journey.send("Disable the agent")
    assert (await page.inner_text(LEAD)).startswith("Disabled")
    await journey.send("Enable the agent")
    assert (await page.inner_text(LEAD)).startswith("Enabled")
    await journey.send("Delete the agent…")
    assert await page.inner_text("h1") == "Delete Reception?"
    await journey.send("Delete the agent")
    assert await page.locator("th a:text-is('Reception')").count() == 0
    await page.select_option("#state", "deleted")
    async with page.expect_navigation():
        await page.click("form[aria-label='Look for agents'] button")
    await journey.click("th a:text-is('Reception')")
    await journey.send("Restore the agent")
    assert (await page.inner_text(LEAD)).startswith("Enabled")
    done = [what for what, who in await logged(journey) if who == ADMIN and what in STEPS]
    assert done == STEPS[::-1]


async def test_a_connection_string_is_shown_once(server: Any, administrator: Journey) -> None:
    """It lets agents in, whole in each line that is to be typed; the page does not show it again."""
    journey, page = administrator, administrator.page
    await journey.open("/admin/connection")
    await journey.send("Make a connection string")
    text = await page.inner_text(".secret code")
    assert server.accounts.knows_group_key(parse_connection_string(text).key)
    lines = await page.locator("pre.copy").all_inner_texts()
    assert lines
    assert all(text in line for line in lines)
    await page.click("pre.copy >> nth=0")
    assert text in await page.evaluate("getSelection().toString()")
    await journey.open("/admin/connection")
    assert text not in await page.content()
    assert ("Connection string created", ADMIN) in await logged(journey)


async def test_a_target_is_added(server: Any, administrator: Journey) -> None:
    """What is wrong is said and kept as it was typed; what is right is in the table."""
    journey, page = administrator, administrator.page
    await journey.open("/admin/targets")
    await page.fill("#host", "app.example.com")
    await page.fill("#minutes", "0")
    await journey.send("Add the target")
    assert "1" in await page.inner_text("[role=alert]")
    assert await page.input_value("#host") == "app.example.com"
    await page.fill("#minutes", "5")
    await journey.send("Add the target")
    assert await page.inner_text("table tbody th") == "app.example.com"
    assert [each.target.interval_s for each in server.accounts.listed_targets(server.aid)] == [300]
    assert ("Endpoint target created", ADMIN) in await logged(journey)


async def test_a_new_user_sees_what_the_role_allows(server: Any, administrator: Journey) -> None:
    """Their first token opens the door; administration is neither offered nor given to them."""
    journey, page = administrator, administrator.page
    await journey.open("/admin/users")
    await page.fill("#name", "Jane")
    await page.fill("#email", "jane@example.org")
    await page.select_option(f"#role-{server.aid}", "user")
    await journey.send("Add the user")
    token = await page.inner_text(".secret code")
    log = await logged(journey)
    assert ("User created", ADMIN) in log
    await journey.click("text=Sign out")
    await journey.sign_in(token)
    assert await page.inner_text(".who a") == "jane@example.org"
    assert "Admin" not in await page.inner_text("nav[aria-label=Site]")
    await journey.open("/admin/users")
    assert await page.inner_text("h1") == "That did not work (403)"
