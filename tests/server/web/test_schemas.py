"""Schemas in words."""

from typing import Any

import pytest

from hopsight.server.web.rendering import prose
from hopsight.server.web.schemas import describe_document, describe_value


@pytest.mark.parametrize(
    ("schema", "kind", "bounds"),
    [
        ({"type": "string"}, "text", ""),
        ({"type": "number", "minimum": 0, "maximum": 100}, "number", "0 to 100"),
        ({"type": "integer", "minimum": 0, "exclusiveMaximum": 1000}, "integer", "from 0; below 1,000"),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}], "default": None}, "true or false", ""),
        ({"type": "boolean", "default": True}, "true or false", "default true"),
        ({"enum": ["auto", "icmp", "tcp"]}, "`auto`, `icmp` or `tcp`", ""),
        ({"enum": ["json"]}, "`json`", ""),
        (
            {"type": "array", "items": {"type": "string", "maxLength": 9}, "minItems": 1, "maxItems": 2},
            "list of text",
            "1 to 2 items; each at most 9 characters",
        ),
        ({}, "any value", ""),
    ],
)
def test_values_are_put_into_words(schema: dict[str, Any], kind: str, bounds: str) -> None:
    """What a value is and what must hold for it, without JSON Schema's vocabulary."""
    value = describe_value(schema)
    assert (value.kind, value.bounds) == (kind, bounds)


def test_lists_of_documents_name_them() -> None:
    """A reference is followed through a list and through "or null"."""
    listed = {"type": "array", "items": {"$ref": "#/components/schemas/Target"}}
    value = describe_value({"anyOf": [listed, {"type": "null"}]})
    assert (value.kind, value.document) == ("list of Target", "Target")


def test_docstrings_tell_what_fields_mean() -> None:
    """The arguments of a struct's docstring become meanings of fields, under their names on the wire."""
    described = describe_document(
        "Record",
        {
            "description": "One record.\n\n    Args:\n        visited_site: host\n            measured.",
            "properties": {"visitedSite": {"type": "string"}, "loss": {"description": "percent"}},
            "required": ["loss"],
        },
    )
    assert described.meaning == "One record."
    assert [(field.name, field.meaning, field.required) for field in described.fields] == [
        ("visitedSite", "host measured.", False),
        ("loss", "percent", True),
    ]


def test_prose_escapes_before_it_marks_up() -> None:
    """Backticks become code; everything else stays text."""
    assert prose("`a<b>` and ``c`` <i>") == "<code>a&lt;b&gt;</code> and <code>c</code> &lt;i&gt;"
