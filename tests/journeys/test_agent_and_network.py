"""The pages of one: an agent, a network's list, paths, and a session behind the API's permalink."""

from typing import Any

import pytest
from tests.journeys.test_three_clicks import BAD, fill

pytestmark = [pytest.mark.anyio, pytest.mark.chromium]


async def test_an_agent_shows_where_it_was(server: Any, journey: Any) -> None:
    """From the list to its page: bands lie on the axis of the charts, at every width."""
    await fill(server)
    page = journey.page
    await journey.sign_in(server.token)
    await journey.open("/agents?window=1h")
    await journey.click("th a:text-is('laptop-1')")
    assert BAD in await page.inner_text(".lane-legend")
    for width in (1280, 390):
        await page.set_viewport_size({"width": width, "height": 900})
        await page.wait_for_function(
            """() => {
              const bands = document.querySelector("svg[data-bands]").getBoundingClientRect();
              const chart = document.querySelector(".u-over").getBoundingClientRect();
              return Math.abs(bands.left - chart.left) < 1 && Math.abs(bands.right - chart.right) < 1;
            }"""
        )
    await page.focus("summary:text('From when to when')")
    await page.keyboard.press("Enter")
    assert await page.is_visible("table:has(#stays)")


async def test_a_permalink_opens_its_session(server: Any, journey: Any) -> None:
    """The URL that the API gives opens the session for whoever signs in on the way."""
    await fill(server)
    async with server.client() as client:
        found = (await client.get("/v6/endpoint-data/user-sessions?window=1h")).json()
    wanted = found["userSessions"][0]
    path = "/" + wanted["permalink"].split("/", 3)[3]
    page = journey.page
    await journey.open(path)
    await page.fill("#token", server.token)
    await page.focus("#token")
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    assert await page.inner_text("h1") == wanted["visitedSite"]


async def test_networks_and_paths_are_reached_by_keyboard(server: Any, journey: Any) -> None:
    """The menu of every page leads there with Enter alone."""
    await fill(server)
    await journey.sign_in(server.token)
    for label in ("Networks", "Paths"):
        await journey.page.focus(f"nav[aria-label=Site] >> text={label}")
        async with journey.page.expect_navigation():
            await journey.page.keyboard.press("Enter")
        assert await journey.page.inner_text("h1") == label
