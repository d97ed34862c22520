"""A real server for pages, and a real browser to look at them with."""

import asyncio
import json
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn

from hopsight.server.run import _settings

PATIENCE_S = 60
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--proxy-server=direct://",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


class QuietServer(uvicorn.Server):
    """uvicorn without its hold on the signals of the test run, telling when it is ready."""

    def __init__(self, settings: uvicorn.Config) -> None:
        super().__init__(settings)
        self.ready = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.port = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.ready.set()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve without touching signals."""
        await self._serve(sockets)

    async def stop(self) -> None:
        """Stop as on a signal, and wait until it has."""
        self.should_exit = True
        if self.task is not None:
            await self.task


@pytest.fixture
async def running(server: Any) -> AsyncIterator[QuietServer]:
    """The server, listening on loopback with the settings of the real program."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        found = QuietServer(_settings(server.app, server.config, None))
        found.port = listener.getsockname()[1]
        found.task = asyncio.create_task(found.serve([listener]))
        await found.ready.wait()
        yield found
        await found.stop()


@pytest.fixture
def port(running: QuietServer) -> int:
    """Where the server listens."""
    return running.port


class Browser:
    """Chromium without a window, each time with a new profile."""

    def __init__(self, program: str) -> None:
        self._program = program

    async def dump(self, url: str) -> str:
        """The document behind a URL, as it stands once it has loaded."""
        async with asyncio.timeout(PATIENCE_S), self._running("--dump-dom", url) as (process, _):
            printed, _ = await process.communicate()
        return str(printed.decode())

    @asynccontextmanager
    async def tab(self) -> AsyncIterator["Tab"]:
        """A tab that is told what to do."""
        options = ("--remote-debugging-port=0", "about:blank")
        async with asyncio.timeout(PATIENCE_S), self._running(*options) as (_, profile):
            told = profile / "DevToolsActivePort"
            while not told.exists() or not told.read_text():  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(0.05)
            base = f"http://127.0.0.1:{told.read_text().splitlines()[0]}"
            async with aiohttp.ClientSession(base) as session:
                pages = await (await session.get("/json/list")).json()
                address = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
                async with session.ws_connect(address, max_msg_size=0) as socket_:
                    yield Tab(socket_)

    @asynccontextmanager
    async def _running(self, *options: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, Path]]:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            process = await asyncio.create_subprocess_exec(
                self._program,
                *OPTIONS,
                f"--user-data-dir={profile}",
                *options,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                yield process, Path(profile)
            finally:
                if process.returncode is None:
                    process.kill()
                await process.communicate()


class Tab:
    """One page of a browser, over its debugging protocol."""

    def __init__(self, socket_: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket_
        self._sent = 0

    async def call(self, method: str, **parameters: Any) -> Any:
        """Ask for something, and wait for the answer."""
        number = await self._send(method, **parameters)
        return (await self._until(lambda message: message.get("id") == number))["result"]

    async def open(self, url: str, width: int = 1280) -> None:
        """Go there, and wait until it has loaded."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        await self.call("Emulation.setDeviceMetricsOverride", **size)
        await self.call("Page.enable")
        await self._send("Page.navigate", url=url)
        await self._until(lambda message: message.get("method") == "Page.loadEventFired")

    async def send_form(self, path: str, **fields: str) -> None:
        """Fill in the form that has these fields, press its button, and wait for the next page."""
        where = "".join(f":has([name={name}])" for name in fields)
        form = f"document.querySelector('form[action=\"{path}\"]{where}')"
        for name, value in fields.items():
            await self.value(f"{form}.elements.{name}.value = {json.dumps(value)}")
        await self._send("Runtime.evaluate", expression=f"{form}.querySelector('button').click()")
        await self._until(lambda message: message.get("method") == "Page.loadEventFired")

    async def value(self, expression: str) -> Any:
        """What an expression is worth in the page."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"]["value"]

    async def _send(self, method: str, **parameters: Any) -> int:
        self._sent += 1
        await self._socket.send_json({"id": self._sent, "method": method, "params": parameters})
        return self._sent

    async def _until(self, wanted: Callable[[Any], bool]) -> Any:
        while True:
            message = await self._socket.receive_json()
            if wanted(message):
                return message


@pytest.fixture
def browser(require: Callable[[bool, str], None]) -> Browser:
    """Debian's Chromium."""
    program = shutil.which("chromium")
    require(program is not None, "chromium is not installed")
    return Browser(str(program))
