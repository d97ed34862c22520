"""Tests of users, roles and tokens over version 6: who may do what, and what must never happen."""

import logging
from typing import Any

import pytest
from lxml import etree
from sqlalchemy import update

from hopsight.accounts import schema
from hopsight.model.accounts import Role
from hopsight.server.api.v6.roles import ROLE_IDS

pytestmark = pytest.mark.anyio

NUMBERS = {role: number for number, role in ROLE_IDS.items()}
# Method, path, body, and the statuses for one's own organization: org admin, account admin, user.
TABLE = [
    ("GET", "/v6/users", None, (200, 200, 403)),
    ("GET", "/v6/users/{uid}", None, (200, 200, 403)),
    ("POST", "/v6/users/new", "new", (200, 403, 403)),
    ("POST", "/v6/users/{uid}/update", {"name": "Renamed"}, (200, 403, 403)),
    ("POST", "/v6/users/{uid}/delete", None, (200, 403, 403)),
    ("GET", "/v6/users/{uid}/tokens", None, (200, 403, 403)),
    ("POST", "/v6/users/{uid}/tokens/new", None, (200, 403, 403)),
    ("GET", "/v6/roles", None, (200, 200, 200)),
    ("GET", "/v6/roles/1", None, (200, 200, 200)),
    ("GET", "/v6/permissions", None, (200, 200, 200)),
    ("POST", "/v6/roles/new", {}, (403, 403, 403)),
    ("POST", "/v6/roles/1/update", {}, (403, 403, 403)),
    ("POST", "/v6/roles/1/delete", None, (403, 403, 403)),
]
ROLES = (Role.ORG_ADMIN, Role.ACCOUNT_ADMIN, Role.USER)
CELLS = [
    (method, path, body, role, status)
    for method, path, body, statuses in TABLE
    for role, status in zip(ROLES, statuses, strict=True)
]


def wanted(aid: int, role: Role = Role.USER, **more: Any) -> dict[str, Any]:
    """A body that makes a user."""
    groups = [{"aid": aid, "roles": [{"roleId": NUMBERS[role]}]}]
    return {"name": "New", "email": "new@example.com", "accountGroupRoles": groups} | more


def elsewhere(server: Any) -> int:
    """The account group of another organization, with an admin of its own."""
    aid = server.accounts.create_account_group("Theirs", server.accounts.create_organization("Other"))
    server.accounts.create_user("admin@theirs.example.net", Role.ORG_ADMIN, [aid])
    return int(aid)


def uid_of(server: Any, email: str) -> int:
    """The ID of a user."""
    return int(next(user.uid for user in server.accounts.users() if user.email == email))


@pytest.mark.parametrize(("method", "path", "body", "role", "status"), CELLS)
async def test_each_role_may_do_what_the_table_says(
    server: Any, method: str, path: str, body: Any, role: Role, status: int
) -> None:
    """A user of one's own organization."""
    uid = server.accounts.create_user("subject@example.com", Role.USER, [server.aid])
    body = wanted(server.aid) if body == "new" else body
    async with server.client(server.tokens[role]) as client:
        answer = await client.request(method, path.format(uid=uid), json=body)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(("method", "path", "body", "role", "status"), CELLS)
async def test_users_of_other_organizations_do_not_exist(
    server: Any, method: str, path: str, body: Any, role: Role, status: int
) -> None:
    """404 to whoever may, 403 to whoever may not, and nothing changes."""
    uid = server.accounts.create_user("subject@theirs.example.net", Role.USER, [elsewhere(server)])
    before = server.accounts.users()
    if "{uid}" not in path:
        return
    async with server.client(server.tokens[role]) as client:
        answer = await client.request(method, path.format(uid=uid), json=body)
    assert answer.status_code == (404 if status == 200 else 403), answer.text
    assert "theirs" not in answer.text
    assert server.accounts.users() == before


async def test_a_token_is_shown_once_and_nowhere_else(server: Any, caplog: Any) -> None:
    """It lets in; lists, the log and the audit log do not hold it."""
    caplog.set_level(logging.DEBUG)
    async with server.client(server.tokens[Role.ORG_ADMIN]) as client:
        made = (await client.post("/v6/users/new", json=wanted(server.aid))).json()
        uid, token = made["users"][0]["uid"], made["token"]
        second = (await client.post(f"/v6/users/{uid}/tokens/new")).json()["tokens"][0]
        listed = await client.get(f"/v6/users/{uid}/tokens")
        xml = await client.get(f"/v6/users/{uid}.xml")
        schema = etree.XMLSchema(etree.fromstring((await client.get("/v6/docs/te-api-v6.xsd")).content))
        left = await client.post(f"/v6/users/{uid}/tokens/{second['tokenId']}/delete")
    assert schema.validate(etree.fromstring(xml.content)), schema.error_log
    assert len(listed.json()["tokens"]) == 2
    assert len(left.json()["tokens"]) == 1
    events = server.accounts.audit_events([server.aid], first_s=0, last_s=1 << 40)
    ours = [each.event for each in events if each.who == "org-admin@example.com"]
    assert ours == ["User created", "User token created", "User token deleted"]
    for secret in (token, second["token"]):
        assert secret not in listed.text + caplog.text + str(events)
    assert server.accounts.authenticate_token(token).uid == uid
    assert server.accounts.authenticate_token(second["token"]) is None


async def test_a_user_is_told_with_the_date_of_registration(server: Any) -> None:
    """In UTC, in JSON and XML; who was made before it was noted has none."""
    uid = uid_of(server, "user@example.com")
    async with server.client(server.tokens[Role.ORG_ADMIN]) as client:
        server.clock.advance(60)
        made = (await client.post("/v6/users/new", json=wanted(server.aid))).json()["users"][0]
        first = (await client.get(f"/v6/users/{uid}")).json()["users"][0]
        root = etree.fromstring((await client.get(f"/v6/users/{uid}.xml")).content)
        with server.accounts._database.write() as connection:
            connection.execute(update(schema.users).values(created_s=None))
        unknown = (await client.get(f"/v6/users/{uid}")).json()["users"][0]
    assert (first["dateRegistered"], made["dateRegistered"]) == ("2017-03-26 11:58:00", "2017-03-26 11:59:00")
    assert root.findtext("./users/user/dateRegistered") == first["dateRegistered"]
    assert "dateRegistered" not in unknown


async def test_the_last_organization_admin_stays(server: Any) -> None:
    """Neither deleted nor made less."""
    uid = uid_of(server, "org-admin@example.com")
    before = server.accounts.users()
    async with server.client(server.tokens[Role.ORG_ADMIN]) as client:
        deleted = await client.post(f"/v6/users/{uid}/delete")
        groups = wanted(server.aid)["accountGroupRoles"]
        lessened = await client.post(f"/v6/users/{uid}/update", json={"accountGroupRoles": groups})
    assert (deleted.status_code, lessened.status_code) == (409, 409)
    assert server.accounts.users() == before


async def test_a_user_of_two_organizations_loses_only_what_is_ours(server: Any) -> None:
    """Name, address and tokens are refused; deleting leaves the other organization's role."""
    theirs = elsewhere(server)
    uid = server.accounts.create_user("both@example.com", Role.USER, [server.aid, theirs])
    async with server.client(server.tokens[Role.ORG_ADMIN]) as client:
        seen = await client.get(f"/v6/users/{uid}")
        refused = [
            await client.post(f"/v6/users/{uid}/tokens/new"),
            await client.get(f"/v6/users/{uid}/tokens"),
            await client.post(f"/v6/users/{uid}/update", json={"email": "mine@example.com"}),
        ]
        gone = await client.post(f"/v6/users/{uid}/delete")
        after = await client.get(f"/v6/users/{uid}")
    assert [answer.status_code for answer in refused] == [409] * 3
    assert (gone.status_code, after.status_code) == (200, 404)
    assert "Theirs" not in seen.text
    left = next(user for user in server.accounts.users() if user.uid == uid)
    assert (left.roles, left.login_aid) == ({theirs: Role.USER}, theirs)


async def test_an_address_that_is_taken_is_409_without_saying_where(server: Any) -> None:
    """Also where it is taken in another organization."""
    elsewhere(server)
    body = wanted(server.aid, email="admin@theirs.example.net")
    async with server.client(server.tokens[Role.ORG_ADMIN]) as client:
        answer = await client.post("/v6/users/new", json=body)
    assert answer.status_code == 409
    assert "Other" not in answer.text


async def test_a_change_of_role_counts_at_once(server: Any) -> None:
    """What was remembered of a token is forgotten."""
    uid = uid_of(server, "user@example.com")
    async with server.client() as user, server.client(server.tokens[Role.ORG_ADMIN]) as admin:
        before = await user.get("/v6/users")
        groups = wanted(server.aid, Role.ACCOUNT_ADMIN)["accountGroupRoles"]
        await admin.post(f"/v6/users/{uid}/update", json={"accountGroupRoles": groups})
        after = await user.get("/v6/users")
        own = await user.get(f"/v6/users/{uid}")
    assert (before.status_code, after.status_code, own.status_code) == (403, 200, 200)


@pytest.mark.parametrize(
    "change",
    [
        {"email": "x"},
        {"name": ""},
        {"accountGroupRoles": []},
        {"accountGroupRoles": [{"roles": [{"roleId": 1}]}]},
        {"accountGroupRoles": [{"aid": 7625, "roles": [{"roleId": 9}]}]},
        {"accountGroupRoles": [{"aid": 7625, "roles": []}]},
        {"accountGroupRoles": [{"aid": 7626, "roles": [{"roleId": 1}]}]},
        {"accountGroupRoles": [{"aid": 1 << 70, "roles": [{"roleId": 1}]}]},
        {"loginAccountGroup": {"aid": 7626}},
        {"loginAccountGroup": {"aid": 1 << 70}},
        {"allAccountGroupRoles": [{"roleId": 1}]},
        {"nothing": 1},
    ],
)
async def test_bad_bodies_are_400_with_a_reason(server: Any, change: dict[str, Any]) -> None:
    """An account group of another organization is one that there is not."""
    elsewhere(server)
    uid = uid_of(server, "user@example.com")
    async with server.client(server.tokens[Role.ORG_ADMIN]) as client:
        made = await client.post("/v6/users/new", json=wanted(server.aid) | change)
        changed = await client.post(f"/v6/users/{uid}/update", json=change)
    for answer in (made, changed):
        assert answer.status_code == 400, answer.text
        assert answer.json()["errorMessage"]
