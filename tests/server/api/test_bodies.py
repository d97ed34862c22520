"""Tests of request bodies over HTTP."""

import gzip
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from litestar.exceptions import HTTPException

from hopsight.server.api.bodies import MAX_BODY_BYTES, read_json_body

pytestmark = pytest.mark.anyio

NETWORK = "/v6/endpoint-data/user-sessions/network"
BODY = b'{"searchFilters": []}'


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/hal+json",
        "application/vnd.x+json",
        None,
    ],
)
async def test_json_under_its_names_is_read(client: Any, media_type: str | None) -> None:
    """Parameters of the type do not matter, nor does its absence."""
    headers = {"Content-Type": media_type} if media_type else {}
    assert (await client.post(NETWORK, content=BODY, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "media_type", ["application/x-www-form-urlencoded", "text/plain", "text/json", "", "json"]
)
async def test_other_types_are_415_unless_the_body_is_empty(client: Any, media_type: str) -> None:
    """An empty body is fine whatever its type says."""
    headers = {"Content-Type": media_type}
    assert (await client.post(NETWORK, content=BODY, headers=headers)).status_code == 415
    assert (await client.post(NETWORK, content=b"", headers=headers)).status_code == 200
    assert (await client.post(NETWORK, headers=headers)).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "GZIP", "x"])
async def test_compressed_bodies_are_415(client: Any, encoding: str) -> None:
    """A filter is small: there is nothing to compress, and nothing to inflate."""
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    assert (await client.post(NETWORK, content=gzip.compress(BODY), headers=headers)).status_code == 415
    plain = headers | {"Content-Encoding": "identity"}
    assert (await client.post(NETWORK, content=BODY, headers=plain)).status_code == 200


async def test_a_body_may_have_its_limit_and_no_more(client: Any) -> None:
    """Counted as it arrives, too, where no length is declared."""
    headers = {"Content-Type": "application/json"}
    sent = 0

    async def pieces(count: int) -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(count):
            sent += 1_024
            yield b" " * 1_024

    within, beyond = BODY.ljust(MAX_BODY_BYTES), BODY.ljust(MAX_BODY_BYTES + 1)
    assert (await client.post(NETWORK, content=within, headers=headers)).status_code == 200
    assert (await client.post(NETWORK, content=pieces(64), headers=headers)).status_code == 200
    sent = 0
    answers = [
        await client.post(NETWORK, content=beyond, headers=headers),
        await client.post(NETWORK, content=pieces(1_000), headers=headers),
        await client.post(NETWORK, content=b"{}", headers={**headers, "Content-Length": "9" * 5_000}),
    ]
    assert [answer.status_code for answer in answers] == [413] * 3
    assert all(str(MAX_BODY_BYTES) in answer.json()["errorMessage"] for answer in answers)
    assert sent <= MAX_BODY_BYTES + 2_048


async def test_the_body_of_a_get_is_not_read(client: Any) -> None:
    """Some clients send one; it means nothing."""
    answer = await client.request(
        "GET", NETWORK, content=b"{broken", headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 200


async def test_a_body_that_stays_out_or_breaks_off_is_given_up() -> None:
    """Whoever declares a body and does not send it does not keep a place for ever."""
    scope: Any = {"headers": [(b"content-length", b"9")]}

    async def gone() -> Any:
        return {"type": "http.disconnect"}

    with pytest.raises(HTTPException, match="did not arrive"):
        await read_json_body(scope, anyio.sleep_forever, timeout_s=0.001)  # type: ignore[arg-type]
    with pytest.raises(HTTPException, match="ended before"):
        await read_json_body(scope, gone)
