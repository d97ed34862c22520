"""A person at a browser: real Chromium through Playwright, a real server, and faults collected."""

import shutil
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from msgspec import Struct, field
from playwright.async_api import Page, async_playwright
from tests.server.conftest import server
from tests.server.web.conftest import OPTIONS, port

__all__ = ["journey", "port", "server"]


class Journey(Struct, kw_only=True):
    """A page of a person, where it is, and how often it was clicked."""

    page: Page
    base: str
    clicks: int = 0
    faults: list[str] = field(default_factory=list)

    async def open(self, path: str) -> None:
        """Go to a path of the server."""
        await self.page.goto(self.base + path)

    async def click(self, selector: str) -> None:
        """Click on a link that leads elsewhere, and wait until it has."""
        self.clicks += 1
        async with self.page.expect_navigation():
            await self.page.click(selector)

    async def sign_in(self, token: str) -> None:
        """Show a token at the door, by keyboard alone."""
        await self.open("/sign-in")
        await self.page.focus("#token")
        await self.page.keyboard.type(token)
        async with self.page.expect_navigation():
            await self.page.keyboard.press("Enter")


@pytest.fixture
async def journey(port: int, require: Callable[[bool, str], None]) -> AsyncIterator[Journey]:
    """A new person; at the end no error, nothing that the policy forbids, no request to anywhere else."""
    program = shutil.which("chromium")
    require(program is not None, "chromium is not installed")
    base = f"http://127.0.0.1:{port}"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(OPTIONS[1:]))
        page = await (await browser.new_context()).new_page()
        found = Journey(page=page, base=base)
        _watch(found)
        yield found
        await browser.close()
    assert found.faults == []


def _watch(journey: Journey) -> None:
    """Write down what must not happen. Violations of the policy are errors on the console."""

    def heard(message: Any) -> None:
        # Chromium itself calls a refusal an error; the pages of refusals are looked at by the journeys.
        if message.type == "error" and "status of 4" not in message.text:
            journey.faults.append(message.text)

    def asked(request: Any) -> None:
        if not request.url.startswith((f"{journey.base}/", "data:")):
            journey.faults.append(f"asked for {request.url}")

    journey.page.on("console", heard)
    journey.page.on("pageerror", lambda error: journey.faults.append(str(error)))
    journey.page.on("request", asked)
