"""An XML schema from the structs that XML is written from: the same fields in the same order."""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct, inspect

from hopsight.server.api.names import singular
from hopsight.server.api.xml_writer import PROLOGUE, is_optional, value_type

_SCALARS: Final[dict[type, str]] = {
    inspect.StrType: "xs:string",
    inspect.IntType: "xs:integer",
    inspect.FloatType: "xs:double",
    inspect.BoolType: "xs:boolean",
    inspect.LiteralType: "xs:string",
}


def write_schema(root: str, answers: Iterable[type[Struct]]) -> bytes:
    """Write the schema of documents whose ``root`` holds the fields of any one of ``answers``.

    No two answers may begin with the same field: the first element tells which it is.

    Raises:
        TypeError: a type has no form in XML, or two types share a name.
    """
    types: dict[str, tuple[type[Struct], str]] = {}
    choices = "".join(f"<xs:sequence>{_fields(answer, types)}</xs:sequence>" for answer in answers)
    named = "".join(
        f'<xs:complexType name="{name}"><xs:sequence>{content}</xs:sequence></xs:complexType>'
        for name, (_, content) in types.items()
    )
    return (
        f'{PROLOGUE}<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">'
        f'<xs:element name="{root}"><xs:complexType><xs:choice>{choices}</xs:choice></xs:complexType>'
        f"</xs:element>{named}</xs:schema>"
    ).encode()


def _fields(struct: type[Struct], types: dict[str, tuple[type[Struct], str]]) -> str:
    return "".join(_elements(struct, types))


def _elements(struct: type[Struct], types: dict[str, tuple[type[Struct], str]]) -> Iterator[str]:
    info = inspect.type_info(struct)
    if not isinstance(info, inspect.StructType):
        raise TypeError(f"{struct.__name__} has no form in XML")
    for field in info.fields:
        bounds = ' minOccurs="0"' if is_optional(field, struct) else ""
        yield _element(field.encode_name, value_type(field.type), bounds, types)


def _element(key: str, type_: inspect.Type, bounds: str, types: dict[str, tuple[type[Struct], str]]) -> str:
    scalar = _SCALARS.get(type(type_))
    if scalar is not None:
        return f'<xs:element name="{key}" type="{scalar}"{bounds}/>'
    if isinstance(type_, inspect.StructType):
        return f'<xs:element name="{key}" type="{_named(type_.cls, types)}"{bounds}/>'
    if isinstance(type_, inspect.ListType | inspect.VarTupleType):
        many = ' minOccurs="0" maxOccurs="unbounded"'
        item = _element(singular(key), value_type(type_.item_type), many, types)
        content = f"<xs:complexType><xs:sequence>{item}</xs:sequence></xs:complexType>"
        return f'<xs:element name="{key}"{bounds}>{content}</xs:element>'
    raise TypeError(f"{key}: {type_} has no form in XML")


def _named(struct: type[Struct], types: dict[str, tuple[type[Struct], str]]) -> str:
    name = struct.__name__
    if name not in types:
        types[name] = (struct, "")
        types[name] = (struct, _fields(struct, types))
    if types[name][0] is not struct:
        raise TypeError(f"two types are called {name}")
    return name
