"""XML from structs: one function per struct type, written once from the type's fields, then compiled.

A generic walk asks every value of every record what it is; the types know. Same names and same content
as msgspec's JSON of the same struct: absent fields stay absent, numbers are formatted alike.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, inspect

from hopsight.server.api.names import singular

Writer = Callable[[Any], str]

PROLOGUE: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'

# Markup, CR (a parser would turn it into LF), and what XML 1.0 cannot carry at all.
_SPECIAL: Final = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"

_number = msgspec.json.Encoder().encode


def escape(text: str) -> str:
    """Text as XML can carry it; characters that it cannot become U+FFFD."""
    if _SPECIAL.search(text) is None:
        return text
    return _SPECIAL.sub(lambda match: _ENTITIES.get(match[0], _REPLACEMENT), text)


def _float(value: float) -> str:
    return _number(value).decode()


def _bool(value: bool) -> str:
    return "true" if value else "false"


_SCALARS: Final[dict[type, str]] = {
    inspect.StrType: "escape",
    inspect.IntType: "str",
    inspect.FloatType: "number",
    inspect.BoolType: "boolean",
    # Ours are of texts alone.
    inspect.LiteralType: "escape",
}


class XmlWriters:
    """The writers of some struct types, and of those that they are made of."""

    def __init__(self) -> None:
        self._writers: dict[type[Struct], str] = {}
        self._names: dict[str, Any] = {"escape": escape, "number": _float, "boolean": _bool, "UNSET": UNSET}

    def writer(self, struct: type[Struct]) -> Writer:
        """The function that writes the content of a struct: its elements, without one around them.

        Raises:
            TypeError: a field's type has no form in XML here.
        """
        writer: Writer = self._names[self._struct_writer(struct)]
        return writer

    def _struct_writer(self, struct: type[Struct]) -> str:
        if struct not in self._writers:
            lines = list(self._lines(struct))
            self._writers[struct] = self._compile("value", ["out = ''", *lines, "return out"])
        return self._writers[struct]

    def _list_writer(self, key: str, item: inspect.Type) -> str:
        tag = singular(key)
        expression = self._expression(tag, value_type(item), "item")
        line = f"return ''.join([f'<{tag}>{{{expression}}}</{tag}>' for item in items])"
        return self._compile("items", [line])

    def _compile(self, argument: str, lines: list[str]) -> str:
        name = f"write_{len(self._names)}"
        source = "\n    ".join([f"def {name}({argument}):", *lines])
        # The source is made of nothing but the field names of our own types.
        exec(compile(source, f"<{name}>", "exec"), self._names)  # noqa: S102
        return name

    def _lines(self, struct: type[Struct]) -> Iterator[str]:
        info = inspect.type_info(struct)
        if not isinstance(info, inspect.StructType) or info.array_like:
            raise TypeError(f"{struct.__name__} has no form in XML")
        for field in info.fields:
            key = field.encode_name
            variable = f"value.{field.name}"
            expression = self._expression(key, value_type(field.type), variable)
            condition = _presence(field, struct, variable)
            yield f"{condition}out += f'<{key}>{{{expression}}}</{key}>'"

    def _expression(self, key: str, type_: inspect.Type, variable: str) -> str:
        scalar = _SCALARS.get(type(type_))
        if scalar is not None:
            return f"{scalar}({variable})"
        if isinstance(type_, inspect.StructType):
            return f"{self._struct_writer(type_.cls)}({variable})"
        if isinstance(type_, inspect.ListType | inspect.VarTupleType):
            return f"{self._list_writer(key, type_.item_type)}({variable})"
        raise TypeError(f"{key}: {type_} has no form in XML")


def value_type(type_: inspect.Type) -> inspect.Type:
    """The type of a field's value when it is there: without bounds and None."""
    if isinstance(type_, inspect.Metadata):
        return value_type(type_.type)
    if isinstance(type_, inspect.UnionType):
        present = [member for member in type_.types if not isinstance(member, inspect.NoneType)]
        if len(present) == 1:
            return value_type(present[0])
    return type_


def is_optional(field: inspect.Field, struct: type[Struct]) -> bool:
    """Whether JSON of this struct may go without the field."""
    if field.default_factory not in {msgspec.NODEFAULT, list, tuple}:
        # What a function makes is never left out.
        return False
    return not field.required and (struct.__struct_config__.omit_defaults or field.default is UNSET)


def _presence(field: inspect.Field, struct: type[Struct], variable: str) -> str:
    """An ``if`` that holds when JSON would carry the field; empty: always."""
    if not is_optional(field, struct):
        return ""
    if field.default is None:
        return f"if {variable} is not None: "
    if field.default is UNSET:
        return f"if {variable} is not UNSET: "
    if field.default == ():
        return f"if {variable}: "
    raise TypeError(f"{struct.__name__}.{field.name}: a default other than None or UNSET")
