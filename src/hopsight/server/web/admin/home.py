"""Where administration begins: what there is, and for what."""

from typing import Any, Final

from litestar import get
from litestar.connection import Request

from hopsight.server.api.answers import Answer
from hopsight.server.web.admin.door import administer, show, with_group
from hopsight.server.web.admin.sections import PATH, sections_for
from hopsight.server.web.refusals import REFUSALS, refusal


@get(PATH)
async def read_home(request: Request[Any, Any, Any]) -> Answer:
    """Show it to administrators."""
    try:
        visitor = await administer(request)
    except REFUSALS as error:
        return refusal(request.scope, error)
    rows = [
        (with_group(visitor, section.path), section.label, section.purpose)
        for section in sections_for(visitor.role)
    ]
    return show(visitor, "admin/home.html", path=PATH, rows=rows)


HANDLERS: Final[list[Any]] = [read_home]
