"""What pages offer to take away, saved by a browser and looked into."""

import csv
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.conftest import Journey
from tests.server.web.export.test_downloads import NETWORK
from tests.server.web.test_agents import NOW, enrol, measure
from tests.server.web.test_alerts import opened
from tests.server.web.test_overview import session
from tests.server.web.test_paths import SITE, measured
from tests.server.web.test_session import stored

from hopsight.model.dimensions import USER_SESSIONS

pytestmark = [pytest.mark.anyio, pytest.mark.chromium]

NAME = re.compile(r"hopsight-[a-z-]+-sandbox-\d{8}T\d{6}-\d{8}T\d{6}\.(csv|png)")
LEAST_PIXELS = 200


async def saved(journey: Journey, link: Any) -> tuple[str, bytes]:
    """Click on a link of the menu: name and content of the file."""
    async with journey.page.expect_download() as waiting:
        await link.click()
    download = await waiting.value
    return download.suggested_filename, _read(await download.path())


def _read(path: Path) -> bytes:
    return path.read_bytes()


def rows_of(content: bytes) -> list[dict[str, str]]:
    """The rows of a table, by the names of its columns; all are as wide as these."""
    columns, *rows = csv.reader(content.decode().splitlines())
    assert len(set(columns)) == len(columns)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def size_of(content: bytes) -> tuple[int, int]:
    """Width and height of a picture, pixels."""
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert content.endswith(b"IEND\xaeB`\x82")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


async def fill(server: Any) -> list[str]:
    """An hour of an agent, an incident and a session; the paths of pages that show them."""
    server.clock.advance(NOW - server.clock.now())
    agent_id = enrol(server, "laptop")
    place = {"visited_site": "app.example.com", "verdict": "lan", "network_id": NETWORK}
    await measure(server, agent_id, range(1, 30), **place)
    session_id, incident_id = await stored(server), await opened(server)
    await measured(server, 1, 60, "home")
    return [
        "/?window=1h",
        "/ranks?by=visitedSite&window=1h",
        "/agents?window=1h",
        f"/agents/{agent_id}?window=1h",
        "/networks?window=1h",
        f"/networks/{NETWORK}?window=1h",
        f"/paths?visitedSite={SITE}&from=2017-03-26T11:00:00&to=2017-03-26T13:00:00",
        f"/sessions/{session_id}",
        "/last-round",
        "/alerts",
        f"/alerts/{incident_id}",
    ]


async def test_every_page_gives_its_table_and_its_picture(server: Any, journey: Journey) -> None:
    """The first of each in every menu is a file under the page's name that tables and viewers open."""
    paths, page = await fill(server), journey.page
    await journey.sign_in(server.token)
    pictures = 0
    for path in paths:
        await journey.open(path)
        await page.click(".take-away summary")
        for kind in ("CSV", "PNG"):
            link = page.locator(f".take-away a:text-is('{kind}')").first
            if kind == "PNG" and not await link.count():
                continue
            name, content = await saved(journey, link)
            assert NAME.fullmatch(name), (path, name)
            if kind == "CSV":
                assert rows_of(content), path
            else:
                assert min(size_of(content)) > LEAST_PIXELS, path
                pictures += 1
    assert pictures >= 5


async def test_a_file_has_the_filters_of_its_page(server: Any, journey: Journey) -> None:
    """Sessions of one site on the page are sessions of that site in the table, and no others."""
    server.clock.advance(NOW - server.clock.now())
    bad = {"site": "bad.example.com", "verdict": "provider", "loss": 50.0}
    await server.store.add(
        USER_SESSIONS, [session(number, **(bad if number % 7 == 0 else {})) for number in range(1, 61)]
    )
    page = journey.page
    await journey.sign_in(server.token)
    counts = {}
    for path in ("/?window=6h", "/?window=6h&visitedSite=bad.example.com"):
        await journey.open(path)
        shown = int(await page.inner_text(".facts dd >> nth=0"))
        await page.click(".take-away summary")
        table = page.locator(".take-away li:has-text('Over time') a:text-is('CSV')")
        _, content = await saved(journey, table)
        rows = rows_of(content)
        counts[path] = (shown, sum(int(row["sessions"] or 0) for row in rows))
    assert list(counts.values()) == [(60, 60), (8, 8)]
