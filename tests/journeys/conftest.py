"""A person at a browser: real Chromium through Playwright, a real server, and faults collected."""

import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct, field
from playwright.async_api import Page, async_playwright
from tests.server.conftest import server
from tests.server.web.conftest import OPTIONS, PATIENCE_S, port, running

__all__ = ["chromium", "journey", "port", "running", "server"]


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

    async def prefer(self, colours: str) -> None:
        """Like dark or light pages."""
        await self.page.emulate_media(color_scheme="dark" if colours == "dark" else "light")

    async def send(self, button: str) -> None:
        """Press a button that sends a form, and wait for the next page."""
        async with self.page.expect_navigation():
            await self.page.click(f"main button:text-is('{button}')")


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str | None]:
    """One Chromium for all journeys: the address of its debugging port; None: it is not installed."""
    program = shutil.which("chromium")
    if program is None:
        yield None
        return
    profile = tmp_path_factory.mktemp("chromium")
    options = (*OPTIONS, f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank")
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{_debugging_port(profile)}"
    finally:
        process.kill()
        process.wait()


def _debugging_port(profile: Path) -> str:
    told, ends_s = profile / "DevToolsActivePort", time.monotonic() + PATIENCE_S
    while not told.exists() or not told.read_text():
        assert time.monotonic() < ends_s, "Chromium does not start"
        time.sleep(0.05)
    return told.read_text().splitlines()[0]


@pytest.fixture
async def journey(
    port: int, chromium: str | None, require: Callable[[bool, str], None]
) -> AsyncIterator[Journey]:
    """A new person; at the end no error, nothing that the policy forbids, no request to anywhere else."""
    require(chromium is not None, "chromium is not installed")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(str(chromium))
        context = await browser.new_context(accept_downloads=True)
        found = Journey(page=await context.new_page(), base=f"http://127.0.0.1:{port}")
        _watch(found)
        yield found
        await context.close()
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
