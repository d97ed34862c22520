"""Parts of answers that the dialects share."""

from typing import Any, Final

import msgspec
from msgspec import Struct, field

from hopsight.model.sessions import DateTime


class Pages(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where in a list we are: the page's number, and the URL of the next one if there is one."""

    current: int
    next: str | None = None


class Tail(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What follows the records of a page: the time range if one was asked for, and the pages."""

    from_: DateTime | None = field(default=None, name="from")
    to: DateTime | None = None
    pages: Pages


class ErrorDocument(Struct, rename="camel", frozen=True, kw_only=True):
    """What went wrong, and what would be accepted."""

    error_message: str


def records_answer(list_key: str, item: type[Struct], name: str, *, or_one: bool = False) -> type[Struct]:
    """The answer that is a page of records: its list, then the tail; ``or_one``: or one without a tail."""
    tail = [_tail_field(each, optional=or_one) for each in _TAIL]
    first = (list_key, list[item])  # type: ignore[valid-type]
    return msgspec.defstruct(name, [first, *tail], kw_only=True, omit_defaults=True)


def _tail_field(given: msgspec.structs.FieldInfo, *, optional: bool) -> tuple[str, Any, Any]:
    if optional:
        return given.name, given.type | None, field(default=None, name=given.encode_name)
    return given.name, given.type, field(default=given.default, name=given.encode_name)


def join_page(list_key: str, bodies: list[bytes], tail: Tail) -> bytes:
    """The same as JSON, from documents that are JSON already."""
    return b'{"%b":[%b],%b' % (list_key.encode(), b",".join(bodies), _encode(tail)[1:])


def merged(body: bytes, detail: bytes | None) -> bytes:
    """One object of the fields of two, as both are written: no field is in both."""
    if detail is None or detail == b"{}":
        return body
    return body[:-1] + b"," + detail[1:]


_TAIL: Final = msgspec.structs.fields(Tail)
_encode: Final = msgspec.json.Encoder().encode
