"""Pages that renew themselves, in a real browser: what is new appears, what somebody does there stays."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import pytest
from msgspec import structs
from tests.server.web.test_live import HASTY
from tests.server.web.test_overview import NOW, session
from tests.server.web.test_pages_in_a_browser import signed_in

from hopsight.model.dimensions import NETWORK_SESSIONS, USER_SESSIONS
from hopsight.model.query import Record
from hopsight.server import live as hub
from hopsight.testing import sample_record

pytestmark = [pytest.mark.anyio, pytest.mark.chromium]

PATIENCE_S = 30
STATE = "document.querySelector('[data-live]').innerText"
SESSIONS = "document.querySelector('.facts dd').innerText"


@pytest.fixture
async def filled(server: Any) -> Any:
    """An hour of sessions of two sites, on a server whose seconds are short."""
    server.clock.advance(NOW - server.clock.now())
    server.app.services.live.pace = HASTY
    await server.store.add(USER_SESSIONS, [session(number, site="one.example") for number in range(2, 62)])
    await server.store.add(USER_SESSIONS, [session(number, site="two.example") for number in range(62, 72)])
    return server


class Wire:
    """Between browser and server: it can be held, and cut."""

    def __init__(self, port: int) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self._port = port
        self._listener: asyncio.Server | None = None
        self._own = 0
        self._running: set[asyncio.Task[None]] = set()

    @property
    def base(self) -> str:
        """Where the browser finds it."""
        return f"http://127.0.0.1:{self._own}"

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.open.set()
        await self.cut()

    async def listen(self) -> None:
        """Take connections, at the same port as before."""
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self._own)
        self._own = self._listener.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Close what is open, and take no more."""
        assert self._listener is not None
        self._listener.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection("127.0.0.1", self._port)
        both = [asyncio.create_task(self._copy(*each)) for each in ((reader, ours), (theirs, writer))]
        self._running.update(both)
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in both:
            task.cancel()
        self._running.difference_update(both)
        for each in (ours, writer):
            each.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(65_536):
            await self.open.wait()
            writer.write(content)
            await writer.drain()


async def until(tab: Any, expression: str) -> None:
    """Wait until an expression is true in the page; else what the page said instead."""
    watch = f"""new Promise((done) => {{
      const ends = Date.now() + {1000 * PATIENCE_S};
      const look = () => {{
        if ({expression}) done(true);
        else if (Date.now() > ends) done({STATE});
        else setTimeout(look, 50);
      }};
      look();
    }})"""
    found = await tab.call("Runtime.evaluate", expression=watch, awaitPromise=True, returnByValue=True)
    assert found["result"]["value"] is True, f"{expression}: {found['result']}"


async def be_hasty(tab: Any, **settings: float) -> None:
    """Shorten what the page waits for."""
    for name, value in ({"everyS": 0.1} | settings).items():
        await tab.value(f"document.querySelector('[data-live]').dataset.{name} = '{value}'")


@asynccontextmanager
async def watching(browser: Any, server: Any, base: str, path: str) -> AsyncIterator[Any]:
    """A tab on a page that is live by now; it does not reload, and breaks no policy."""
    async with browser.tab() as tab:
        await signed_in(tab, server, base, "light")
        await tab.open(base + path)
        await tab.value("window.isTheSame = true")
        await until(tab, f"{STATE}.startsWith('Live: last round')")
        yield tab
        assert await tab.value("window.isTheSame")
        assert await tab.value("faults") == []


async def test_a_round_appears_on_the_overview(filled: Any, port: int, browser: Any) -> None:
    """Numbers and charts are those of the new round, and nothing that somebody did there is lost."""
    async with watching(browser, filled, f"http://127.0.0.1:{port}", "/?window=24h") as tab:
        assert await tab.value(SESSIONS) == "70"
        await tab.value("document.querySelector('figure details').open = true")
        await tab.value("document.querySelector('#filter-value').value = 'half a wo'")
        await tab.value(
            "link = [...document.querySelectorAll('.rank a')].find(a => a.text == 'two.example'); 0"
        )
        await tab.value("link.focus(), scrollTo(0, 120), 0")
        drawn = "document.querySelectorAll('.uplot canvas').length"
        legend = "document.querySelector('figure script').textContent.length"
        charts, before = await tab.value(drawn), await tab.value(legend)
        await be_hasty(tab)
        # Worse than the other site from now on: the rows change places.
        worse = [session(number, site="two.example", latency=900.0) for number in (1, 400)]
        await filled.store.add(USER_SESSIONS, worse)
        await until(tab, f"{SESSIONS} == '72'")
        assert await tab.value("document.activeElement === link && link.text == 'two.example'")
        assert await tab.value("document.querySelector('figure details').open")
        assert await tab.value("document.querySelector('#filter-value').value") == "half a wo"
        assert await tab.value("scrollY") == 120
        assert await tab.value(drawn) == charts
        assert await tab.value(legend) != before
        assert "23:59:00 UTC" in await tab.value(STATE)


async def test_the_charts_show_the_new_numbers(filled: Any, port: int, browser: Any) -> None:
    """What uPlot reads out at the pointer after a renewal is of the new round."""
    async with watching(browser, filled, f"http://127.0.0.1:{port}", "/?window=1h") as tab:
        await be_hasty(tab)
        new = [session(2, site="new.example", latency=777.0), session(1, site="new.example", latency=777.0)]
        await filled.store.add(
            USER_SESSIONS, [structs.replace(each, record_id=f"{each.record_id}-new") for each in new]
        )
        await until(tab, "document.body.textContent.includes('new.example')")
        box = "document.querySelector('.u-over').getBoundingClientRect()"
        right, width, top = [await tab.value(f"{box}.{side}") for side in ("right", "width", "top")]
        await tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=right - width / 60, y=top + 20)
        await until(tab, "document.querySelector('.u-legend').innerText.includes('777')")


async def test_the_first_and_the_next_round_appear(server: Any, port: int, browser: Any) -> None:
    """The last round's page goes from waiting to the first round, and on to the next, by itself."""
    server.app.services.live.pace = HASTY
    base = f"http://127.0.0.1:{port}"
    async with browser.tab() as tab:
        await signed_in(tab, server, base, "light")
        await tab.open(f"{base}/last-round")
        await until(tab, f"{STATE}.startsWith('Live: no round yet')")
        await be_hasty(tab)
        first: Record = sample_record(random.Random(1))
        await server.store.add(NETWORK_SESSIONS, [first])
        await until(tab, "document.querySelectorAll('.sessions tbody tr').length == 1")
        server.clock.advance(60)
        await server.store.add(
            NETWORK_SESSIONS, [sample_record(random.Random(2), round_id=first.round_id + 60)]
        )
        await until(tab, "document.querySelector('.lead time').dateTime.includes('11:59:00')")
        assert await tab.value("document.title.startsWith('Last round')")
        assert await tab.value("faults") == []


async def test_it_pauses_by_keyboard(filled: Any, port: int, browser: Any) -> None:
    """Paused, nothing moves and the page says as of when it is; resumed, it catches up."""
    async with watching(browser, filled, f"http://127.0.0.1:{port}", "/?window=24h") as tab:
        await be_hasty(tab)
        await tab.value("document.querySelector('[data-live] button').focus(), 0")
        for kind in ("keyDown", "keyUp"):
            await tab.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r")
        await until(tab, f"{STATE}.startsWith('Paused: as of ')")
        await filled.store.add(USER_SESSIONS, [session(1)])
        await asyncio.sleep(1.5)
        assert await tab.value(SESSIONS) == "70"
        assert b"hopsight_live_streams 0.0" in filled.app.services.metrics.expose()
        await tab.value("document.querySelector('[data-live] button').click(), 0")
        await until(tab, f"{SESSIONS} == '71' && {STATE}.startsWith('Live')")


async def test_nothing_moves_under_the_pointer(filled: Any, port: int, browser: Any) -> None:
    """While somebody drags, the page stands still; then it catches up."""
    async with watching(browser, filled, f"http://127.0.0.1:{port}", "/?window=24h") as tab:
        await be_hasty(tab)
        place = {"x": 5, "y": 300, "button": "left"}
        await tab.call("Input.dispatchMouseEvent", type="mousePressed", clickCount=1, buttons=1, **place)
        await filled.store.add(USER_SESSIONS, [session(1)])
        await asyncio.sleep(1.5)
        assert await tab.value(SESSIONS) == "70"
        await tab.call("Input.dispatchMouseEvent", type="mouseReleased", clickCount=1, buttons=0, **place)
        await until(tab, f"{SESSIONS} == '71'")


async def test_silence_of_the_server_is_said(filled: Any, port: int, browser: Any) -> None:
    """When nothing comes through any more the page says so; when it does again, it is live and catches up."""
    async with Wire(port) as wire, watching(browser, filled, wire.base, "/?window=24h") as tab:
        await be_hasty(tab, silentS=2)
        wire.open.clear()
        await until(tab, f"{STATE}.startsWith('Stalled: nothing heard from the server for ')")
        assert "(reconnecting)" in await tab.value(STATE)
        assert await tab.value("document.querySelector('[data-live-state]').role") == "status"
        await filled.store.add(USER_SESSIONS, [session(1)])
        wire.open.set()
        await until(tab, f"{STATE}.startsWith('Live') && {SESSIONS} == '71'")


async def test_a_sleep_of_the_machine_is_said(filled: Any, port: int, browser: Any) -> None:
    """After an hour's sleep the page does not go on as if it were live: it has heard nothing for so long."""
    async with Wire(port) as wire, watching(browser, filled, wire.base, "/?window=24h") as tab:
        wire.open.clear()
        await tab.value("const now = Date.now; Date.now = () => now.call(Date) + 3600_000; 0")
        await until(tab, f"{STATE}.startsWith('Stalled: nothing heard from the server for 60 min')")
        wire.open.set()
        await until(tab, f"{STATE}.startsWith('Live: last round')")


async def test_a_tab_that_nobody_sees_listens_to_nothing(filled: Any, port: int, browser: Any) -> None:
    """Hidden, it lets its stream go and fetches nothing; seen again, it catches up."""
    async with watching(browser, filled, f"http://127.0.0.1:{port}", "/?window=24h") as tab:
        await be_hasty(tab)
        show = "Object.defineProperty(document, 'hidden', {{value: {}, configurable: true}}), "
        show += "document.dispatchEvent(new Event('visibilitychange')), 0"
        await tab.value(show.format("true"))
        await filled.store.add(USER_SESSIONS, [session(1)])
        await asyncio.sleep(1.5)
        assert b"hopsight_live_streams 0.0" in filled.app.services.metrics.expose()
        assert await tab.value(SESSIONS) == "70"
        await tab.value(show.format("false"))
        await until(tab, f"{SESSIONS} == '71' && {STATE}.startsWith('Live')")


async def test_a_server_that_is_gone_is_said(filled: Any, port: int, browser: Any) -> None:
    """When connections are refused, the page says that it is stalled, and finds the server again."""
    async with Wire(port) as wire, watching(browser, filled, wire.base, "/?window=24h") as tab:
        await be_hasty(tab, silentS=2)
        await wire.cut()
        await until(tab, f"{STATE}.startsWith('Stalled: nothing heard from the server for ')")
        await wire.listen()
        await until(tab, f"{STATE}.startsWith('Live')")


async def test_no_room_is_said(filled: Any, port: int, browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has too many live pages open is told that, not that the server is silent; with room, it is live."""
    monkeypatch.setattr(hub, "MAX_STREAMS_OF_ONE", 0)
    base = f"http://127.0.0.1:{port}"
    async with browser.tab() as tab:
        await signed_in(tab, filled, base, "light")
        await tab.open(f"{base}/networks")
        await until(tab, f"{STATE}.startsWith('Not live: you have too many live pages open; trying again')")
        monkeypatch.undo()
        # By hand: trying again by itself takes half a minute.
        await tab.value("dispatchEvent(new Event('online'))")
        await until(tab, f"{STATE}.startsWith('Live')")


async def test_silence_of_the_agents_is_said(filled: Any, port: int, browser: Any) -> None:
    """The server is heard, but no round came for minutes: that is what the page says."""
    async with watching(browser, filled, f"http://127.0.0.1:{port}", "/agents") as tab:
        filled.clock.advance(11 * 60)
        await until(tab, f"{STATE}.startsWith('No new round for 10 min: the last was 23:58:00 UTC')")


async def test_who_signs_out_elsewhere_is_told(filled: Any, port: int, browser: Any) -> None:
    """The page of a session that is over says so, and stops."""
    async with watching(browser, filled, f"http://127.0.0.1:{port}", "/networks") as tab:
        filled.accounts.sign_ins.end(
            next(
                each["value"]
                for each in (await tab.call("Network.getCookies"))["cookies"]
                if each["name"] == "hopsight_session"
            )
        )
        await until(tab, f"{STATE}.startsWith('Ended: you are not signed in any more')")


async def test_a_round_appears_in_the_ranks(filled: Any, port: int, browser: Any) -> None:
    """A site that turns worse moves up."""
    first = "document.querySelector('.rank tbody th a').text"
    async with watching(
        browser, filled, f"http://127.0.0.1:{port}", "/ranks?by=visitedSite&window=24h"
    ) as tab:
        before = await tab.value(first)
        await be_hasty(tab)
        other = "two.example" if before == "one.example" else "one.example"
        worse = [session(number, site=other, latency=9_000.0) for number in range(1, 40)]
        await filled.store.add(USER_SESSIONS, [*worse, session(400, site=other, latency=9_000.0)])
        await until(tab, f"{first} == '{other}'")


@pytest.mark.usefixtures("filled")
async def test_a_look_at_the_past_stands_still(client: Any) -> None:
    """A range with a fixed end has no stream; and without JavaScript no page speaks of one."""
    past = "from=2020-09-13T00:00:00&to=2020-09-13T12:00:00"
    for path in ("/", "/ranks", "/agents", "/networks", "/paths"):
        assert "data-live" not in (await client.get(f"{path}?{past}")).text
        text = (await client.get(f"{path}?window=1h")).text
        assert text.count('<p class="live"') == 1
        assert "data-live-keep hidden>" in text
