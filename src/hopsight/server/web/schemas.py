"""JSON Schema in words: what a value is, what is accepted, and which document describes it further."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from hopsight.model.agents import PRINTABLE

Schema = Mapping[str, Any]

_TYPES: Final = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
}
_ARGUMENT: Final = re.compile(r"^ {8}(\w+): (.*(?:\n {10,}.*)*)", re.MULTILINE)
# Guards against a final line feed: what a reader wants to know stands before it.
_GUARD: Final = r"(?!\n)"


class Value(Struct, frozen=True, kw_only=True):
    """What a parameter or field may be.

    Args:
        kind: in words.
        document: the one that describes it further; empty: none does.
        bounds: what else must hold, as phrases.
        pattern: regular expression of a text; empty: none, or one that ``bounds`` has in words.
    """

    kind: str
    document: str
    bounds: str
    pattern: str


class Field(Struct, frozen=True, kw_only=True):
    """One field of a document."""

    name: str
    value: Value
    required: bool
    meaning: str


class Document(Struct, frozen=True, kw_only=True):
    """An object of the API: its fields in order."""

    name: str
    meaning: str
    fields: list[Field]


def describe_value(schema: Schema) -> Value:
    """Put the schema of a value into words; ``null`` as an alternative is what "may be absent" says."""
    present = _present(schema)
    items = _present(present["items"]) if present.get("type") == "array" else None
    innermost = present if items is None else items
    kind = _kind(innermost)
    bounds = [*_bounds(present)]
    if items is not None:
        kind = f"list of {kind}"
        bounds += [f"each {bound}" for bound in _bounds(items)]
    pattern = innermost.get("pattern", "")
    return Value(
        kind=kind,
        document=reference(innermost),
        bounds="; ".join(bounds),
        pattern="" if pattern == PRINTABLE else pattern.removesuffix(_GUARD),
    )


def describe_document(name: str, schema: Schema) -> Document:
    """Put the schema of an object into words; its description may name fields as docstrings do."""
    text = schema.get("description", "")
    meaning, _, arguments = text.partition("\n\n    Args:\n")
    meanings = {_camel(key): " ".join(words.split()) for key, words in _ARGUMENT.findall(arguments)}
    required = schema.get("required", ())
    fields = [
        Field(
            name=key,
            value=describe_value(value),
            required=key in required,
            meaning=meanings.get(key) or _present(value).get("description", ""),
        )
        for key, value in schema.get("properties", {}).items()
    ]
    return Document(name=name, meaning=" ".join(meaning.split()), fields=fields)


def reference(schema: Schema) -> str:
    """The name of the document that a schema refers to; empty: it stands for itself."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _present(schema: Schema) -> Schema:
    choices = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    return choices[0] if len(choices) == 1 else schema


def _kind(schema: Schema) -> str:
    if "$ref" in schema:
        return reference(schema)
    if "enum" in schema:
        *most, last = [f"`{value}`" for value in schema["enum"]]
        return f"{', '.join(most)} or {last}" if most else last
    return _TYPES.get(schema.get("type", ""), "any value")


def _bounds(schema: Schema) -> Iterator[str]:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        yield f"{least:,} to {most:,}"
    elif least is not None:
        yield f"from {least:,}"
    elif most is not None:
        yield f"up to {most:,}"
    if "exclusiveMaximum" in schema:
        yield f"below {schema['exclusiveMaximum']:,}"
    if "multipleOf" in schema:
        yield f"multiple of {schema['multipleOf']}"
    yield from _lengths(schema, "Length", "characters")
    yield from _lengths(schema, "Items", "items")
    if schema.get("pattern") == PRINTABLE:
        yield "no control characters"
    if schema.get("default") not in (None, [], {}):
        yield f"default {schema['default']}".replace("True", "true").replace("False", "false")


def _lengths(schema: Schema, suffix: str, unit: str) -> Iterator[str]:
    least, most = schema.get(f"min{suffix}"), schema.get(f"max{suffix}")
    if least is not None and most is not None:
        yield f"{least:,} to {most:,} {unit}"
    elif most is not None:
        yield f"at most {most:,} {unit}"
    elif least is not None:
        yield f"at least {least:,} {unit}"


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)
