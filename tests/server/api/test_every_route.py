"""Every route of every dialect, as the descriptions list them, with bad input: a 4xx in the dialect's shape.

Nothing here names a route: one that is added is walked from its first day.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from litestar.handlers import HTTPRouteHandler
from lxml import etree

from hopsight.model.accounts import Role
from hopsight.server.api.description import Operation, operation_of
from hopsight.server.api.hopsight import routes as own
from hopsight.server.api.v6 import routes as v6
from hopsight.server.api.v7 import routes as v7

pytestmark = pytest.mark.anyio

HUGE = "9" * 5_000
# Real IDs, of nobody here.
ELSEWHERE = {
    "groupId": "7626",
    "accountGroupId": "7626",
    "uid": "999999",
    "id": "07626:1490529480:aVDViw0i",
    "userSessionId": "07626:1490529480:aVDViw0i",
    "networkProbeId": "07626:39c518560de9:1491651900:236e6f18",
    "networkTopologyId": "07626:39c518560de9:1491651900:236e6f18",
    "agentId": "236e6f18-9637-4a2f-b15f-7aa6a29c9fce",
}
BAD_IDS = ("x", "%00", "%ff", "-1", "..", "%2e%2e%2f", "'", "07625:0:aVDViw0i", "07625:1:%0a", HUGE)
BAD_VALUES = ("", "x", "-1", "0", "%00", "%ff", "%zz", "1.5", "%0a", "2016-01-01", "null", HUGE)
BAD_BODIES = (
    b"{", b"[", b"null", b"1", b'"x"', b"\xff", b"\x00", b'{"searchFilters": 5}', b'{"searchFilters": [1]}',
    b'{"searchFilters": [{"key": "nothing", "values": ["x"]}]}', b'{"searchFilters": {"nothing": ["x"]}}',
    b'{"nothing": ["x"]}', b'{"searchFilters": [{"key": "agentId", "values": [1]}]}',
    b'{"searchFilters": {"agentId": "x"}}', b'{"newAgentName": ""}', b'{"newAgentName": 5}', b'{"name": []}',
    b'{"email": "x"}', b"[" * 10_000, b'{"a":' * 2_000 + b"1" + b"}" * 2_000, b"x" * (70 << 10),
)  # fmt: skip
OPEN = {"/v6/status", "/v6/docs/te-api-v6.xsd"}
"""Routes that need no credentials."""
READING_POSTS = (
    "/endpoint-data/",
    "/filter",
    *(f"/hopsight/v1/{name}" for name in ("user-sessions", "network-probes", "agent-states", "verdicts")),
)
"""A POST with one of these in its path reads: every role may."""
FAULTS = 500


def routes() -> Iterator[tuple[str, str, Operation]]:
    """Method, path and description of everything that programs of users may ask for."""
    for handler in (*v6.HANDLERS, *v7.HANDLERS, *own.HANDLERS):
        assert isinstance(handler, HTTPRouteHandler)
        operation = operation_of(handler)
        assert operation is not None, f"{handler} is not described"
        for path in sorted(handler.paths):
            for method in sorted(handler.http_methods):
                yield str(method), re.sub(r"\{(\w+):\w+\}", r"{\1}", path), operation


ROUTES = list(routes())
NAMES = [f"{method} {path}" for method, path, _ in ROUTES]
each_route = pytest.mark.parametrize(("method", "path", "operation"), ROUTES, ids=NAMES)


def filled(path: str, **values: str) -> str:
    """The path with IDs of nobody here in it, or with those given."""
    return re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], ELSEWHERE.get(match[1], "1")), path)


def check(answer: Any, path: str, what: str) -> None:
    """Whatever it is, it is no fault of ours, and an error has its dialect's shape."""
    where = f"{path} {what[:100]}: {answer.status_code} {answer.text[:200]}"
    assert answer.status_code < FAULTS, where
    if answer.status_code < 400:
        return
    if path.startswith("/v7"):
        check_problem(answer, where)
    elif answer.headers["Content-Type"].startswith("text/xml"):
        assert [child.tag for child in etree.fromstring(answer.content)] == ["errorMessage"], where
    else:
        assert answer.json().keys() == {"errorMessage"}, where


def check_problem(answer: Any, where: str) -> None:
    """An error of version 7: a problem document, or the words that 401 has of its own."""
    if answer.status_code == 401:
        assert answer.json().keys() == {"error", "error_description"}, where
        return
    assert answer.headers["Content-Type"] == "application/problem+json", where
    problem = answer.json()
    assert problem.keys() >= {"type", "title", "status", "detail", "instance"}, where
    assert problem["status"] == answer.status_code, where
    assert problem.get("errors") != [], where


def suffixes(path: str) -> tuple[str, ...]:
    """The formats that a path may be asked for in."""
    return (".json", ".xml") if path.startswith("/v6") and path not in OPEN else ("",)


@each_route
async def test_without_credentials_there_is_nothing(
    server: Any, method: str, path: str, operation: Operation
) -> None:
    """401 in the dialect's shape, whatever is asked."""
    if path in OPEN:
        assert not operation.security
        return
    async with server.client("") as client:
        for suffix in suffixes(path):
            answer = await client.request(method, filled(path) + suffix)
            assert answer.status_code == 401, answer.text
            assert "WWW-Authenticate" in answer.headers
            check(answer, path, "no credentials")


@each_route
async def test_bad_ids_in_paths(server: Any, method: str, path: str, operation: Operation) -> None:
    """What no ID looks like, and IDs of another account group, are not found or refused."""
    names = re.findall(r"\{(\w+)\}", path)
    assert {each.name for each in operation.parameters if each.where == "path"} == set(names)
    async with server.client(server.tokens[Role.ORG_ADMIN]) as client:
        for name in names:
            for bad in (ELSEWHERE.get(name, "1"), *BAD_IDS):
                for suffix in suffixes(path):
                    answer = await client.request(method, filled(path, **{name: bad}) + suffix)
                    assert answer.status_code >= 400 or bad in {"..", "1"}, (path, bad)
                    check(answer, path, f"{name}={bad}")


@each_route
async def test_bad_values_of_parameters(server: Any, method: str, path: str, operation: Operation) -> None:
    """Each parameter with everything that it is not: refused, or taken for what it says; never a fault."""
    async with server.client(server.tokens[Role.USER]) as client:
        for parameter in operation.parameters:
            if parameter.where != "query":
                continue
            for bad in BAD_VALUES:
                for suffix in suffixes(path):
                    answer = await client.request(method, f"{filled(path)}{suffix}?{parameter.name}={bad}")
                    check(answer, path, f"{parameter.name}={bad}")
            if path in OPEN:
                continue
            answer = await client.request(method, f"{filled(path)}?{parameter.name}=%ff")
            assert answer.status_code >= 400, f"{path}: {parameter.name}=%ff was taken"


@each_route
async def test_bad_bodies(server: Any, method: str, path: str, operation: Operation) -> None:
    """A body that is not what the operation reads is refused before anything is done."""
    if method == "GET":
        return
    async with server.client(server.tokens[Role.ORG_ADMIN]) as client:
        for content_type in ("application/json", "text/csv", "text/plain", "image/png"):
            for body in BAD_BODIES:
                for suffix in suffixes(path):
                    answer = await client.request(
                        method,
                        filled(path) + suffix,
                        content=body,
                        headers={"Content-Type": content_type},
                    )
                    check(answer, path, f"{content_type} {body[:40]!r}")
                    if operation.body is not None:
                        assert answer.status_code >= 400, (path, content_type, body[:40])


@each_route
async def test_a_regular_user_writes_nothing(
    server: Any, method: str, path: str, operation: Operation
) -> None:
    """403 to every write, before anything is said of what is there."""
    del operation
    if method == "GET" or any(part in path for part in READING_POSTS):
        return
    async with server.client(server.tokens[Role.USER]) as client:
        for suffix in suffixes(path):
            answer = await client.request(method, filled(path) + suffix)
            assert answer.status_code == 403, (path, answer.text)
            check(answer, path, "a regular user")


@each_route
async def test_an_account_group_of_others_is_refused(
    server: Any, method: str, path: str, operation: Operation
) -> None:
    """``aid`` of another organization is 400, with the words that an unknown one gets."""
    if "aid" not in {each.name for each in operation.parameters} or path in OPEN:
        return
    org_id = server.accounts.create_organization("Elsewhere")
    theirs = server.accounts.create_account_group("Sandbox", org_id)
    async with server.client(server.tokens[Role.ORG_ADMIN]) as client:
        answers = [await client.request(method, f"{filled(path)}?aid={aid}") for aid in (theirs, 999_999)]
    assert [answer.status_code for answer in answers] == [400, 400], path
    assert answers[0].text.replace(f"'{theirs}'", "N") == answers[1].text.replace("'999999'", "N")
