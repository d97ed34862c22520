"""From the overview to whose fault it is."""

from typing import Any

import pytest
from tests.server.web.test_overview import NOW, session

from hopsight.model.dimensions import USER_SESSIONS

pytestmark = [pytest.mark.anyio, pytest.mark.chromium]


@pytest.fixture
async def filled(server: Any) -> Any:
    """An hour of sessions, with loss on one site."""
    server.clock.advance(NOW - server.clock.now())
    bad = {"site": "bad.example.com", "verdict": "provider", "loss": 50.0, "latency": 300.0}
    records = [session(number, **(bad if number % 7 == 0 else {})) for number in range(1, 61)]
    await server.store.add(USER_SESSIONS, records)
    return server


async def test_a_view_is_narrowed_and_shared(filled: Any, journey: Any) -> None:
    """Time by its choice, the worst site by its row, and the chip that takes it back; the URL has it all."""
    page = journey.page
    await journey.sign_in(filled.token)
    await journey.click("nav[aria-label='Time range'] >> text=6h")
    await journey.click(".rank th a:text-is('bad.example.com')")
    assert "window=6h" in page.url
    assert "visitedSite=bad.example.com" in page.url
    shared = page.url
    assert await page.inner_text(".facts dd >> nth=0") == "8"
    await journey.click("a.chip")
    assert await page.inner_text(".facts dd >> nth=0") == "60"
    await page.goto(shared)
    assert await page.inner_text(".facts dd >> nth=0") == "8"


async def test_a_stretch_is_zoomed_by_dragging(filled: Any, journey: Any) -> None:
    """Dragging over a chart asks for that stretch of time."""
    page = journey.page
    await journey.sign_in(filled.token)
    await journey.open("/?window=6h")
    box = await page.locator(".u-over").first.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 20, steps=4)
    async with page.expect_navigation():
        await page.mouse.up()
    assert "from=" in page.url
    assert "window=" not in page.url
