"""Preview and signed report in a real browser: on the screen, for everybody, and on paper."""

import base64
import json
import re
from typing import Any

import pytest
from tests.server.web.test_agents import enrol
from tests.server.web.test_overview import NOW
from tests.server.web.test_pages_in_a_browser import AXE, FOREIGN, signed_in
from tests.server.web.test_paths import measured
from tests.server.web.test_report import sessions

pytestmark = [pytest.mark.anyio, pytest.mark.chromium]

A4_POINTS = (595, 842)
A4_WIDTH_PX = 718
"""What A4 has between the margins of the print style, at 96 pixels an inch."""
LONG_SITE = f"{'very-long-label-of-a-site.' * 4}example.com"


@pytest.fixture
async def filled(server: Any) -> Any:
    """An hour of three agents with an outage, a long name, and a few paths."""
    server.clock.advance(NOW - server.clock.now())
    for name in ("one", "two", "three"):
        agent_id = enrol(server, name)
        await sessions(server, agent_id, range(1, 20))
        await sessions(server, agent_id, range(30, 40), loss=100.0, latency=None, verdict="provider")
        await sessions(server, agent_id, range(40, 60), site=LONG_SITE)
    for seed in range(1, 5):
        await measured(server, seed, 60 * seed, f"{'edge-router.' * 6}r{seed}.example.net")
    return server


async def signed_report(tab: Any, base: str) -> str:
    """Sign what the last hour says, by the button; the path that it leads to."""
    await tab.open(f"{base}/report?window=1h")
    button = "document.querySelector('form[method=post][action^=\"/report\"] button')"
    await tab._send("Runtime.evaluate", expression=f"{button}.click()")
    await tab._until(lambda message: message.get("method") == "Page.loadEventFired")
    return str(await tab.value("location.pathname + location.search"))


async def serious_faults(tab: Any) -> list[Any]:
    """What axe-core finds that keeps people from using the page."""
    await tab.value(f"{AXE}; 0")
    found = await tab.call(
        "Runtime.evaluate",
        expression="axe.run().then(r => JSON.stringify(r.violations))",
        awaitPromise=True,
        returnByValue=True,
    )
    return [
        (each["id"], [node["html"][:120] for node in each["nodes"][:3]])
        for each in json.loads(found["result"]["value"])
        if each["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize("colours", ["light", "dark"])
async def test_reports_are_for_everybody(filled: Any, port: int, browser: Any, colours: str) -> None:
    """Preview and signed page: no fault, no request elsewhere, nothing too wide, nothing serious for axe."""
    base = f"http://127.0.0.1:{port}"
    async with browser.tab() as tab:
        await signed_in(tab, filled, base, colours)
        signed = await signed_report(tab, base)
        assert re.match(r"/report/[0-9a-f]{64}\?aid=\d+$", signed), signed
        for path in ("/report?window=1h", signed):
            for width in (390, 1920):
                await tab.open(base + path, width)
                where = f"{path} at {width}, {colours}"
                assert await tab.value("faults") == [], where
                assert await tab.value(FOREIGN) == [], where
                assert await tab.value("document.documentElement.scrollWidth") <= width, where
                assert await serious_faults(tab) == [], where


async def test_paper_has_the_report_alone(filled: Any, port: int, browser: Any) -> None:
    """On A4 nothing is wider than the paper, no chart is higher, and what leads elsewhere is not there."""
    base = f"http://127.0.0.1:{port}"
    async with browser.tab() as tab:
        await signed_in(tab, filled, base, "dark")
        await tab.open(base + await signed_report(tab, base), A4_WIDTH_PX)
        await tab.call("Emulation.setEmulatedMedia", media="print")
        assert await tab.value("document.documentElement.scrollWidth") <= A4_WIDTH_PX
        wide = "[...document.querySelectorAll('table, svg, code')].filter(e => e.getClientRects().length)"
        wide += ".map(e => Math.round(e.getBoundingClientRect().right))"
        assert max(await tab.value(wide)) <= A4_WIDTH_PX
        hidden = "['nav', '.screen-only', '.take-away', 'details', '.who'].flatMap("
        hidden += "s => [...document.querySelectorAll(s)]).filter(e => e.getClientRects().length).length"
        assert await tab.value(hidden) == 0
        high = "[...document.querySelectorAll('figure')].map(e => e.getBoundingClientRect().height)"
        assert 0 < max(await tab.value(high)) < 400
        assert await tab.value("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
        printed = await tab.call("Page.printToPDF", preferCSSPageSize=True)
        pdf = base64.b64decode(printed["data"])
        boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
        assert 2 <= len(boxes) <= 8
        assert {(round(float(width)), round(float(height))) for width, height in boxes} == {A4_POINTS}
