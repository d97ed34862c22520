"""Without a mouse."""

from typing import Any

import pytest
from tests.journeys.conftest import Journey
from tests.journeys.test_three_clicks import fill

pytestmark = [pytest.mark.anyio, pytest.mark.chromium]

MOST = 400
# Numbers every control that can be seen; whatever is in a closed `details` cannot.
NUMBER = """() => {
  const all = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  const seen = [...document.querySelectorAll(all)].filter((each) => each.checkVisibility() && !each.disabled);
  seen.forEach((each, number) => { each.dataset.number = number; });
  return seen.map((each) => each.outerHTML.slice(0, 120));
}"""
FOCUSED = """() => {
  const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
  const isOutlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const isShown = isOutlined && box.left >= 0 && box.width > 0;
  return [at.dataset.number ?? null, isShown, at.outerHTML.slice(0, 120)];
}"""


@pytest.mark.parametrize("path", ["/?window=1h&filterKey=bssid", "/agents?window=1h", "/networks?window=1h"])
async def test_tab_reaches_everything_and_shows_where_it_is(server: Any, journey: Journey, path: str) -> None:
    """Every control in the order of the page, each with an outline that is on the screen."""
    await fill(server)
    page = journey.page
    await journey.sign_in(server.token)
    await journey.open(path)
    controls = await page.evaluate(NUMBER)
    assert 15 < len(controls) < MOST
    reached = []
    for _ in controls:
        await page.keyboard.press("Tab")
        number, is_shown, markup = await page.evaluate(FOCUSED)
        assert is_shown, markup
        reached.append(controls[int(number)])
    assert reached == controls


async def test_the_first_tab_skips_the_menu(server: Any, journey: Journey) -> None:
    """The link appears when it is focused; Enter leads past the menu, and the next Tab into the page."""
    page = journey.page
    await journey.sign_in(server.token)
    await journey.open("/?window=1h")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    assert await page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.closest('main') !== null")


@pytest.mark.parametrize(
    "path", ["/?window=6h", "/agents?window=6h", "/networks?window=6h", "/paths?window=6h"]
)
async def test_a_stretch_is_chosen_by_keyboard(server: Any, journey: Journey, path: str) -> None:
    """What dragging over a chart does, two fields do as well; the page is of that stretch."""
    await fill(server)
    page = journey.page
    await journey.sign_in(server.token)
    await journey.open(path)
    given = {"#from": "2020-09-13 23:30:00", "#to": "2020-09-13 23:45:00"}
    for field, text in given.items():
        await page.focus(field, timeout=5_000)
        await page.keyboard.press("ControlOrMeta+a")
        await page.keyboard.type(text)
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    assert "window=" not in page.url
    for field, text in given.items():
        assert await page.input_value(field) == text


async def test_the_values_at_the_pointer_hide_no_line(server: Any, journey: Journey) -> None:
    """A click there does nothing: without a mouse, nobody could hide a line or bring it back."""
    await fill(server)
    page = journey.page
    await journey.sign_in(server.token)
    await journey.open("/?window=1h")
    label = page.locator(".u-legend >> nth=0 >> .u-series >> nth=1 >> th")
    await label.evaluate("each => each.scrollIntoView({block: 'center'})")
    box = await label.bounding_box()
    assert box is not None
    place = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await page.mouse.move(*place)
    await page.wait_for_function(
        "() => getComputedStyle(document.querySelector('.u-legend')).visibility === 'visible'"
    )
    await page.mouse.click(*place)
    assert await page.locator(".u-series").count() > 1
    assert await page.locator(".u-series.u-off").count() == 0
