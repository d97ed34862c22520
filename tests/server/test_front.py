"""Tests of what stands before the router."""

import asyncio
import logging
import random
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
import structlog

from hopsight.server.front import Front
from hopsight.testing import AGENT_ID, sample_record

pytestmark = pytest.mark.anyio

NETWORK = "/v6/endpoint-data/user-sessions/network"
STATUS = "/v6/status"


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/v5/status", "/v6/status"),
        ("/v99/endpoint-data/user-sessions/network.xml?window=1h&aid=", NETWORK + ".xml?window=1h&aid="),
        ("/v0/a%20b?x=%zz", "/v6/a%20b?x=%zz"),
        ("/v5//evil.example/", "/v6//evil.example/"),
        ("/v5", "/v6"),
        ("/v06/status", "/v6/status"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
async def test_an_unknown_version_moves_to_six(client: Any, method: str, path: str, location: str) -> None:
    """Path, suffix and query stay, credentials are not looked at."""
    del client.headers["Authorization"]
    answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["Location"]) == (301, location)


async def test_version_seven_is_a_dialect_of_its_own(client: Any) -> None:
    """It is not redirected, and what it does not have is answered in its own words."""
    answer = await client.get("/v7/status")
    assert answer.status_code == 404
    assert answer.json()["status"] == 404


@pytest.mark.parametrize(
    "path", ["/status", "/account-groups", "/endpoint-agents", NETWORK.removeprefix("/v6")]
)
@pytest.mark.parametrize("suffix", ["", ".json", ".xml", "?format=xml", "/"])
async def test_no_version_means_six(client: Any, path: str, suffix: str) -> None:
    """The current version needs no number."""
    bare, full = [await client.get(prefix + path + suffix) for prefix in ("", "/v6")]
    assert (bare.status_code, bare.content) == (200, full.content)


@pytest.mark.parametrize(
    "path", ["/", "/openapi.json", "/agent/v1/x.json", "/docs", "/metrics", "/healthz", "/x"]
)
async def test_other_paths_are_not_of_the_api(client: Any, path: str) -> None:
    """Our own roots never turn into version 6: whatever they answer, it is not asking for credentials."""
    del client.headers["Authorization"]
    answer = await client.get(path)
    assert answer.status_code in {200, 302, 307, 404, 503}


@pytest.mark.parametrize("suffix", ["", ".json", ".xml"])
@pytest.mark.parametrize("written", ["{}", "{0}", "%33{1}"])
async def test_ids_are_read_bare_and_percent_encoded(client: Any, written: str, suffix: str) -> None:
    """An ID is the same however it is spelled, with a suffix or without."""
    path = "/v6/endpoint-agents/" + written.format(AGENT_ID, AGENT_ID[1:])
    answer = await client.get(path + suffix)
    assert answer.status_code == 404
    assert AGENT_ID in answer.text


@pytest.mark.parametrize(
    "path", ["07625:1490529480:aVDViw0i", "07625%3A1490529480%3AaVDViw0i", "1.json", "a%2Fb"]
)
async def test_odd_ids_are_no_fault_of_ours(client: Any, path: str) -> None:
    """Colons, numbers and slashes where a UUID belongs: no such agent."""
    assert (await client.get(f"/v6/endpoint-agents/{path}")).status_code == 404


@pytest.mark.parametrize(
    "path", [STATUS, STATUS + ".xml", NETWORK, "/v6/nope", "/openapi.json", "/v5/status"]
)
async def test_head_is_get_without_the_body(server: Any, client: Any, path: str) -> None:
    """Same status, same headers (the length of what GET would send too), no body."""
    await server.add(sample_record(random.Random(1)))
    got, head = await client.get(path), await client.head(path)
    remaining = "x-organization-rate-limit-remaining"
    assert head.content == b""
    assert head.status_code == got.status_code
    assert {**head.headers, remaining: ""} == {**got.headers, remaining: ""}


async def test_every_answer_has_the_common_headers(server: Any) -> None:
    """Success, redirect, refusal and fault alike; transport security only over TLS."""
    async with server.client("") as client:
        answers = [
            await client.request(method, path)
            for method, path in (
                ("GET", STATUS), ("GET", NETWORK), ("GET", "/v5/x"), ("GET", "/nope"), ("PUT", STATUS),
                ("OPTIONS", STATUS), ("GET", "/"), ("GET", STATUS + "?format=x"), ("GET", "/openapi.json"),
            )
        ]  # fmt: skip
        secure = await client.get("https://hopsight.test" + STATUS)
    for answer in [*answers, secure]:
        assert answer.headers.get_list("Cache-Control") == ["no-store"]
        assert answer.headers.get_list("X-Content-Type-Options") == ["nosniff"]
        assert answer.headers.get_list("X-Server-Name") == ["hopsight"]
        assert len(answer.headers.get_list("Date")) == 1
        assert parsedate_to_datetime(answer.headers["Date"]).timestamp() == server.clock.now()
        secured = "Strict-Transport-Security" in answer.headers
        assert secured == (answer is secure)
    assert secure.headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", STATUS, "GET, HEAD, OPTIONS"),
        ("PUT", NETWORK, "GET, HEAD, OPTIONS, POST"),
        ("TRACE", NETWORK + ".xml", "GET, HEAD, OPTIONS, POST"),
        ("PROPFIND", "/account-groups", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_wrong_method_is_405_with_those_that_are_right(
    client: Any, method: str, path: str, allow: str
) -> None:
    """Credentials or not, in the format that was asked for."""
    for headers in (client.headers, {"Authorization": ""}):
        answer = await client.request(method, path, headers=headers)
        assert (answer.status_code, answer.headers["Allow"]) == (405, allow)
        assert (b"<errorMessage>" in answer.content) == path.endswith(".xml")


async def test_a_fault_is_500_that_tells_nothing(server: Any) -> None:
    """The log gets the traceback without anybody's credentials; the client gets an error in its format."""
    await server.store.close()
    server.store.page = server.store.last_round = None
    with structlog.testing.capture_logs() as logged:
        async with server.client() as client:
            json = await client.get(NETWORK + "?window=1h")
            xml = await client.get(NETWORK + ".xml")
    assert (json.status_code, xml.status_code) == (500, 500)
    assert json.json().keys() == {"errorMessage"}
    assert "<teResults><errorMessage>" in xml.text
    assert "NoneType" not in json.text + xml.text
    assert json.headers["Cache-Control"] == "no-store"
    assert "NoneType" in logged[0]["traceback"]
    assert server.token not in str(logged)


async def test_a_store_that_cannot_answer_is_503(server: Any) -> None:
    """The client is told to come again."""
    await server.store.close()
    async with server.client() as client:
        answer = await client.get(NETWORK)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert b"hopsight_store_errors_total 1.0" in server.app.services.metrics.expose()


@pytest.mark.parametrize("host", ["a b", "x\u00e9".encode("latin-1"), "x/y", "x@y", "", "a,b", "[::1"])
async def test_an_odd_host_is_refused_or_never_repeated(server: Any, host: Any) -> None:
    """What comes back in links is a host, or it is not what was sent."""
    await server.add(*[sample_record(random.Random(seed)) for seed in range(1_001)])
    async with server.client() as client:
        answer = await client.get(NETWORK, headers={"Host": host})
    assert answer.status_code in {200, 400}
    if answer.status_code == 200:
        assert httpx.URL(answer.json()["pages"]["next"]).host == "hopsight.test"


@pytest.mark.parametrize("host", ["h", "h.example:1", "127.0.0.1:8480", "[::1]:8480", "[2001:db8::1]", "a_b"])
async def test_a_host_is_where_links_lead(server: Any, host: str) -> None:
    """Names and addresses of both families, with a port and without."""
    await server.add(*[sample_record(random.Random(seed)) for seed in range(1_001)])
    async with server.client() as client:
        answer = await client.get(NETWORK, headers={"Host": host})
    assert answer.json()["pages"]["next"].startswith(f"http://{host}{NETWORK}?pageId=")


async def test_requests_are_counted_by_route_not_by_path(server: Any) -> None:
    """What strangers put into paths makes no new series."""
    async with server.client() as client:
        for path in (STATUS, f"/v6/endpoint-agents/{AGENT_ID}", "/v6/x", "/v6/y", "/v5/z"):
            await client.get(path)
    series = server.app.services.metrics.expose().decode()
    counted = {line for line in series.splitlines() if line.startswith("hopsight_requests_total{")}
    assert counted == {
        'hopsight_requests_total{route="/v6/status",status="200"} 1.0',
        'hopsight_requests_total{route="/v6/endpoint-agents/{agentId}",status="404"} 1.0',
        'hopsight_requests_total{route="(none)",status="404"} 2.0',
        'hopsight_requests_total{route="(none)",status="301"} 1.0',
    }


def test_logging_is_left_alone() -> None:
    """Putting a server together configures no logging: that is the program's."""
    assert not logging.getLogger("litestar").handlers


async def test_who_is_cut_off_is_told_to_come_again(server: Any) -> None:
    """A request that the server's end breaks off is answered 503, not 500: so a proxy asks another server."""
    begun = asyncio.Event()

    async def hang(*_: object) -> Any:
        begun.set()
        await asyncio.Event().wait()

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/agent/v1/upload", "scheme": "http", "headers": [],
        "query_string": b"", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "http_version": "1.1",
    }  # fmt: skip
    task = asyncio.create_task(Front(hang, server.app.services)(scope, hang, send))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    headers = dict(sent[0]["headers"])
    assert (sent[0]["status"], headers[b"retry-after"]) == (503, b"5")
    assert b"The server stops" in sent[1]["body"]
