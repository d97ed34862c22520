"""A page that stays open while agents measure, and when the server stops."""

from typing import Any

import httpx
import pytest
from tests.server.test_agent_api import UPLOAD, basic, enrol, mixed_upload
from tests.server.web.test_live import HASTY

pytestmark = [pytest.mark.anyio, pytest.mark.chromium]

SESSIONS = "document.querySelector('.facts dd').innerText"
STATE = "document.querySelector('[data-live]').innerText"


async def hurry(page: Any, **settings: float) -> None:
    """Shorten what the page waits for."""
    await page.evaluate(
        "given => Object.assign(document.querySelector('[data-live]').dataset, given)", settings
    )


async def test_what_an_agent_sends_appears_where_somebody_reads(server: Any, journey: Any) -> None:
    """Over the agents' API and into the open page: focus and half a word stay, nothing is loaded anew."""
    server.app.services.live.pace = HASTY
    page = journey.page
    async with httpx.AsyncClient(base_url=journey.base) as agent:
        agent_id = await enrol(server, agent)
        content = mixed_upload(server, agent_id)
        await journey.sign_in(server.token)
        await journey.open("/?window=24h")
        assert await page.inner_text(".facts dd >> nth=0") == "0"
        await page.evaluate("window.isTheSame = true")
        await hurry(page, everyS=0.1)
        await page.focus("#filter-value")
        await page.keyboard.type("half a wo")
        answer = await agent.post(UPLOAD, content=content, headers=basic(agent_id))
    assert answer.json()["stored"] == 5, answer.text
    await page.wait_for_function(f"() => {SESSIONS} === '2'")
    assert await page.evaluate("document.activeElement.id") == "filter-value"
    assert await page.input_value("#filter-value") == "half a wo"
    assert await page.locator(".uplot canvas").count() == 5
    assert await page.evaluate("window.isTheSame")


async def test_a_server_that_stops_is_told(server: Any, running: Any, journey: Any) -> None:
    """The page does not go on as if it were live: it says that it is stalled, and that it tries again."""
    server.app.services.live.pace = HASTY
    page = journey.page
    await journey.sign_in(server.token)
    await page.wait_for_function(f"() => {STATE}.startsWith('Live')")
    await hurry(page, silentS=2)
    # First what the program does first on a signal: nobody is kept waiting by an open stream.
    server.app.services.live.close()
    await running.stop()
    await page.wait_for_function(f"() => {STATE}.startsWith('Stalled: nothing heard from the server for ')")
    assert "(reconnecting)" in await page.inner_text("[data-live]")
    # What Chromium says of a server that is gone.
    journey.faults[:] = [each for each in journey.faults if "net::ERR_" not in each]
