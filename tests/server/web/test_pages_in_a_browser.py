"""Every page of whoever has signed in, in a real browser: drawn, within its origin and policy, accessible."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.server.web.test_agents import enrol, measure, sleep
from tests.server.web.test_overview import NOW, session
from tests.server.web.test_session import stored

from hopsight.model.accounts import Role
from hopsight.model.dimensions import USER_SESSIONS
from hopsight.server.web.admin.sections import SECTIONS
from hopsight.server.web.navigation import NAVIGATION

pytestmark = [pytest.mark.anyio, pytest.mark.chromium]

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")
PAGES = [*(item.path for item in NAVIGATION), "/ranks?by=visitedSite", "/account", "/docs"]
PAGES += [*(section.path for section in SECTIONS), "/admin/users/1", "/admin/users/1/delete"]
# Faults of a page, from its first moment: what its policy forbids, and errors of scripts.
WATCH = """
window.faults = [];
addEventListener("securitypolicyviolation", (event) => faults.push(event.violatedDirective));
addEventListener("error", (event) => faults.push(event.message));
console.error = (...words) => faults.push(words.join(" "));
"""
FOREIGN = (
    "performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith(location.origin))"
)


@pytest.fixture
async def filled(server: Any) -> Any:
    """An hour of sessions, with loss on one site."""
    server.clock.advance(NOW - server.clock.now())
    bad = {"site": "bad.example.com", "verdict": "provider", "loss": 50.0, "ssid": "Office"}
    records = [session(number, **(bad if number % 7 == 0 else {})) for number in range(1, 61)]
    await server.store.add(USER_SESSIONS, records)
    return server


async def pages_of_one(server: Any) -> list[str]:
    """An agent that slept and roamed, and a session with path and pages."""
    agent_id = enrol(server, "laptop")
    await measure(server, agent_id, range(1, 20), ssid="Office", network_id="office", connection="Wireless")
    await sleep(server, agent_id, 40, 20)
    await measure(server, agent_id, range(40, 50), ssid="Home", network_id="home", connection="Wireless")
    session_id = await stored(server)
    return [f"/agents/{agent_id}?window=1h", f"/sessions/{session_id}", "/networks/office?window=1h"]


async def signed_in(tab: Any, server: Any, base: str, colours: str) -> None:
    """A tab of somebody who has signed in and likes these colours."""
    await tab.call("Page.enable")
    await tab.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
    feature = {"name": "prefers-color-scheme", "value": colours}
    await tab.call("Emulation.setEmulatedMedia", features=[feature])
    await tab.open(f"{base}/sign-in?next=/account")
    await tab.send_form("/sign-in", token=server.tokens[Role.ORG_ADMIN])


@pytest.mark.parametrize("colours", ["light", "dark"])
async def test_pages_are_drawn_and_accessible(filled: Any, port: int, browser: Any, colours: str) -> None:
    """No fault, no request elsewhere, nothing wider than the screen, nothing serious for axe-core."""
    base = f"http://127.0.0.1:{port}"
    async with browser.tab() as tab:
        await signed_in(tab, filled, base, colours)
        for path in [*PAGES, *await pages_of_one(filled)]:
            for width in (390, 1920):
                await tab.open(base + path, width)
                where = f"{path} at {width}, {colours}"
                assert await tab.value("faults") == [], where
                assert await tab.value(FOREIGN) == [], where
                assert await tab.value("document.documentElement.scrollWidth") <= width, where
            await tab.value(f"{AXE}; 0")
            found = await tab.call(
                "Runtime.evaluate",
                expression="axe.run().then(r => JSON.stringify(r.violations))",
                awaitPromise=True,
                returnByValue=True,
            )
            serious = [
                (each["id"], [node["html"][:120] for node in each["nodes"][:3]])
                for each in json.loads(found["result"]["value"])
                if each["impact"] in {"serious", "critical"}
            ]
            assert serious == [], where


async def test_a_chart_is_read_and_zoomed(filled: Any, port: int, browser: Any) -> None:
    """The script draws every chart of the server anew; dragging over one asks for that stretch of time."""
    base = f"http://127.0.0.1:{port}"
    async with browser.tab() as tab:
        await signed_in(tab, filled, base, "light")
        await tab.open(f"{base}/?window=1h", 1280)
        charts = await tab.value("document.querySelectorAll('figure[data-chart]').length")
        assert charts == 5
        assert await tab.value("document.querySelectorAll('.uplot canvas').length") == charts
        box = "document.querySelector('.u-over').getBoundingClientRect()"
        left, top, width = [await tab.value(f"{box}.{side}") for side in ("left", "top", "width")]
        for kind, share in (("mousePressed", 0.25), ("mouseMoved", 0.5), ("mouseMoved", 0.75)):
            place = {"x": left + width * share, "y": top + 20, "button": "left", "clickCount": 1}
            await tab.call("Input.dispatchMouseEvent", type=kind, **place)
        await tab._send("Input.dispatchMouseEvent", type="mouseReleased", **place)
        await tab._until(lambda message: message.get("method") == "Page.loadEventFired")
        found = await tab.value("Object.fromEntries(new URLSearchParams(location.search))")
        assert "window" not in found
        assert found["from"] < found["to"]
        assert await tab.value("document.querySelectorAll('figure[data-chart]').length") == charts
