"""The sign-in page in a real browser."""

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.anyio, pytest.mark.chromium]

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("colours", ["light", "dark"])
async def test_the_door_is_accessible(port: int, browser: Any, colours: str) -> None:
    """Nothing for axe-core to find, also when it says what was wrong, and what was typed is still there."""
    async with browser.tab() as tab:
        feature = {"name": "prefers-color-scheme", "value": colours}
        await tab.call("Emulation.setEmulatedMedia", features=[feature])
        await tab.open(f"http://127.0.0.1:{port}/sign-in", 390)
        await tab.send_form("/sign-in", email="user@example.com", password="wrong")
        assert "wrong" in await tab.value("document.querySelector('[role=alert]').textContent")
        assert await tab.value("document.querySelector('#email').value") == "user@example.com"
        assert await tab.value("document.querySelector('#password').value") == ""
        assert await tab.value("document.documentElement.scrollWidth") <= 390
        await tab.value(f"{AXE}; 0")
        found = await tab.call(
            "Runtime.evaluate",
            expression="axe.run().then(r => JSON.stringify(r.violations))",
            awaitPromise=True,
            returnByValue=True,
        )
        assert [each["id"] for each in json.loads(found["result"]["value"])] == []
