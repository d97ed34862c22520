"""Errors as version 7 answers them: problem documents (RFC 7807), and 401 in words of its own."""

from http import HTTPStatus
from typing import Final

import msgspec
from litestar.types import Scope

from hopsight.server.api.answers import JSON, Answer
from hopsight.server.api.errors import ErrorAnswer
from hopsight.server.api.v7.documents import Problem, ProblemItem, Unauthorized
from hopsight.server.api.visits import visit_of

PROBLEM: Final = b"application/problem+json"

_CHALLENGE: Final = (b"www-authenticate", b'Bearer realm="Hopsight"')
_json: Final = msgspec.json.Encoder()


def answer_error(scope: Scope, error: ErrorAnswer) -> Answer:
    """Answer with an error."""
    if error.status == HTTPStatus.UNAUTHORIZED:
        document = Unauthorized(error="invalid_token", error_description=error.message)
        return Answer(_json.encode(document), JSON, status=error.status, headers=(_CHALLENGE,))
    problem = Problem(
        type="about:blank",
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        detail=error.message,
        instance=visit_of(scope).path,
        errors=_items(error),
    )
    return Answer(_json.encode(problem), PROBLEM, status=error.status, headers=error.headers)


def _items(error: ErrorAnswer) -> list[ProblemItem] | None:
    if error.status != HTTPStatus.BAD_REQUEST or error.field is None:
        return None
    return [ProblemItem(code="invalid-value", field=error.field, message=error.message)]
