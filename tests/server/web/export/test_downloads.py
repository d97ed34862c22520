"""The menu of each page: what is there is offered, what is offered is there, and a browser saves it."""

import asyncio
import random
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from tests.server.web.conftest import Browser
from tests.server.web.signing_in import EMAIL, PASSWORD, person, sign_in, tree
from tests.server.web.test_agents import NOW, enrol, measure
from tests.server.web.test_alerts import opened
from tests.server.web.test_paths import SITE, measured
from tests.server.web.test_session import keep, keep_page

from hopsight.model.times import TimeRange
from hopsight.server.web.downloads import OFFERS, downloads_of
from hopsight.server.web.export.page_pictures import PICTURES
from hopsight.server.web.export.tables import TABLES
from hopsight.server.web.view import View
from hopsight.testing import sample_user_session_record, sample_web_session_record

pytestmark = pytest.mark.anyio

NETWORK = "0123456789ab"


def links(page: Any) -> list[str]:
    """Those of the menu of a page."""
    found = page.xpath("//details[@class='take-away']//li/a")
    assert all(link.get("aria-label").startswith(f"{link.text_content()}: ") for link in found)
    return [link.get("href") for link in found]


def test_all_that_there_is_is_offered() -> None:
    """Every table and every picture is in the menu of its page."""
    assert OFFERS.keys() == TABLES.keys()
    for page, offers in OFFERS.items():
        assert {each.table for each in offers if each.table} == set(TABLES[page])
        drawn = {each.picture for each in offers if each.picture}
        assert drawn == (set(PICTURES[page].names) if page in PICTURES else set())


def test_links_are_of_the_view() -> None:
    """They have its account group, time, filters and subject; what is absent is not there."""
    view = View(aid=7, time_range=TimeRange(0, 60), window="1h").with_filter("ssid", "a&b")
    offered = downloads_of(view, "session", without=("hops", "path"), of="1:2:x y")
    urls = [url for each in offered for _, url in each.links]
    assert "/export/session/probes.csv?aid=7&window=1h&ssid=a%26b&of=1%3A2%3Ax+y" in urls
    assert "Path" not in [each.label for each in offered]


async def test_every_link_of_every_page_answers(server: Any) -> None:
    """Whoever has signed in gets what the menus of the pages offer."""
    server.clock.advance(NOW - server.clock.now())
    agent_id = enrol(server, "laptop")
    place = {
        "network_id": NETWORK,
        "visited_site": "app.example.com",
        "verdict": "lan",
        "gateway": "10.0.0.1",
    }
    await measure(server, agent_id, range(1, 4), **place)
    paths = ("/", "/ranks?by=ssid&order=loss", "/agents", f"/agents/{agent_id}", "/networks",
             f"/networks/{NETWORK}", "/last-round", "/alerts", f"/alerts/{await opened(server)}")  # fmt: skip
    seen = []
    async with person(server) as client:
        await sign_in(server, client)
        for path in paths:
            found = links(tree(await client.get(path)))
            assert found, path
            seen += found
        for url in seen:
            answer = await client.get(url, follow_redirects=True)
            assert answer.status_code == 200, (url, answer.text[:500])
    assert any("by=ssid&order=loss" in url for url in seen)


async def test_paths_and_a_session_with_pages(server: Any, client: httpx.AsyncClient) -> None:
    """The menus of a graph and of a session with a path and a waterfall: all of it is there."""
    await measured(server, 1, 60, "r1")
    session_id = await _with_pages(server)
    for path in (f"/paths?visitedSite={SITE}", f"/sessions/{session_id}"):
        found = links(tree(await client.get(path)))
        assert len(found) >= 3
        for url in found:
            assert (await client.get(url, follow_redirects=True)).status_code == 200, url
    watched = sample_user_session_record(random.Random(9), passive=True)
    bare = links(tree(await client.get(f"/sessions/{await keep(server, watched)}")))
    assert not [url for url in bare if "hops.csv" in url or "waterfall.png" in url]


@pytest.mark.chromium
async def test_a_browser_saves_a_table(server: Any, port: int, browser: Browser, tmp_path: Path) -> None:
    """The menu opens by keyboard, and a click on CSV saves the file under its name."""
    await opened(server)
    base = f"http://127.0.0.1:{port}"
    async with person(server) as client:
        await sign_in(server, client)
    async with browser.tab() as tab:
        await tab.open(f"{base}/sign-in?next=/alerts")
        await tab.send_form("/sign-in", email=EMAIL, password=PASSWORD)
        await tab.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        await tab.value("document.querySelector('.take-away summary').focus() || 1")
        for kind in ("keyDown", "keyUp"):
            await tab.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key="Enter",
                code="Enter",
                text="\r",
                windowsVirtualKeyCode=13,
            )
        assert await tab.value("document.querySelector('.take-away').open") is True
        await tab.value("document.querySelector('.take-away li a').click() || 1")
        while not (saved := _saved(tmp_path)):  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.05)
    assert saved[0].name.startswith("hopsight-alerts-incidents-sandbox-")
    assert saved[0].read_text().startswith("incident_id,rule,metric,")


async def _with_pages(server: Any) -> str:
    """A session with a path and a page with an archive; its ID."""
    given = sample_user_session_record(random.Random(4))
    web = sample_web_session_record(random.Random(4))
    detail = msgspec.structs.replace(given.detail, pages=tuple(web.detail.har.log.pages))
    session_id = await keep(server, msgspec.structs.replace(given, detail=detail))
    document = msgspec.structs.replace(web.document, user_session_id=session_id)
    await keep_page(server, msgspec.structs.replace(web, document=document))
    return session_id


def _saved(folder: Path) -> list[Path]:
    return list(folder.glob("*.csv"))
