"""What the front learned of a request, for those behind it; and what they want on the answer's headers."""

from enum import StrEnum
from typing import Final

from litestar.types import Scope
from msgspec import Struct

from hopsight.server.api.formats import Format

_KEY: Final = "hopsight_visit"


class Dialect(StrEnum):
    """A version of the compatible API: how its errors look, and how one shows who one is."""

    V6 = "v6"
    V7 = "v7"


class Visit(Struct):
    """One request on its way through the server.

    Args:
        path: as it was asked, decoded: with its suffix, and without a version if there was none.
        dialect: the version of the compatible API that was asked; None: not one of it.
        suffix: the format that the path ended with.
        headers: to be added to the answer, whoever makes it, errors too.
        is_head: nobody wants the body.
    """

    path: str
    dialect: Dialect | None = None
    suffix: Format | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    is_head: bool = False


def visit_of(scope: Scope) -> Visit:
    """The visit that the front began."""
    visit: Visit = scope["state"][_KEY]
    return visit


def begin_visit(scope: Scope, visit: Visit) -> None:
    """Leave it where ``visit_of`` finds it."""
    state = scope.setdefault("state", {})
    state[_KEY] = visit


def header(scope: Scope, name: bytes) -> str:
    """A request header, several of one name joined by commas; empty when there is none."""
    return ",".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)
