"""Downloads: ``/export/<page>/<table>.csv`` and ``<drawing>.png``, with the parameters of the page itself.

``of`` is the agent, network or session that a page of one is about.
"""

import re
from typing import Any, Final

from litestar import get
from litestar.connection import Request

from hopsight.errors import InvalidValueError
from hopsight.server.api.answers import Answer, compressed
from hopsight.server.api.visits import header
from hopsight.server.web.export.csv_writing import encode_csv
from hopsight.server.web.export.page_pictures import PICTURES
from hopsight.server.web.export.picture_files import draw_png
from hopsight.server.web.export.tables import TABLES, ReadTable
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.visitor import Visitor, see

_CSV: Final = b"text/csv;charset=UTF-8;header=present"
_MAX_NAME_CHARS: Final = 40
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9]+")


@get("/export/{page:str}/{file:str}")
async def read_export(request: Request[Any, Any, Any]) -> Answer:
    """A table as CSV or a drawing as PNG, for whoever may see its page."""
    try:
        visitor = await see(request)
        return await _export(visitor, request.path_params["page"], request.path_params["file"])
    except REFUSALS as error:
        return refusal(request.scope, error)


async def _export(visitor: Visitor, page: str, file: str) -> Answer:
    name, _, kind = file.rpartition(".")
    if page not in TABLES:
        raise InvalidValueError("page", page, ", ".join(TABLES))
    tables, pictures = TABLES[page], PICTURES.get(page)
    if kind == "csv" and name in tables:
        return await _csv(visitor, page, name, tables[name])
    if kind == "png" and pictures is not None and name in pictures.names:
        png = await draw_png(visitor, pictures, name)
        return Answer(png, b"image/png", headers=_attachment(file_name(visitor, page, name, "png")))
    accepted = [f"{each}.csv" for each in tables]
    accepted += [f"{each}.png" for each in pictures.names] if pictures is not None else []
    raise InvalidValueError("file", file, ", ".join(accepted))


async def _csv(visitor: Visitor, page: str, name: str, read: ReadTable) -> Answer:
    body = encode_csv(await read(visitor))
    answer = Answer(body, _CSV, headers=_attachment(file_name(visitor, page, name, "csv")))
    return compressed(answer, header(visitor.scope, b"accept-encoding"))


def file_name(visitor: Visitor, page: str, name: str, kind: str) -> str:
    """What a download is called: page, table, account group and time, in letters that every system takes."""
    view = visitor.view
    times = [_UNSAFE.sub("", text.replace(" ", "T")) for text in (view.start_text, view.end_text)]
    group = (
        _UNSAFE.sub("-", visitor.group.name)[:_MAX_NAME_CHARS].strip("-").lower() or f"{visitor.group.aid}"
    )
    simulated = ["simulated"] if visitor.services.config.simulated else []
    return f"{'-'.join(['hopsight', *simulated, page, name, group, *times])}.{kind}"


def _attachment(name: str) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"content-disposition", f'attachment; filename="{name}"'.encode("ascii")),)


HANDLERS: Final[list[Any]] = [read_export]
