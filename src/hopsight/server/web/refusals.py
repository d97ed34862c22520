"""Errors as pages, for whoever looks with a browser."""

from typing import Final

from litestar.exceptions import HTTPException
from litestar.types import Scope

from hopsight.errors import (
    AuthenticationError,
    ConflictError,
    HopsightError,
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
    StoreUnavailableError,
)
from hopsight.server.api.answers import Answer
from hopsight.server.api.errors import describe_error
from hopsight.server.api.visits import header
from hopsight.server.web.rendering import render
from hopsight.server.web.returning import sign_in_url

REFUSALS: Final = (
    AuthenticationError,
    ConflictError,
    HTTPException,
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
    StoreUnavailableError,
)
"""What becomes a page; all else is a fault."""


def refusal(scope: Scope, error: HopsightError | HTTPException) -> Answer:
    """The page that says why not; who has not signed in, and is no program, is led to where one does."""
    if isinstance(error, AuthenticationError) and not header(scope, b"authorization"):
        return _to_sign_in(scope)
    if isinstance(error, StoreUnavailableError):
        scope["litestar_app"].state.services.metrics.store_failed()
    described = describe_error(error)
    if described is None:
        raise error
    page = render(scope, "refused.html", status=described.status, message=described.message)
    return Answer(
        page.body, page.content_type, status=described.status, headers=page.headers + described.headers
    )


def _to_sign_in(scope: Scope) -> Answer:
    location = sign_in_url(scope).encode("ascii")
    return Answer(b"", b"text/plain", status=303, headers=((b"location", location),))
