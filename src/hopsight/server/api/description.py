"""The API's description (OpenAPI 3.1), made from what handlers say of themselves and from the structs.

A handler carries an ``Operation`` in its ``opt``; nothing is inferred from signatures, since handlers
read raw requests.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from hopsight import __version__

_KEY: Final = "operation"
_REFERENCE: Final = "#/components/schemas/{name}"
_PATH_PARAMETER: Final = re.compile(r"\{(\w+):\w+\}")

_FIRST_ERROR: Final = 400
_UNAUTHORIZED: Final = 401
_BODYLESS: Final = frozenset({202, 204})
_PREFIXES: Final = {"/hopsight/": "hopsight_", "/v7/": "v7_"}

STATUSES: Final = {
    301: "no such version: the same path of version 6",
    304: "not changed",
    400: "a parameter or the body is wrong",
    401: "credentials missing or wrong",
    403: "the role may not do this",
    404: "no such resource or ID",
    406: "`Accept` admits no format of the resource",
    408: "the body did not arrive in time",
    409: "conflict",
    413: "the body is too long",
    415: "the body is not JSON, or is compressed in a way that is not taken",
    429: "over a limit; `Retry-After` says for how long",
    500: "our fault",
    503: "not now; `Retry-After` says for how long",
}


class Parameter(Struct, frozen=True, kw_only=True):
    """A parameter of an operation.

    Args:
        name: as it is sent.
        meaning: what it does, and what is accepted.
        schema: JSON Schema of its value.
        where: ``query``, ``path`` or ``header``.
        example: a value that works.
    """

    name: str
    meaning: str
    schema: Mapping[str, Any]
    where: str = "query"
    example: Any = None


class Operation(Struct, frozen=True, kw_only=True):
    """What one method of one path does.

    Args:
        summary: one line.
        tag: the group that it is shown in.
        parameters: all that it takes.
        body: what is posted, as JSON; None: nothing.
        body_required: whether there must be one.
        answer: what comes back; None: not a document of ours.
        answer_types: media types of the answer.
        statuses: those besides 200.
        error: the document of an error.
        error_types: media types of errors; none: those of the answer.
        unauthorized: the document of 401 where it is another than of other errors.
        success: the status when all is well.
        security: names of the ways to authenticate, any of which will do; none: no credentials needed.
    """

    summary: str
    tag: str
    parameters: tuple[Parameter, ...] = ()
    body: type[Struct] | None = None
    body_required: bool = False
    answer: type[Struct] | None = None
    answer_types: tuple[str, ...] = ("application/json", "text/xml")
    statuses: tuple[int, ...] = ()
    error: type[Struct] | None = None
    error_types: tuple[str, ...] = ()
    unauthorized: type[Struct] | None = None
    success: int = 200
    security: tuple[str, ...] = ()


def described(operation: Operation) -> dict[str, Any]:
    """The ``opt`` of a handler that does this."""
    return {_KEY: operation}


def operation_of(handler: HTTPRouteHandler) -> Operation | None:
    """What a handler says of itself."""
    found: Operation | None = handler.opt.get(_KEY)
    return found


def describe_api(handlers: Iterable[Any], known: Mapping[tuple[str, str], Operation]) -> dict[str, Any]:
    """Write the document for those handlers that describe themselves, or whose method and path are known."""
    found = [
        (path, method, _operation_id(path, handler.fn.__name__), operation)
        for handler in handlers
        if isinstance(handler, HTTPRouteHandler)
        for path in sorted(handler.paths)
        for method in sorted(handler.http_methods)
        if (operation := handler.opt.get(_KEY) or known.get((method, path)))
    ]
    types = _types(operation for *_, operation in found)
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    references = dict(zip(types, schemas, strict=True))
    paths: dict[str, Any] = {}
    for path, method, name, operation in found:
        item = paths.setdefault(_PATH_PARAMETER.sub(r"{\1}", path), {})
        item[method.lower()] = _operation(name, operation, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Hopsight", "version": __version__, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SECURITY},
    }


_ABOUT: Final = (
    "Every version 6 path also works with the suffix `.json` or `.xml`, and without `/v6`. The XML schema is "
    "at `/v6/docs/te-api-v6.xsd`. Version 7 is JSON alone, for `Bearer` alone. "
    "`/hopsight/v1` is our own API, in JSON."
)
_SECURITY: Final = {
    "token": {"type": "http", "scheme": "bearer", "description": "A user's token"},
    "emailAndToken": {"type": "http", "scheme": "basic", "description": "A user's e-mail address and token"},
    "accountGroupKey": {"type": "http", "scheme": "bearer", "description": "From a connection string"},
    "agentSecret": {"type": "http", "scheme": "basic", "description": "An agent's ID and secret"},
}


def _operation_id(path: str, name: str) -> str:
    # Handlers of different dialects may share a name; IDs of operations may not.
    prefix = next((prefix for start, prefix in _PREFIXES.items() if path.startswith(start)), "")
    return prefix + name


def _types(operations: Iterable[Operation]) -> list[type[Struct]]:
    named = (
        kind
        for each in operations
        for kind in (each.body, each.answer, each.error, each.unauthorized)
        if kind
    )
    return list(dict.fromkeys(named))


def _operation(name: str, operation: Operation, references: dict[type[Struct], Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [_parameter(parameter) for parameter in operation.parameters],
        "responses": {str(operation.success): _answer(operation, references)}
        | _errors(operation, references),
        "security": [{scheme: []} for scheme in operation.security],
    }
    if operation.body is not None:
        schema = {"application/json": {"schema": references[operation.body]}}
        described["requestBody"] = {"required": operation.body_required, "content": schema}
    return described


def _parameter(parameter: Parameter) -> dict[str, Any]:
    written = {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.where == "path",
        "description": parameter.meaning,
        "schema": parameter.schema,
    }
    return written if parameter.example is None else written | {"example": parameter.example}


def _answer(operation: Operation, references: dict[type[Struct], Any]) -> dict[str, Any]:
    if operation.success in _BODYLESS:
        return {"description": "done"}
    return {"description": "done", "content": _content(operation.answer, operation.answer_types, references)}


def _errors(operation: Operation, references: dict[type[Struct], Any]) -> dict[str, Any]:
    # A redirection has no body, and says nothing of one.
    return {
        str(status): {"description": STATUSES[status]}
        | ({"content": _error(operation, status, references)} if status >= _FIRST_ERROR else {})
        for status in operation.statuses
    }


def _error(operation: Operation, status: int, references: dict[type[Struct], Any]) -> dict[str, Any]:
    if operation.error is None:
        return {}
    if status == _UNAUTHORIZED and operation.unauthorized is not None:
        return _content(operation.unauthorized, ("application/json",), references)
    return _content(operation.error, operation.error_types or operation.answer_types, references)


def _content(
    document: type[Struct] | None, media_types: tuple[str, ...], references: dict[type[Struct], Any]
) -> dict[str, Any]:
    # A schema says what JSON looks like; the shape of XML is in its own schema.
    return {
        media_type: {"schema": references[document]} if document and "json" in media_type else {}
        for media_type in media_types
    }
