"""The pages in a real browser, off a real server."""

import random
from typing import Any

import pytest

from hopsight.testing import sample_record

pytestmark = [pytest.mark.anyio, pytest.mark.chromium]

ROWS = "table.sessions tbody tr"


async def test_a_person_signs_in_once(server: Any, port: int, browser: Any) -> None:
    """A token that is pasted leads back to the page that was asked for, and nothing there overflows.

    At the width of a phone and of a large screen: the table scrolls inside itself, the page does not.
    """
    await server.add(*[sample_record(random.Random(seed)) for seed in range(20)])
    base = f"http://127.0.0.1:{port}"
    async with browser.tab() as tab:
        await tab.open(f"{base}/last-round?aid={server.aid}")
        assert await tab.value("location.pathname") == "/sign-in"
        assert await tab.value("document.querySelectorAll('table').length") == 0
        await tab.send_form("/sign-in", token=server.token)
        assert await tab.value("location.pathname + location.search") == f"/last-round?aid={server.aid}"
        assert await tab.value("document.querySelector('h1').textContent") == "Last round"
        assert await tab.value(f"document.querySelectorAll({ROWS!r}).length") == 20
        assert await tab.value("document.cookie") == ""
        for width in (390, 1920):
            for path in ("/last-round", "/docs"):
                await tab.open(base + path, width)
                assert await tab.value("innerWidth") == width
                assert await tab.value("document.documentElement.scrollWidth") <= width, (path, width)
                assert await tab.value("document.querySelectorAll('tbody tr').length") >= 20
                # The style sheet has arrived, and the policy let it in.
                assert (
                    await tab.value("getComputedStyle(document.querySelector('.scroll')).overflowX") == "auto"
                )


async def test_a_person_has_a_password_and_signs_out(server: Any, port: int, browser: Any) -> None:
    """It is set on the account page, and opens the door again after it was shut with the button."""
    base, chosen = f"http://127.0.0.1:{port}", "six words and a small fox"
    async with browser.tab() as tab:
        await tab.open(f"{base}/sign-in?next=/account", 390)
        assert await tab.value("document.documentElement.scrollWidth") <= 390
        await tab.send_form("/sign-in", token=server.token)
        assert await tab.value("location.pathname") == "/account"
        assert await tab.value("document.documentElement.scrollWidth") <= 390
        await tab.send_form("/account/password", new=chosen, repeated=chosen)
        assert "is changed" in await tab.value("document.querySelector('.done').textContent")
        await tab.send_form("/sign-out")
        assert await tab.value("document.querySelectorAll('.who').length") == 1
        await tab.open(f"{base}/account")
        assert await tab.value("location.pathname") == "/sign-in"
        await tab.send_form("/sign-in", email="user@example.com", password=chosen)
        assert await tab.value("location.pathname") == "/account"
