"""Templates as pages: escaped throughout, and an unknown name is an error rather than a gap."""

import re
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar.types import Scope
from markupsafe import Markup, escape

from hopsight import __version__
from hopsight.server.api.answers import Answer, compressed
from hopsight.server.api.visits import header
from hopsight.server.web.downloads import downloads_of

HTML: Final = b"text/html;charset=UTF-8"

_NOT_MEASURED: Final = Markup('<abbr title="not measured">-</abbr>')
_CODE: Final = re.compile(r"(`{1,2})([^`]+)\1")


def prose(text: str) -> Markup:
    """Escape a text of ours, and set what stands between backticks as code."""
    return Markup(_CODE.sub(r"<code>\2</code>", str(escape(text))))  # noqa: S704 - escaped one call before


def measured(value: str | None) -> str:
    """A value, or a dash that says why there is none."""
    return _NOT_MEASURED if value is None else value


def milliseconds(value: float | None) -> str:
    """A duration in ms with one decimal, or the dash."""
    return measured(None if value is None else f"{value:.1f}")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("hopsight.server.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {"measured": measured, "ms": milliseconds, "prose": prose}
    environment.globals |= {"version": __version__, "downloads_of": downloads_of}
    return environment


_PAGES: Final = _environment()


def render_text(template: str, **context: Any) -> str:
    """What a template says, escaped as a page is."""
    return _PAGES.get_template(template).render(context)


def render(scope: Scope, template: str, **context: Any) -> Answer:
    """Answer with a page, compressed for those who take it so."""
    body = render_text(template, **context).encode()
    return compressed(Answer(body, HTML), header(scope, b"accept-encoding"))
