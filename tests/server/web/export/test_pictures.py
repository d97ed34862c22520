"""Pictures: PNGs of the pages' own drawings that say what they are about, for those who may see the pages."""

import struct
import zlib
from typing import Any

import httpx
import pytest
from tests.server.web.test_agents import NOW, enrol, measure, sleep
from tests.server.web.test_alerts import opened
from tests.server.web.test_overview import session
from tests.server.web.test_paths import SITE, measured

from hopsight.model.accounts import Role
from hopsight.model.dimensions import USER_SESSIONS
from hopsight.server.web.charts import WIDTH
from hopsight.server.web.export.page_pictures import PICTURES
from hopsight.server.web.export.pictures import MARGIN, SCALE

pytestmark = pytest.mark.anyio

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HOUR = "from=2020-09-13T23:00:00&to=2020-09-13T23:59:59"


class Png:
    """A picture, decoded as far as these tests look at it."""

    def __init__(self, encoded: bytes) -> None:
        assert encoded.startswith(SIGNATURE)
        data, at = b"", len(SIGNATURE)
        while at < len(encoded):
            length, kind = struct.unpack_from(">I4s", encoded, at)
            body = encoded[at + 8 : at + 8 + length]
            assert zlib.crc32(kind + body) == struct.unpack_from(">I", encoded, at + 8 + length)[0]
            if kind == b"IHDR":
                self.width, self.height = struct.unpack_from(">II", body)
            if kind == b"IDAT":
                data += body
            at += 12 + length
        self.pixels = zlib.decompress(data)

    def different_rows(self) -> int:
        """How many rows are not like another; a blank picture has two or three."""
        size = len(self.pixels) // self.height
        return len({self.pixels[row * size : (row + 1) * size] for row in range(self.height)})


async def picture(client: httpx.AsyncClient, url: str) -> Png:
    """A download, which must be there."""
    answer = await client.get(url)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Disposition"].endswith('.png"')
    found = Png(answer.content)
    assert found.different_rows() > 50
    return found


@pytest.fixture
async def filled(server: Any) -> Any:
    """Twenty quiet minutes at the end of an hour, and two bad ones before."""
    server.clock.advance(NOW - server.clock.now())
    await server.store.add(USER_SESSIONS, [session(number) for number in range(1, 21)])
    bad = {"site": "bad.example.com", "verdict": "provider", "latency": 300.0, "loss": 50.0}
    await server.store.add(USER_SESSIONS, [session(number, **bad) for number in (31, 32)])
    return server


@pytest.mark.usefixtures("filled")
async def test_the_overview_as_pictures(client: httpx.AsyncClient) -> None:
    """Each drawing twice as large as on the page, all of them in one; other data are another picture."""
    one = await picture(client, f"/export/overview/latency.png?{HOUR}")
    assert one.width == SCALE * (WIDTH + 2 * MARGIN)
    whole = await picture(client, f"/export/overview/view.png?{HOUR}")
    assert whole.width == one.width
    assert whole.height > 3 * one.height
    other = await picture(client, f"/export/overview/latency.png?{HOUR}&visitedSite=bad.example.com")
    assert other.pixels != one.pixels
    assert (await picture(client, f"/export/overview/latency.png?{HOUR}")).pixels == one.pixels


async def test_an_agent_and_a_network(server: Any, client: httpx.AsyncClient) -> None:
    """Every picture of both is there, with states and the machine."""
    server.clock.advance(NOW - server.clock.now())
    agent_id = enrol(server, "laptop")
    await measure(server, agent_id, range(1, 4), network_id="0123456789ab", verdict="lan")
    await sleep(server, agent_id, 50, 20)
    for page, of in (("agent", agent_id), ("network", "0123456789ab")):
        for name in PICTURES[page].names:
            await picture(client, f"/export/{page}/{name}.png?of={of}&{HOUR}")


async def test_paths_and_a_session(server: Any, client: httpx.AsyncClient) -> None:
    """The graph to a site, and the path of a session, as wide as they are; what is not there is 404."""
    await measured(server, 1, 60, "r1")
    graph = await picture(client, f"/export/paths/graph.png?visitedSite={SITE}")
    assert graph.width >= SCALE * (WIDTH + 2 * MARGIN)
    (found,) = (await client.get("/v6/endpoint-data/user-sessions")).json()["userSessions"]
    of = f"of={found['userSessionId']}"
    await picture(client, f"/export/session/path.png?{of}")
    assert (await client.get(f"/export/session/waterfall.png?{of}")).status_code == 404
    assert (await client.get("/export/paths/graph.png?visitedSite=none.example.com")).status_code == 404


async def test_an_incident(server: Any, client: httpx.AsyncClient) -> None:
    """What its rule looks at, over its time."""
    await picture(client, f"/export/incident/metric.png?of={await opened(server)}")


@pytest.mark.parametrize("page", PICTURES)
async def test_pictures_are_for_those_who_may(server: Any, page: str) -> None:
    """A wrong token gets 401, another account group 400; a name that is none is told what there is."""
    name = PICTURES[page].names[0]
    async with server.client("wrong") as client:
        assert (await client.get(f"/export/{page}/{name}.png")).status_code == 401
    aid = server.accounts.create_account_group("Other", 1)
    server.accounts.create_user("other@example.com", Role.ORG_ADMIN, [aid])
    async with server.client(server.accounts.create_token("other@example.com")) as client:
        assert (await client.get(f"/export/{page}/{name}.png?aid={server.aid}")).status_code == 400
    async with server.client() as client:
        answer = await client.get(f"/export/{page}/x.png")
    assert answer.status_code == 400
    assert f"{name}.png" in answer.text
