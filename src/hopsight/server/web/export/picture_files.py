"""A page's drawings as a file: what is looked at is said in the picture, for it travels alone."""

import re
from typing import Final

from hopsight import __version__
from hopsight.errors import NotFoundError
from hopsight.server.web.charts import WIDTH
from hopsight.server.web.export.page_pictures import WHOLE, PagePictures, Shown, styles_of
from hopsight.server.web.export.pictures import ROW_HEIGHT, WATERFALL_ROWS, Picture, lay_out
from hopsight.server.web.rendering import render_text
from hopsight.server.web.visitor import Visitor

_SIMULATED: Final = "Simulated data. Nothing in this picture was measured."
DRAWN: Final = (
    (0x20, 0x7E), (0xA0, 0x24F), (0x2B0, 0x2E9), (0x300, 0x34F), (0x370, 0x377), (0x37A, 0x37F),
    (0x384, 0x38A), (0x38E, 0x3A1), (0x3A3, 0x525), (0x1E00, 0x1EFB), (0x2000, 0x2064), (0x20A0, 0x20B5),
    (0x2190, 0x22FF), (0x25A0, 0x25FF),
)  # fmt: skip
"""What the fonts have: first and last of each range. Others would be left out without a trace."""
_NOT_DRAWN: Final = re.compile(f"[^\n{''.join(f'{chr(first)}-{chr(last)}' for first, last in DRAWN)}]")


async def draw_png(visitor: Visitor, pictures: PagePictures, name: str) -> bytes:
    """The picture of this name.

    Raises:
        HTTPException: it is too large, or too many are drawn right now.
        NotFoundError: there is nothing to draw.
    """
    shown = await pictures.read(visitor)
    drawings = [each for key, each in shown.drawings if name in {key, WHOLE}]
    if not drawings:
        raise NotFoundError(f"There is no {name} to draw here")
    picture = lay_out(shown.title, facts_of(shown), drawings)
    svg = picture_svg(picture, shown.styles, is_simulated=visitor.services.config.simulated)
    return await visitor.services.picture_work.draw(svg, picture.scale)


def facts_of(shown: Shown) -> list[str]:
    """Whose numbers these are, of when, and under which filters."""
    visitor = shown.visitor
    view, group = visitor.view, visitor.group
    chosen = [f"{each.key} {' or '.join(each.values)}" for each in view.filters]
    simulated = [_SIMULATED] if visitor.services.config.simulated else []
    whose = f"Account group {group.name} ({group.org_name})"
    chosen_by = [
        f"{whose}, {view.start_text} to {view.end_text} UTC.",
        f"Filters: {'; '.join(chosen) or 'none'}.",
    ]
    return [
        *simulated,
        *(chosen_by if shown.is_of_range else [f"{whose}."]),
        *shown.facts,
        f"Hopsight {__version__}",
    ]


def picture_svg(picture: Picture, styles: tuple[str, ...], *, is_simulated: bool) -> str:
    """The picture as SVG that needs nothing from elsewhere but a font."""
    svg = render_text(
        "picture.svg",
        picture=picture,
        styles=styles_of(styles),
        simulated=is_simulated,
        share_scale=WIDTH / 100,
        row_height=ROW_HEIGHT,
        waterfall_rows=WATERFALL_ROWS,
    )
    return _NOT_DRAWN.sub("\ufffd", svg)
