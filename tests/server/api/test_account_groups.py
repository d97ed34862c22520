"""Tests of account groups over HTTP."""

from typing import Any

import pytest

from hopsight.model.accounts import Role
from hopsight.server.api.v6.account_groups import PATH

pytestmark = pytest.mark.anyio


async def test_current_follows_the_request_and_default_the_user(server: Any) -> None:
    """A user of several groups sees exactly those, and which one a request is about."""
    second = server.accounts.create_account_group("Second", 1)
    server.accounts.create_account_group("Third", 1)
    server.accounts.create_user("two@example.com", Role.USER, [second, server.aid])
    async with server.client(server.accounts.create_token("two@example.com")) as client:
        plain, asked = [
            {group["aid"]: (group["current"], group["default"]) for group in answer.json()["accountGroups"]}
            for answer in (await client.get(PATH), await client.get(PATH, params={"aid": server.aid}))
        ]
        names = [group.keys() for group in (await client.get(PATH)).json()["accountGroups"]]
    assert plain == {server.aid: (0, 0), second: (1, 1)}
    assert asked == {server.aid: (1, 0), second: (0, 1)}
    assert all("organizationName" not in keys for keys in names)


async def test_organizations_are_named_only_to_users_of_several(server: Any) -> None:
    """With one organization there is nothing to tell apart."""
    other = server.accounts.create_account_group("Theirs", server.accounts.create_organization("Other"))
    server.accounts.create_user("both@example.com", Role.USER, [server.aid, other])
    async with server.client(server.accounts.create_token("both@example.com")) as client:
        groups = (await client.get(PATH)).json()["accountGroups"]
        detail = (await client.get(f"{PATH}/{other}")).json()["accountGroups"]
    assert [group["organizationName"] for group in groups] == ["Example", "Other"]
    assert detail[0]["organizationName"] == "Other"


@pytest.mark.parametrize("aid", ["7626", "0", "-1", "x", "07625", "7625x", "9" * 5_000, "%00", "\u0667"])
async def test_an_unknown_group_is_404(client: Any, aid: str) -> None:
    """As an ID in a path it is a resource that is not there."""
    assert (await client.get(f"{PATH}/{aid}")).status_code == 404
