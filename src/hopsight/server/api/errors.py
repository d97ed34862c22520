"""Our errors, and the router's, as HTTP: status, message, headers."""

from typing import Final

from litestar.exceptions import HTTPException
from msgspec import Struct

from hopsight.errors import (
    AuthenticationError,
    ConflictError,
    HopsightError,
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
    StoreUnavailableError,
)

_STATUSES: Final[dict[type[HopsightError], int]] = {
    InvalidValueError: 400,
    AuthenticationError: 401,
    PermissionDeniedError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    StoreUnavailableError: 503,
}
_HEADERS: Final = {
    401: ((b"www-authenticate", b'Basic realm="Hopsight", charset="UTF-8", Bearer realm="Hopsight"'),),
    503: ((b"retry-after", b"5"),),
}


class ErrorAnswer(Struct, frozen=True):
    """What a dialect puts into its error shape; ``field``: the name of the value that was wrong."""

    status: int
    message: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    field: str | None = None


UNEXPECTED: Final = ErrorAnswer(500, "Something went wrong here; the server's log has the details")


def describe_error(error: Exception) -> ErrorAnswer | None:
    """Map an error to an answer; None: nobody foresaw it."""
    if isinstance(error, HTTPException):
        return _of_router(error)
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            field = error.name if isinstance(error, InvalidValueError) else None
            return ErrorAnswer(status, str(error), _HEADERS.get(status, ()), field)
    return None


def _of_router(error: HTTPException) -> ErrorAnswer | None:
    if error.status_code == 500:  # noqa: PLR2004 - nobody foresaw it either
        return None
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    message = error.detail
    if error.status_code == 405:  # noqa: PLR2004 - the status says it best
        methods = {method.strip() for method in headers.get("allow", "").split(",")}
        headers["allow"] = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
        message = f"This resource does not take that method; accepted: {headers['allow']}"
    if error.status_code == 404 and message == "Not Found":  # noqa: PLR2004 - as above
        message = "There is no such resource; /openapi.json lists those there are"
    pairs = tuple((name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items())
    return ErrorAnswer(error.status_code, message, pairs)
