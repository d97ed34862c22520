"""At the door."""

from typing import Any

import pytest

from hopsight.accounts.passwords import hash_password
from hopsight.server.limits import ACCOUNT_REFUSALS, WINDOW_S

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


async def test_too_many_wrong_passwords_shut_the_door_for_a_minute(server: Any, journey: Any) -> None:
    """The page says for how long; the right password is refused meanwhile, and works after that."""
    server.accounts.sign_ins.set_password(EMAIL, hash_password(PASSWORD))
    page = journey.page
    await journey.open("/sign-in?next=/agents")
    for _ in range(ACCOUNT_REFUSALS):
        await _show(journey, "wrong")
        assert "password is wrong" in await page.inner_text("[role=alert]")
    server.clock.advance(20)
    for password in ("wrong", PASSWORD):
        await _show(journey, password)
        said = await page.inner_text("[role=alert]")
        assert said == f"Too many wrong passwords or tokens; try again in {WINDOW_S - 20} s."
        assert await page.input_value("#email") == EMAIL
    server.clock.advance(WINDOW_S - 20)
    await _show(journey, PASSWORD)
    assert await page.inner_text("h1") == "Agents"


async def _show(journey: Any, password: str) -> None:
    await journey.page.fill("#email", EMAIL)
    await journey.page.fill("#password", password)
    await journey.send("Sign in")
