"""The API's description (OpenAPI) as a page shows it: operations by tag, then the documents."""

from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Struct

from hopsight.server.web.schemas import Document, Value, describe_document, describe_value, reference

_CREDENTIALS: Final = {
    "token": ("token, as Bearer", "-H 'Authorization: Bearer TOKEN'"),
    "emailAndToken": ("e-mail address and token, as HTTP Basic", "-u 'EMAIL:TOKEN'"),
    "accountGroupKey": ("the key of a connection string, as Bearer", "-H 'Authorization: Bearer KEY'"),
    "agentSecret": ("agent ID and secret, as HTTP Basic", "-u 'AGENT_ID:SECRET'"),
}
# What tells the most when a way of signing in is to be shown.
_SHOWN_FIRST: Final = "emailAndToken"
BODIES: Final = {
    "search_network_sessions": '{"searchFilters": [{"key": "connection", "values": ["Wireless"]}]}',
}
"""Bodies to try, by operation; the others show a file."""


class ShownParameter(Struct, frozen=True, kw_only=True):
    """A parameter: where it goes, and what it may be."""

    name: str
    where: str
    required: bool
    meaning: str
    value: Value


class ShownStatus(Struct, frozen=True, kw_only=True):
    """A status that an operation may answer with, and the document that comes with it, if one does."""

    code: str
    meaning: str
    document: str


class ShownOperation(Struct, frozen=True, kw_only=True):
    """One method of one path.

    Args:
        anchor: its name in links.
        credentials: the ways to sign in, in words; none: nobody asks.
        body: the document that is posted; empty: nothing is.
        answer: the document that comes back; empty: not one of ours.
        media_types: of the answer.
        example: a curl command.
    """

    anchor: str
    method: str
    path: str
    summary: str
    credentials: list[str]
    parameters: list[ShownParameter]
    body: str
    body_required: bool
    answer: str
    media_types: list[str]
    statuses: list[ShownStatus]
    example: str


class Reference(Struct, frozen=True, kw_only=True):
    """Everything that the page shows: operations by tag, and documents by name."""

    about: str
    groups: dict[str, list[ShownOperation]]
    documents: list[Document]


@lru_cache(maxsize=8)
def describe_reference(openapi: bytes, base: str) -> Reference:
    """Read the description; ``base`` is how the client calls this server, for examples that work."""
    described = msgspec.json.decode(openapi)
    groups: dict[str, list[ShownOperation]] = {}
    for path, item in described["paths"].items():
        for method, operation in item.items():
            shown = _operation(method.upper(), path, operation, base)
            for tag in operation["tags"]:
                groups.setdefault(tag, []).append(shown)
    schemas = described["components"]["schemas"]
    documents = [describe_document(name, schemas[name]) for name in sorted(schemas)]
    return Reference(about=described["info"]["description"], groups=groups, documents=documents)


def _operation(method: str, path: str, operation: dict[str, Any], base: str) -> ShownOperation:
    body = operation.get("requestBody", {})
    done, *_ = operation["responses"].values()
    schemes = [scheme for choice in operation["security"] for scheme in choice]
    return ShownOperation(
        anchor=f"operation-{operation['operationId']}",
        method=method,
        path=path,
        summary=operation["summary"],
        credentials=[_CREDENTIALS[scheme][0] for scheme in schemes],
        parameters=[_parameter(parameter) for parameter in operation["parameters"]],
        body=_document_of(body),
        body_required=body.get("required", False),
        answer=_document_of(done),
        media_types=list(done.get("content", {})),
        statuses=[
            ShownStatus(code=code, meaning=answer["description"], document=_document_of(answer))
            for code, answer in operation["responses"].items()
        ],
        example=_example(method, path, operation, schemes, base),
    )


def _parameter(parameter: dict[str, Any]) -> ShownParameter:
    return ShownParameter(
        name=parameter["name"],
        where=parameter["in"],
        required=parameter["required"],
        meaning=parameter["description"],
        value=describe_value(parameter["schema"]),
    )


def _document_of(content: dict[str, Any]) -> str:
    schemas = [each["schema"] for each in content.get("content", {}).values() if "schema" in each]
    return reference(schemas[0]) if schemas else ""


def _example(method: str, path: str, operation: dict[str, Any], schemes: list[str], base: str) -> str:
    parts = ["curl"]
    if schemes:
        parts.append(_CREDENTIALS[_SHOWN_FIRST if _SHOWN_FIRST in schemes else schemes[0]][1])
    if method != ("POST" if "requestBody" in operation else "GET"):
        parts.append(f"-X {method}")
    if "requestBody" in operation:
        body = BODIES.get(operation["operationId"], "@body.json")
        parts += ["-H 'Content-Type: application/json' \\\n ", f"--data '{body}' \\\n "]
    examples = [
        f"{parameter['name']}={parameter['example']}"
        for parameter in operation["parameters"]
        if parameter["in"] == "query" and "example" in parameter
    ]
    query = f"?{'&'.join(examples)}" if examples else ""
    parts.append(f"'{base}{path}{query}'")
    return " ".join(parts)
