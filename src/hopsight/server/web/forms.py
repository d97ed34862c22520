"""Forms of pages: read within bounds, and taken only from pages of ours.

How to write a page with a form::

    <form method="post" action="/things">
    <input type="hidden" name="csrf" value="{{ visitor.csrf }}">
    ...

    @post("/things")
    async def change_thing(request: Request[Any, Any, Any]) -> Answer:
        try:
            visitor = see(request)
            form = await read_form(request)
            require_csrf(request, visitor)
            ...  # form.one("name"), form.all("label"); change it by=visitor.actor
        except REFUSALS as error:
            return refusal(request.scope, error)
        return see_other("/things?aid=7")

``require_csrf`` looks at the form that ``read_form`` has read, and refuses with 403 when its token is not the
visitor's. Roles are for the page to check.
"""

import hmac
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import parse_qsl

from litestar.connection import Request
from litestar.exceptions import HTTPException

from hopsight.errors import PermissionDeniedError
from hopsight.server.api.answers import Answer
from hopsight.server.api.visits import header
from hopsight.server.bodies import BodyLimits, read_bounded
from hopsight.server.web.visitor import Visitor

CSRF_FIELD: Final = "csrf"
MAX_FORM_BYTES: Final = 64 << 10
MAX_FIELDS: Final = 1_000

_KEY: Final = "hopsight_form"
_TYPE: Final = "application/x-www-form-urlencoded"
_LIMITS: Final = BodyLimits(wire_bytes=MAX_FORM_BYTES, decoded_bytes=MAX_FORM_BYTES)


class Form:
    """The fields of a form, as they were filled in. Not for logs: one may be a password."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._pairs = tuple(pairs)

    def one(self, name: str) -> str:
        """The value of a field; empty when it is not there."""
        return next((value for key, value in self._pairs if key == name), "")

    def all(self, name: str) -> list[str]:
        """The values of a field that may come several times."""
        return [value for key, value in self._pairs if key == name]


async def read_form(request: Request[Any, Any, Any]) -> Form:
    """Read the form that was sent.

    Raises:
        HTTPException: 400 broken or too many fields, 408 too slow, 413 too long, 415 not a form.
    """
    scope = request.scope
    if header(scope, b"content-type").partition(";")[0].strip().lower() != _TYPE:
        raise HTTPException(status_code=415, detail=f"Content-Type; accepted: {_TYPE}")
    body = await read_bounded(header(scope, b"content-length").encode(), request.receive, _LIMITS)
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        # Not repeated: a field may be a password.
        raise HTTPException(
            status_code=400, detail="The form is broken; accepted: percent-encoded UTF-8"
        ) from None
    form = scope["state"][_KEY] = Form(pairs)
    return form


def require_csrf(request: Request[Any, Any, Any], visitor: Visitor) -> None:
    """See that what was posted comes from a page that we made for this visitor.

    Raises:
        PermissionDeniedError: its token is missing or wrong.
    """
    check_csrf(request, visitor.csrf)


def check_csrf(request: Request[Any, Any, Any], expected: str) -> None:
    """The same where there is no visitor yet.

    Raises:
        PermissionDeniedError: another token, or none.
    """
    form: Form | None = request.scope["state"].get(_KEY)
    shown = form.one(CSRF_FIELD) if form is not None else ""
    if not hmac.compare_digest(shown.encode("utf-8", "surrogatepass"), expected.encode()):
        raise PermissionDeniedError(
            "This form did not come from the page as it is now; load the page again, and send it from there"
        )


def see_other(location: str, *cookies: bytes) -> Answer:
    """Lead the browser on after a form was taken, so that loading again does not send it again."""
    headers = ((b"location", location.encode("ascii")), *((b"set-cookie", each) for each in cookies))
    return Answer(b"", b"text/plain", status=303, headers=headers)
