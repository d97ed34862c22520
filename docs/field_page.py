"""Every field of the published samples and of the official SDK's models: served, or absent with the reason.

What is served is read from the structs that are; reasons stand in ``absent_fields.toml``. A field that is
neither served nor has a reason is an error, and so is a reason for a field that is served.
"""

import json
import tomllib
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any

from litestar.handlers import HTTPRouteHandler
from msgspec import Struct, inspect
from pydantic import BaseModel
from thousandeyes_sdk.administrative import models as administrative
from thousandeyes_sdk.endpoint_agents import models as endpoint_agents
from thousandeyes_sdk.endpoint_test_results import models as results

from hopsight.server.api.description import operation_of
from hopsight.server.api.v6 import routes as v6
from hopsight.server.api.v7 import routes as v7
from hopsight.server.api.xml_writer import value_type

ROOT = Path(__file__).parent
SAMPLES = ROOT.parent / "spec" / "samples"
REASONS = ROOT / "absent_fields.toml"

_DATA = "/v6/endpoint-data"
_RESULTS = "/v7/endpoint/test-results"
# Resource, and the published samples of its answer.
SAMPLED: dict[str, tuple[str, ...]] = {
    f"{_DATA}/user-sessions/network": ("network-sessions",),
    f"{_DATA}/user-sessions": ("user-sessions", "user-sessions-filtered"),
    f"{_DATA}/user-sessions/{{userSessionId:str}}": ("user-session-detail",),
    f"{_DATA}/user-sessions/web": ("web-sessions",),
    f"{_DATA}/user-sessions/{{userSessionId:str}}/page/{{pageId:str}}": ("web-page-har",),
    f"{_DATA}/network-topology": ("network-topology",),
    f"{_DATA}/network-topology/{{networkProbeId:str}}": ("network-topology-detail",),
    f"{_DATA}/networks": ("networks",),
    "/v6/endpoint-agents": ("endpoint-agents",),
    "/v6/endpoint-agents/{agentId:str}": ("endpoint-agent-detail",),
    "/v6/endpoint-agents/transfer": ("endpoint-agents-transfer",),
    "/v6/account-groups": ("account-groups",),
    "/v6/account-groups/{groupId:str}": ("account-group-detail",),
}
# Resource, and the SDK's model of its answer.
MODELLED: dict[str, type[BaseModel]] = {
    f"{_RESULTS}/real-user-tests/networks/filter": results.RealUserEndpointTestNetworkResults,
    f"{_RESULTS}/real-user-tests/filter": results.RealUserEndpointTestResults,
    f"{_RESULTS}/real-user-tests/{{id:str}}": results.RealUserEndpointTestDetailResults,
    f"{_RESULTS}/real-user-tests/pages/filter": results.RealUserEndpointTestPageResults,
    f"{_RESULTS}/real-user-tests/{{id:str}}/pages/{{pageId:str}}": (
        results.RealUserEndpointTestPageDetailResult
    ),
    f"{_RESULTS}/local-networks/topologies/filter": results.LocalNetworkTopologyResults,
    f"{_RESULTS}/local-networks/topologies/{{networkTopologyId:str}}": (
        results.LocalNetworkTopologyDetailResults
    ),
    f"{_RESULTS}/local-networks": results.LocalNetworkResults,
    "/v7/endpoint/agents": endpoint_agents.ListEndpointAgentsResponse,
    "/v7/endpoint/agents/{agentId:str}": endpoint_agents.EndpointAgent,
    "/v7/endpoint/agents/transfer/bulk": endpoint_agents.BulkAgentTransferResponse,
    "/v7/endpoint/agents/connection-string": endpoint_agents.ConnectionString,
    "/v7/account-groups": administrative.AccountGroups,
    "/v7/account-groups/{accountGroupId:str}": administrative.AccountGroupDetail,
}
ALWAYS, WHEN_KNOWN = "served", "served where it is known"
# Links of HAL say more than any server fills in.
_LINKS = "_links"


def answers() -> dict[str, type[Struct]]:
    """The struct of each resource's answer, by path; of several methods, the reading one's."""
    found: dict[str, type[Struct]] = {}
    for handler in (*v6.HANDLERS, *v7.HANDLERS):
        assert isinstance(handler, HTTPRouteHandler)
        operation = operation_of(handler)
        if operation is not None and operation.answer is not None:
            for path in handler.paths:
                if path not in found or "GET" in handler.http_methods:
                    found[path] = operation.answer
    return found


def served_fields(struct: type[Struct]) -> dict[str, str]:
    """Every field of an answer by its path (``a[].b``), and whether it is always there."""
    return dict(_of_struct(struct, "", always=True))


def _of_struct(struct: type[Struct], prefix: str, *, always: bool) -> Iterator[tuple[str, str]]:
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    for field in info.fields:
        there = always and field.required
        yield from _of_type(field.type, f"{prefix}{field.encode_name}", always=there)


def _of_type(type_: inspect.Type, path: str, *, always: bool) -> Iterator[tuple[str, str]]:
    type_ = value_type(type_)
    if isinstance(type_, inspect.StructType):
        yield from _of_struct(type_.cls, f"{path}.", always=always)
    elif isinstance(type_, inspect.ListType | inspect.VarTupleType) and isinstance(
        value_type(type_.item_type), inspect.StructType
    ):
        yield from _of_type(type_.item_type, f"{path}[]", always=always)
    else:
        yield path, ALWAYS if always else WHEN_KNOWN


def sampled_fields(names: Iterable[str]) -> set[str]:
    """Every field of some samples by its path."""
    return {
        path for name in names for path in _of_value(json.loads((SAMPLES / f"{name}.json").read_bytes()), "")
    }


def _of_value(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _of_value(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for item in value:
            yield from _of_value(item, f"{path}[]")
    else:
        yield path


def modelled_fields(model: type[BaseModel]) -> set[str]:
    """Every field of a model by its path."""
    return set(_of_model(model, "", ()))


def _of_model(model: type[BaseModel], prefix: str, above: tuple[type[BaseModel], ...]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        inner, many = _inner_model(field.annotation)
        if inner is None or inner in above or (field.alias or name) == _LINKS:
            yield path
        else:
            yield from _of_model(inner, f"{path}{'[]' if many else ''}.", (*above, model))


def _inner_model(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The model in an annotation, and whether it is in a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is list:
        return _inner_model(inside[0])[0], True
    if origin in {typing.Union, UnionType, typing.Annotated}:
        found = [_inner_model(each) for each in inside]
        return next((each for each in found if each[0] is not None), (None, False))
    return None, False


class Fields(typing.NamedTuple):
    """The fields of a resource.

    Args:
        served: path to when it is there.
        absent: path to the reason.
        unexplained: neither served nor with a reason.
        idle: reasons for nothing that is absent.
    """

    served: dict[str, str]
    absent: dict[str, str]
    unexplained: set[str]
    idle: set[str]


def fields_of(
    path: str, published: set[str], everywhere: Mapping[str, str], own: Mapping[str, str]
) -> Fields:
    """Hold what is published of a resource against what is served.

    Args:
        path: of the resource.
        published: its fields.
        everywhere: reasons by the name of any part of a field's path.
        own: reasons of this resource by the beginning of a field's path.
    """
    ours = served_fields(answers()[path])
    served, absent, unexplained = {}, {}, set()
    for field in published:
        when = _served(field, ours)
        reason = _own_reason(field, own) or next(
            (everywhere[each] for each in _segments(field) if each in everywhere), None
        )
        if when is not None:
            served[field] = when
        elif reason is not None:
            absent[field] = reason
        else:
            unexplained.add(field)
    idle = {part for part in own if not any(_is_in(field, part) for field in absent)}
    return Fields(served, absent, unexplained, idle)


def _served(field: str, ours: Mapping[str, str]) -> str | None:
    """When it is there; None: never. What ours leaves open has all that is inside, and the reverse."""
    near = (when for each, when in ours.items() if _is_in(field, each) or _is_in(each, field))
    return next(near, None)


def _own_reason(field: str, own: Mapping[str, str]) -> str | None:
    return next((reason for part, reason in own.items() if _is_in(field, part)), None)


def _is_in(field: str, part: str) -> bool:
    return field == part or field.startswith((f"{part}.", f"{part}[]"))


def _segments(field: str) -> list[str]:
    return field.replace("[]", "").split(".")


def published_fields() -> dict[str, set[str]]:
    """What is published of each resource, by path."""
    sampled = {path: sampled_fields(names) for path, names in SAMPLED.items()}
    return sampled | {path: modelled_fields(model) for path, model in MODELLED.items()}


def all_fields() -> dict[str, Fields]:
    """Every resource's, by path; the last, ``everywhere``, has the reasons that are idle in all of them."""
    given = tomllib.loads(REASONS.read_text(encoding="utf-8"))
    everywhere = given["everywhere"]
    found = {
        path: fields_of(path, fields, everywhere, given.get(path, {}))
        for path, fields in published_fields().items()
    }
    used = {segment for fields in found.values() for field in fields.absent for segment in _segments(field)}
    idle = (set(everywhere) - used) | (given.keys() - found.keys() - {"everywhere"})
    return found | {"everywhere": Fields({}, {}, set(), idle)}


def field_page(note: str) -> str:
    """The page."""
    lines = [
        "# Fields: served, or absent with the reason",
        note,
        "",
        "Every field of the published samples of version 6 (`spec/samples/`), and of the models of the",
        "official SDK for version 7. What is served where it is known is absent where it is not: never zero,",
        "never empty.",
    ]
    for path, fields in all_fields().items():
        if path not in SAMPLED and path not in MODELLED:
            continue
        clean = path.replace(":str", "")
        count = f"{len(fields.served)} served, {len(fields.absent)} absent"
        lines += ["", f"## {clean}", "", f"{count}.", "", "| field | |", "|---|---|"]
        rows = fields.served | {field: f"absent: {reason}" for field, reason in fields.absent.items()}
        lines += [f"| `{field}` | {rows[field]} |" for field in sorted(rows)]
    return "\n".join(lines) + "\n"
