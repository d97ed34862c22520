"""Where somebody goes after signing in: back to the page that they wanted, which must be one of ours."""

import re
from typing import Final
from urllib.parse import quote

from litestar.types import Scope

from hopsight.server.api.links import link

START: Final = "/"

_MAX_CHARS: Final = 2_000
# What begins with two slashes (browsers take \ for /, too) names another host. No white space, no controls:
# browsers drop some of them before they look.
_OURS: Final = re.compile(r"/(?![/\\])[!-\[\]-~]*")


def checked_next(text: str) -> str:
    """A path of this server, as somebody asked to be led to; the start page in place of anything else."""
    return text if len(text) <= _MAX_CHARS and _OURS.fullmatch(text) else START


def sign_in_url(scope: Scope) -> str:
    """The sign-in page that leads back to the page that was asked for."""
    wanted = checked_next(_wanted(scope))
    return "/sign-in" if wanted == START else f"/sign-in?next={quote(wanted, safe='/')}"


def _wanted(scope: Scope) -> str:
    if dict(scope).get("method") != "GET":
        return START
    return link("", scope["path"], [scope["query_string"]])
