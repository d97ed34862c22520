"""Rules, maintenance windows and an incident in a real browser: drawn, accessible, filled in."""

import json
from typing import Any

import pytest
from tests.server.web.test_alerts import opened
from tests.server.web.test_pages_in_a_browser import AXE, FOREIGN, signed_in
from tests.server.web.test_rule_pages import RULE
from tests.server.web.test_window_pages import WINDOW

from hopsight.testing import ROUND_ID

pytestmark = [pytest.mark.anyio, pytest.mark.chromium]

ROWS = "document.querySelectorAll('#rows-webhooks .row').length"


async def pages_of(server: Any) -> list[str]:
    """The pages of an incident, of a rule with everything and of a window that suppressed somebody."""
    incident_id = await opened(server)
    rules = server.accounts.alerts.rules
    rule_id, window_id = rules.add(server.aid, RULE), rules.add_window(server.aid, WINDOW)
    rules.suppress(window_id, rules.get(server.aid, rule_id), ["agent-c"], ROUND_ID)
    rule, window = f"/alerts/rules/{rule_id}", f"/alerts/maintenance/{window_id}"
    return [
        "/alerts", f"/alerts/{incident_id}", "/alerts/rules/new", rule, f"{rule}/delete",
        "/alerts/maintenance/new", window, f"{window}/delete",
    ]  # fmt: skip


async def look_at(tab: Any, where: str) -> None:
    """See that the page has no fault, is not wider than its screen, and nothing serious for axe-core."""
    width = await tab.value("innerWidth")
    assert await tab.value("document.documentElement.scrollWidth") <= width, f"{where} at {width}"
    assert await tab.value("faults") == [], where
    assert await tab.value(FOREIGN) == [], where
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


@pytest.mark.parametrize("colours", ["light", "dark"])
async def test_pages_of_alerts_are_drawn_and_accessible(
    server: Any, port: int, browser: Any, colours: str
) -> None:
    """No fault, no request elsewhere, nothing wider than the screen, nothing serious for axe-core."""
    base = f"http://127.0.0.1:{port}"
    async with browser.tab() as tab:
        await signed_in(tab, server, base, colours)
        for path in await pages_of(server):
            for width in (390, 1920):
                await tab.open(base + path, width)
                await look_at(tab, f"{path}, {colours}")


async def test_a_rule_that_is_refused_says_so_accessibly(server: Any, port: int, browser: Any) -> None:
    """The form comes back with its errors tied to their fields, and is as accessible as before."""
    async with browser.tab() as tab:
        await signed_in(tab, server, f"http://127.0.0.1:{port}", "light")
        await tab.open(f"http://127.0.0.1:{port}/alerts/rules/new", 390)
        path = await tab.value("document.querySelector('.alert-form').getAttribute('action')")
        await tab.send_form(path, name="Slow", verdict="lan", webhookUrl="https://u:p@example.org/x")
        described = (
            "document.getElementById(document.querySelector('[name=verdict]')"
            ".getAttribute('aria-describedby').split(' ')[0]).textContent"
        )
        assert "none with any other" in await tab.value(described)
        assert await tab.value("document.querySelector('[name=name]').value") == "Slow"
        await look_at(tab, "a refused rule")
    assert server.accounts.alerts.rules.listing(server.aid) == []


async def test_another_row_keeps_what_was_typed(server: Any, port: int, browser: Any) -> None:
    """With scripts a row is added in the page: a secret that was typed is not lost, and both are sent."""
    async with browser.tab() as tab:
        await signed_in(tab, server, f"http://127.0.0.1:{port}", "light")
        await tab.open(f"http://127.0.0.1:{port}/alerts/rules/new")
        await tab.value("document.querySelector('[name=webhookUrl]').value = 'https://one.example.org/'")
        await tab.value("document.querySelector('[name=webhookSecret]').value = 'secret number one'")
        await tab.value("document.querySelector('[data-more=webhooks]').click(), 0")
        assert await tab.value(ROWS) == 2
        label = "document.querySelector('#rows-webhooks .row:last-child label').firstChild.textContent.trim()"
        assert await tab.value(label) == "URL of webhook 2"
        for name, value in (
            ("webhookUrl", "https://two.example.org/"),
            ("webhookSecret", "secret number two"),
        ):
            await tab.value(f"document.querySelector('.row:last-child [name={name}]').value = '{value}'")
        path = await tab.value("document.querySelector('.alert-form').getAttribute('action')")
        await tab.send_form(path, name="Slow")
    (stored,) = server.accounts.alerts.rules.listing(server.aid)
    assert [(each.url, each.secret) for each in stored.rule.webhooks] == [
        ("https://one.example.org/", "secret number one"),
        ("https://two.example.org/", "secret number two"),
    ]
