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
)
from hopsight.server.api.answers import Answer
from hopsight.server.api.errors import describe_error
from hopsight.server.web.rendering import render

REFUSALS: Final = (
    AuthenticationError,
    ConflictError,
    HTTPException,
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
)
"""What becomes a page; all else is a fault."""


def refusal(scope: Scope, error: HopsightError | HTTPException) -> Answer:
    """The page that says why not."""
    described = describe_error(error)
    if described is None:
        raise error
    page = render(scope, "refused.html", status=described.status, message=described.message)
    return Answer(
        page.body, page.content_type, status=described.status, headers=page.headers + described.headers
    )
