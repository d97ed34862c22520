"""Pictures are drawn beside the server: bounded in number, size, memory and time."""

import asyncio
import sys
from typing import Any

import pytest
from litestar.exceptions import HTTPException

from hopsight.server.picture_work import MAX_SVG_BYTES, MAX_WAITING, PictureWork

pytestmark = pytest.mark.anyio

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="4"><text y="4">p95</text></svg>'
SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")


async def refused(work: PictureWork, svg: str = SVG) -> HTTPException:
    """The refusal of a drawing."""
    with pytest.raises(HTTPException) as caught:
        await work.draw(svg, 1)
    return caught.value


async def test_an_svg_becomes_a_png_of_its_size() -> None:
    """The picture is as many times as large as it is asked for."""
    png = await PictureWork().draw(SVG, 2)
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) == (16, 8)


async def test_what_cannot_be_drawn_is_said() -> None:
    """A broken drawing, and one that is too large for the memory, are 503; no trace of it is left."""
    for svg in ("<svg", SVG.replace('"8"', '"80000"').replace('"4"', '"80000"')):
        error = await refused(PictureWork(), svg)
        assert error.status_code == 503
        assert (error.headers or {})["Retry-After"] == "5"
    assert (await refused(PictureWork(), " " * (MAX_SVG_BYTES + 1))).status_code == 413


async def test_what_takes_too_long_is_ended() -> None:
    """After the time limit the program is gone, and the next picture has its turn."""
    work = PictureWork(SLEEP, timeout_s=0.2)
    for _ in range(2):
        error = await refused(work)
        assert error.status_code == 503
        assert "too long" in error.detail


async def test_no_more_wait_than_may() -> None:
    """Whoever comes when too many wait is sent away at once; whoever gives up ends the program."""
    work = PictureWork(SLEEP)
    waiting: list[asyncio.Task[Any]] = [asyncio.create_task(work.draw(SVG, 1)) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    error = await refused(work)
    assert error.status_code == 503
    assert "Too many" in error.detail
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting, timeout=10)
    assert all(task.cancelled() for task in waiting)
