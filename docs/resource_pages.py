"""One page for each resource: parameters, statuses, every field, and a ``curl`` line that works.

``tests/test_docs_curl.py`` runs each of those lines against a server.
"""

import re
from collections.abc import Iterable, Iterator

from litestar.handlers import HTTPRouteHandler
from msgspec import Struct, inspect

from hopsight.server.api.description import STATUSES, Operation, Parameter, operation_of
from hopsight.server.api.xml_writer import value_type

Described = tuple[str, str, Operation]
"""Method, path, what it does."""

UNDOCUMENTED = {"Agents", "Service"}
"""Groups without pages: the agents' own interface (`model/upload.py` is its contract), and status."""

FILTERED = '{"searchFilters": [{"key": "platform", "values": ["Linux", "Mac", "Windows"]}]}'
FILTERED_V7 = '{"searchFilters": {"platform": ["linux", "mac", "windows"]}}'
# What is posted, by method and path; an operation with a body that is not here is asked with a filter.
BODIES = {
    ("POST", "/v6/endpoint-agents/{agentId}"): '{"newAgentName": "reception"}',
    ("POST", "/v6/endpoint-agents/transfer"): "$AGENT_ID,$AID,$OTHER_AID",
    ("POST", "/v6/users/new"): (
        '{"name": "Jo", "email": "jo@example.com", "loginAccountGroup": {"aid": 1},'
        ' "accountGroupRoles": [{"aid": 1, "roles": [{"roleId": 3}]}]}'
    ),
    ("POST", "/v6/users/{uid}/update"): '{"name": "Jo March"}',
    ("POST", "/v7/account-groups"): '{"accountGroupName": "Branch office"}',
    ("PUT", "/v7/account-groups/{accountGroupId}"): '{"accountGroupName": "Head office"}',
    ("PATCH", "/v7/endpoint/agents/{agentId}"): '{"name": "reception"}',
    ("POST", "/v7/endpoint/agents/{agentId}/transfer"): '{"toAid": "$OTHER_AID"}',
    ("POST", "/v7/endpoint/agents/transfer/bulk"): (
        '{"transfers": [{"agentId": "$AGENT_ID", "fromAid": "$OTHER_AID", "toAid": "$AID"}]}'
    ),
    ("POST", "/v7/endpoint/test-results/real-user-tests/pages/filter"): (
        '{"platform": ["linux", "mac", "windows"]}'
    ),
    ("POST", "/hopsight/v1/alert-rules"): (
        '{"name": "Slow CRM", "metric": "latency", "threshold": 150, "rounds": 3, "ofRounds": 5,'
        ' "minAgents": 3, "filters": [{"key": "visitedSite", "values": ["crm.example.org"]}]}'
    ),
    ("PUT", "/hopsight/v1/alert-rules/{ruleId}"): '{"name": "Slow", "metric": "latency", "threshold": 200}',
    ("POST", "/hopsight/v1/maintenance-windows"): (
        '{"name": "Patch night", "startS": 1700000000, "endS": 1700007200, "weekly": true}'
    ),
    ("PUT", "/hopsight/v1/maintenance-windows/{windowId}"): (
        '{"name": "New firmware", "startS": 1700000000, "endS": 1700003600}'
    ),
}
REFUSED = ("/v6/roles/new", "/v6/roles/{roleId}/update", "/v6/roles/{roleId}/delete")
"""Paths that are there to say no."""
PLAIN_TYPES = {
    inspect.StrType: "string",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.BoolType: "boolean",
    inspect.LiteralType: "string",
    inspect.EnumType: "string",
    inspect.AnyType: "any",
    inspect.RawType: "any",
}


def resource_pages(handlers: Iterable[object], note: str) -> dict[str, str]:
    """The pages by file name."""
    groups: dict[str, list[Described]] = {}
    for handler in handlers:
        if isinstance(handler, HTTPRouteHandler) and (operation := operation_of(handler)) is not None:
            for path in sorted(handler.paths):
                clean = re.sub(r"\{(\w+):\w+\}", r"{\1}", path)
                for method in sorted(handler.http_methods):
                    groups.setdefault(operation.tag, []).append((str(method), clean, operation))
    return {
        f"resources/{slug(tag)}.md": page(tag, found, note)
        for tag, found in groups.items()
        if tag not in UNDOCUMENTED
    }


def slug(tag: str) -> str:
    """A group's name in a file name."""
    return re.sub(r"[^a-z0-9]+", "-", tag.lower()).strip("-")


def page(tag: str, found: list[Described], note: str) -> str:
    """One group of operations."""
    lines = [
        f"# {tag}",
        note,
        "",
        "`$URL` is a server, `$TOKEN` a token of one of its users; times are UTC.",
    ]
    for method, path, operation in found:
        lines += ["", f"## {method} {path}", "", f"{operation.summary}.", ""]
        lines += example(method, path, operation)
        if operation.parameters:
            lines += ["", "| parameter | where | meaning |", "|---|---|---|"]
            lines += [parameter_row(each) for each in operation.parameters]
        if operation.answer is not None:
            lines += ["", "| field | type | |", "|---|---|---|", *fields(operation.answer, "", ())]
        answers = [f"{status} ({STATUSES[status]})" for status in operation.statuses if status in STATUSES]
        lines += ["", f"Besides {operation.success}: {'; '.join(answers)}."]
    return "\n".join(lines) + "\n"


def parameter_row(parameter: Parameter) -> str:
    """One parameter."""
    meaning = parameter.meaning.replace("|", "\\|")
    return f"| `{parameter.name}` | {parameter.where} | {meaning} |"


def example(method: str, path: str, operation: Operation) -> list[str]:
    """A command that works."""
    if path in REFUSED:
        return ["Always refused, with the reason."]
    url = re.sub(r"\{(\w+)\}", lambda match: "$" + variable(match[1]), path)
    words = ["curl -sf", '-H "Authorization: Bearer $TOKEN"']
    if method != "GET":
        words.append(f"-X {method}")
    body = BODIES.get((method, path))
    if body is None and operation.body is not None:
        body = FILTERED_V7 if path.startswith("/v7") else FILTERED
    if body is not None:
        content_type = "application/json" if body.startswith("{") else "text/csv"
        quoted = f"'{body}'" if "$" not in body else '"' + body.replace('"', '\\"') + '"'
        words += [f"-H 'Content-Type: {content_type}'", f"-d {quoted}"]
    return ["```", " ".join([*words, f'"$URL{url}"']), "```"]


def variable(name: str) -> str:
    """A path parameter as a variable of the shell."""
    if name == "uid":
        return "USER_ID"  # UID is the shell's own
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()


def fields(struct: type[Struct], prefix: str, above: tuple[type[Struct], ...]) -> Iterator[str]:
    """Every field of an answer, with those inside it."""
    info = inspect.type_info(struct)
    if struct in above or not isinstance(info, inspect.StructType):
        return
    for field in info.fields:
        kind, inner = described_type(field.type)
        presence = "" if field.required else "may be absent"
        name = f"{prefix}{field.encode_name}"
        yield f"| `{name}` | {kind} | {presence} |"
        if inner is not None:
            step = "[]." if kind.startswith("list") else "."
            yield from fields(inner, f"{name}{step}", (*above, struct))


def described_type(type_: inspect.Type) -> tuple[str, type[Struct] | None]:
    """A type in words, and the struct that it is or is a list of."""
    type_ = value_type(type_)
    if isinstance(type_, inspect.StructType):
        return "object", type_.cls
    if isinstance(type_, inspect.ListType | inspect.VarTupleType):
        kind, inner = described_type(type_.item_type)
        return f"list of {kind}s" if inner is None else "list of objects", inner
    if isinstance(type_, inspect.UnionType):
        members = [each for each in type_.types if not isinstance(each, inspect.NoneType)]
        return " or ".join(dict.fromkeys(described_type(each)[0] for each in members)), None
    return PLAIN_TYPES.get(type(type_), "object"), None
