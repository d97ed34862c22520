"""IP addresses in their one spelling, wherever in a document they stand."""

import ipaddress
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct, structs

from hopsight.errors import InvalidValueError

_CACHED: Final = 16_384
_ACCEPTED: Final = "an IP address"

T = TypeVar("T", bound=Struct)
Step = Callable[[Any], Any]
"""From a value to the same with addresses in one spelling: the value itself where nothing changes."""


class _Plan(msgspec.Struct, frozen=True):
    """What to do with one field: its name here and in JSON."""

    name: str
    written: str
    step: Step


@lru_cache(maxsize=_CACHED)
def canonical_address(text: str) -> str | None:
    """An IP address in its one spelling; None: it is none (nor is one with a zone: it means nothing here)."""
    if "%" in text:
        return None
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def with_canonical_addresses(document: T) -> T:
    """The same document with every address in it in its one spelling, and without zones.

    Which fields hold addresses, their types say (``IpAddressText``).

    Raises:
        InvalidValueError: one of them is no address; its ``name`` is the way to that field.
    """
    changes = {}
    for field in _plan(type(document)):
        given = getattr(document, field.name)
        if given is None:
            continue
        try:
            made = field.step(given)
        except InvalidValueError as error:
            name = ".".join(part for part in (field.written, error.name) if part)
            raise InvalidValueError(name, error.value, error.accepted) from None
        if made is not given:
            changes[field.name] = made
    return structs.replace(document, **changes) if changes else document


def _address(text: str) -> str:
    made = canonical_address(text.partition("%")[0])
    if made is None:
        raise InvalidValueError("", text, _ACCEPTED)
    return text if made == text else made


def _each(step: Step) -> Step:
    def of_all(given: tuple[Any, ...]) -> tuple[Any, ...]:
        made = tuple(step(item) for item in given)
        return given if all(new is old for new, old in zip(made, given, strict=True)) else made

    return of_all


@lru_cache(maxsize=64)
def _plan(document: type[Struct]) -> tuple[_Plan, ...]:
    info = msgspec.inspect.type_info(document)
    if not isinstance(info, msgspec.inspect.StructType):
        raise TypeError(f"{document} is no struct")
    steps = ((field, _step(field.type)) for field in info.fields)
    return tuple(_Plan(field.name, field.encode_name, step) for field, step in steps if step is not None)


def _step(type_: msgspec.inspect.Type) -> Step | None:
    """What to do with a value of a type; None: there is no address in it."""
    if isinstance(type_, msgspec.inspect.UnionType):
        found = [step for each in type_.types if (step := _step(each)) is not None]
        return found[0] if found else None
    if isinstance(type_, msgspec.inspect.Metadata):
        if (type_.extra_json_schema or {}).get("format") == "ip":
            return _address
        return _step(type_.type)
    if isinstance(type_, msgspec.inspect.VarTupleType):
        item = _step(type_.item_type)
        return _each(item) if item is not None else None
    if isinstance(type_, msgspec.inspect.StructType):
        return with_canonical_addresses if _plan(type_.cls) else None
    return None
