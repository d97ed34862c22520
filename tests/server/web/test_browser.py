"""The pages in a real browser, off a real server."""

import random
from typing import Any

import pytest
from lxml import html

from hopsight.testing import sample_record

pytestmark = [pytest.mark.anyio, pytest.mark.chromium]

ROWS = "//table[@class='sessions']/tbody/tr"


async def test_a_browser_shows_the_table(server: Any, port: int, browser: Any) -> None:
    """With credentials in the address, Chromium answers the challenge, follows on, and has all rows."""
    await server.add(*[sample_record(random.Random(seed)) for seed in range(20)])
    printed = await browser.dump(f"http://user%40example.com:{server.token}@127.0.0.1:{port}/sign-in")
    page = html.document_fromstring(printed)
    assert page.xpath("string(//h1)") == "Last round"
    assert page.xpath(f"count({ROWS})") == 20


async def test_a_person_signs_in_once(server: Any, port: int, browser: Any) -> None:
    """What is typed at /sign-in is shown again at / without being asked for, and nothing there overflows.

    At the width of a phone and of a large screen: the table scrolls inside itself, the page does not.
    """
    await server.add(*[sample_record(random.Random(seed)) for seed in range(20)])
    base = f"http://127.0.0.1:{port}"
    async with browser.tab() as tab:
        await tab.open(f"{base}/")
        assert await tab.value("document.querySelectorAll('table').length") == 0
        await tab.answer_challenges("user@example.com", server.token)
        await tab.open(f"{base}/sign-in")
        await tab.call("Fetch.disable")
        for width in (390, 1920):
            for path in ("/", "/docs"):
                await tab.open(base + path, width)
                assert await tab.value("innerWidth") == width
                assert await tab.value("document.documentElement.scrollWidth") <= width, (path, width)
                assert await tab.value("document.querySelectorAll('tbody tr').length") >= 20
                # The style sheet has arrived, and the policy let it in.
                assert (
                    await tab.value("getComputedStyle(document.querySelector('.scroll')).overflowX") == "auto"
                )
