"""Tests of credentials, lock-out, rate limit and account groups, over HTTP."""

import base64
import random
from typing import Any

import pytest

from hopsight.model.accounts import Role
from hopsight.server.auth import Credentials, parse_authorization, source_address
from hopsight.server.limits import REFUSALS, WINDOW_S
from hopsight.testing import sample_record

pytestmark = pytest.mark.anyio

NETWORK = "/v6/endpoint-data/user-sessions/network"
LIST = "/v6/account-groups"
RATE = "X-Organization-Rate-Limit-"


def basic(email: str, token: str) -> dict[str, str]:
    """The header that ``curl -u`` makes."""
    return {"Authorization": "Basic " + base64.b64encode(f"{email}:{token}".encode()).decode()}


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("Bearer abc", Credentials(None, "abc")),
        ("bearer  abc ", Credentials(None, "abc")),
        ("Basic " + base64.b64encode(b"a@b.c:x:y").decode(), Credentials("a@b.c", "x:y")),
        ("", None),
        ("Bearer", None),
        ("Basic", None),
        ("Basic ###", None),
        ("Basic \xe9", None),
        ("Basic " + base64.b64encode(b"\xff:\xff").decode(), None),
        ("Basic " + base64.b64encode(b"no colon").decode(), None),
        ("Digest abc", None),
        ("abc", None),
    ],
)
async def test_two_schemes_are_read(value: str, read: Credentials | None) -> None:
    """Basic and Bearer, and nothing that only looks like them."""
    assert parse_authorization(value) == read


async def test_basic_and_bearer_let_in(server: Any) -> None:
    """A token lets its owner in, alone or beside the owner's address in any case."""
    async with server.client("") as client:
        for headers in (
            {"Authorization": f"Bearer {server.token}"},
            basic("user@example.com", server.token),
            basic("User@Example.COM", server.token),
        ):
            assert (await client.get(LIST, headers=headers)).status_code == 200


async def test_wrong_credentials_are_401_with_a_challenge(server: Any) -> None:
    """Whatever is wrong with them, the answer is the same, and names what is accepted."""
    wrong = [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer é".encode()},
        {"Authorization": f"Bearer {server.token}x"},
        basic("other@example.com", server.token),
        basic("", server.token),
        basic("user@example.com", ""),
        basic("user@example.com", "wrong"),
    ]
    async with server.client("") as client:
        answers = [await client.get(LIST, headers=headers) for headers in wrong]
        xml = await client.get(LIST + ".xml")
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert all("Basic" in answer.headers["WWW-Authenticate"] for answer in answers)
    assert "Bearer" in answers[0].json()["errorMessage"]
    assert RATE + "Limit" not in answers[0].headers
    assert "<errorMessage>Credentials" in xml.text


async def test_a_deleted_token_is_refused_at_once(server: Any) -> None:
    """What was let in a moment ago is not kept alive by a cache."""
    async with server.client() as client:
        assert (await client.get(LIST)).status_code == 200
        for token in server.accounts.tokens():
            server.accounts.delete_token(token.token_id)
        assert (await client.get(LIST)).status_code == 401


async def test_a_hundred_refusals_lock_an_address_out(server: Any) -> None:
    """Then even the right token has to wait until the minute is over; other addresses do not."""
    async with server.client("wrong") as client:
        seen = [(await client.get(LIST)).status_code for _ in range(REFUSALS + 1)]
        assert seen == [401] * REFUSALS + [429]
        right = {"Authorization": f"Bearer {server.token}"}
        locked = await client.get(LIST, headers=right)
        assert locked.status_code == 429
        assert 1 <= int(locked.headers["Retry-After"]) <= WINDOW_S
        async with server.client(client=("192.0.2.9", 1)) as elsewhere:
            assert (await elsewhere.get(LIST)).status_code == 200
        assert (await client.get("/v6/status")).status_code == 200
        server.clock.advance(WINDOW_S)
        assert (await client.get(LIST, headers=right)).status_code == 200


async def test_every_authenticated_answer_carries_the_rate_limit(limited: Any) -> None:
    """Errors and unknown paths too, and each counts."""
    async with limited.client() as client:
        answers = [
            await client.get(LIST),
            await client.get(LIST, params={"aid": "x"}),
            await client.delete(LIST),
            await client.get("/v6/no-such-thing"),
            await client.get(LIST, headers={"Accept": "text/html"}),
            await client.get(LIST),
        ]
    assert [answer.status_code for answer in answers] == [200, 400, 405, 404, 406, 429]
    assert [answer.headers[RATE + "Remaining"] for answer in answers] == list("432100")
    assert {answer.headers[RATE + "Limit"] for answer in answers} == {"5"}
    assert {int(answer.headers[RATE + "Reset"]) - limited.clock.now() for answer in answers} == {WINDOW_S}
    assert answers[-1].headers["Retry-After"] == "60"
    assert "5 requests a minute" in answers[-1].json()["errorMessage"]


async def test_the_limit_is_the_organization_s(limited: Any) -> None:
    """Its users share one; another organization has its own; both start anew after a minute."""
    org_id = limited.accounts.create_organization("Other")
    aid = limited.accounts.create_account_group("Theirs", org_id)
    limited.accounts.create_user("o@example.org", Role.USER, [aid])
    other = limited.accounts.create_token("o@example.org")
    async with limited.client() as client, limited.client(other) as stranger:
        for _ in range(5):
            await client.get(LIST)
        colleague = {"Authorization": f"Bearer {limited.tokens[Role.ORG_ADMIN]}"}
        assert (await client.get(LIST, headers=colleague)).status_code == 429
        assert (await stranger.get(LIST)).headers[RATE + "Remaining"] == "4"
        limited.clock.advance(WINDOW_S)
        assert (await client.get(LIST)).status_code == 200


@pytest.mark.parametrize(
    "aid", ["x", "-1", "1.0", "0", "99999", "9" * 5_000, "7626", "%20", "%00", "\u0667", "7625,7625", "0x1"]
)
async def test_a_wrong_account_group_is_400_with_one_message(client: Any, aid: str) -> None:
    """Not a number, unknown and not yours cannot be told apart."""
    answer = await client.get(LIST, params={"aid": aid})
    assert answer.status_code == 400
    assert "accepted: the ID of an account group of yours" in answer.json()["errorMessage"]


async def test_another_s_and_an_unknown_account_group_look_alike(server: Any) -> None:
    """The texts differ in nothing but the number that was asked for."""
    other = server.accounts.create_account_group("Other", server.accounts.create_organization("Other"))
    async with server.client() as client:
        texts = {
            (await client.get(LIST, params={"aid": aid})).text.replace(str(aid), "N")
            for aid in (other, other + 1)
        }
    assert len(texts) == 1


async def test_an_empty_account_group_is_the_login_one(server: Any) -> None:
    """Clients send ``?aid=`` and mean their own."""
    async with server.client() as client:
        for query in ("", "?aid=", f"?aid={server.aid}", f"?aid=0{server.aid}"):
            group = (await client.get(LIST + query)).json()["accountGroups"][0]
            assert (group["aid"], group["current"], group["default"]) == (server.aid, 1, 1)


async def test_who_may_read_what(server: Any) -> None:
    """Every role reads its own account groups by GET and by POST, and no role reads another's."""
    org_id = server.accounts.create_organization("Other")
    other = server.accounts.create_account_group("Theirs", org_id)
    await server.add(
        sample_record(random.Random(1), aid=server.aid), sample_record(random.Random(2), aid=other)
    )
    tokens = {(server.aid, role): token for role, token in server.tokens.items()}
    for role in Role:
        server.accounts.create_user(f"{role}@example.org", role, [other])
        tokens[other, role] = server.accounts.create_token(f"{role}@example.org")
    for (own, _), token in tokens.items():
        foreign = other if own == server.aid else server.aid
        async with server.client(token) as client:
            for method, path in (("GET", NETWORK), ("POST", NETWORK), ("GET", NETWORK + "?window=10w")):
                body = (await client.request(method, path)).json()
                assert [item["userSessionId"].split(":")[0] for item in body["networkSessions"]] == [
                    f"{own:05}"
                ]
                mark = "&" if "?" in path else "?"
                assert (await client.request(method, f"{path}{mark}aid={foreign}")).status_code == 400
            assert (await client.get(f"{LIST}/{own}")).status_code == 200
            assert (await client.get(f"{LIST}/{foreign}")).status_code == 404


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (("192.0.2.1", 1), "192.0.2.1"),
        (("::ffff:192.0.2.1", 1), "192.0.2.1"),
        (("2001:db8::1", 1, 0, 0), "2001:db8::1"),
        (None, ""),
    ],
)
async def test_an_ipv4_address_has_one_spelling(client: Any, address: str) -> None:
    """A server that listens on [::] counts and shows the same address as one that listens on 0.0.0.0."""
    scope: Any = {"client": client}
    assert source_address(scope) == address
