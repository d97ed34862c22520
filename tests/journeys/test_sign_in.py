"""At the door."""

from typing import Any

import pytest

from hopsight.accounts.passwords import hash_password

pytestmark = [pytest.mark.anyio, pytest.mark.chromium]

EMAIL = "user@example.com"
PASSWORD = "six words and a small fox"


async def test_a_password_by_keyboard(server: Any, journey: Any) -> None:
    """A wrong one is told, the right one opens what was wanted, and signing out shuts it again."""
    server.accounts.sign_ins.set_password(EMAIL, hash_password(PASSWORD))
    page = journey.page
    await journey.open("/agents")
    assert "/sign-in" in page.url
    for password in ("wrong", PASSWORD):
        await page.fill("#email", EMAIL)
        await page.focus("#email")
        await page.keyboard.press("Tab")
        await page.keyboard.type(password)
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        if password == "wrong":
            assert "wrong" in await page.inner_text("[role=alert]")
            assert await page.input_value("#email") == EMAIL
    assert await page.inner_text("h1") == "Agents"
    await journey.click("text=Sign out")
    await journey.open("/agents")
    assert "/sign-in" in page.url


async def test_a_token_by_keyboard(server: Any, journey: Any) -> None:
    """It opens the overview; nothing of it is readable for scripts."""
    await journey.sign_in(server.token)
    assert await journey.page.inner_text("h1") == "Overview"
    assert await journey.page.evaluate("document.cookie") == ""
