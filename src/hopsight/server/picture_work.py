"""Pictures beside the server: each is drawn by a process of its own, one at a time, within bounds."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Final

from litestar.exceptions import HTTPException

AT_ONCE: Final = 1
MAX_WAITING: Final = 8
MAX_SVG_BYTES: Final = 8 << 20
TIMEOUT_S: Final = 20.0

_WEB: Final = Path(str(files("hopsight.server.web")))
FONTS: Final = tuple(str(_WEB / "fonts" / name) for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"))
PROGRAM: Final = (sys.executable, "-P", str(_WEB / "export" / "picture_program.py"))


class PictureWork:
    """Draws SVGs as PNGs.

    Args:
        program: what draws; takes the scale and font files, an SVG on standard input.
        timeout_s: it is ended after so long.
    """

    def __init__(self, program: Sequence[str] = PROGRAM, timeout_s: float = TIMEOUT_S) -> None:
        self._program = tuple(program)
        self._timeout_s = timeout_s
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def draw(self, svg: str, scale: int) -> bytes:
        """The picture, PNG.

        Args:
            svg: the drawing.
            scale: pixels for each of its own.

        Raises:
            HTTPException: 413 the drawing is too large, 503 too many wait, or it took too long.
        """
        written = svg.encode()
        if len(written) > MAX_SVG_BYTES:
            raise HTTPException(
                status_code=413, detail="Too much for a picture: choose a shorter time or filter more"
            )
        if self._waiting >= MAX_WAITING:
            raise _busy("Too many pictures are drawn right now")
        self._waiting += 1
        try:
            async with self._slots:
                return await self._run(written, scale)
        finally:
            self._waiting -= 1

    async def _run(self, svg: bytes, scale: int) -> bytes:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *self._program, str(scale), *FONTS, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                png, _ = await process.communicate(svg)
        except TimeoutError:
            raise _busy("The picture took too long to draw") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode or not png:
            raise _busy("The picture could not be drawn")
        return png


def _busy(why: str) -> HTTPException:
    return HTTPException(status_code=503, detail=f"{why}; try again in 5 s", headers={"Retry-After": "5"})
