"""The audit log over version 6: one account group, or all that the asker administers."""

from typing import Any

import pytest

from hopsight.accounts.audit import Actor
from hopsight.accounts.user_changes import UserWish
from hopsight.model.accounts import Role
from hopsight.model.agents import Target

pytestmark = pytest.mark.anyio

PATH = "/v6/audit/user-events/search"
BY = Actor(who="jane@example.org")


def another_group(server: Any, name: str, role: Role) -> int:
    """An account group of the same organization, with an event in it, that ``many@example.com`` may see."""
    aid = server.accounts.create_account_group(name, 1)
    server.accounts.add_target(aid, Target(host=f"{name}.example"), by=BY)
    server.accounts.create_user(f"{name}@example.com", role, [aid])
    return int(aid)


async def search(server: Any, token: str, query: str) -> Any:
    """The answer to a search of the last hour."""
    async with server.client(token) as client:
        return await client.get(f"{PATH}?window=1h{query}")


def token_of(server: Any, roles: dict[int, Role]) -> str:
    """A token of a new user with these roles in the groups of organization 1."""
    first = next(iter(roles))
    server.accounts.create_user("many@example.com", roles[first], list(roles))
    uid = next(user.uid for user in server.accounts.users() if user.email == "many@example.com")
    server.accounts.change_user(1, uid, UserWish(roles=roles))
    return str(server.accounts.create_token("many@example.com"))


def targets_in(answer: Any) -> set[str]:
    """The targets that the events are about."""
    events = answer.json()["auditEvents"]
    return {each["resources"][0]["name"] for each in events if each["event"] == "Endpoint target created"}


async def test_all_account_groups_that_the_asker_administers(server: Any) -> None:
    """Those in which the user only reads are left out, and so are those of others."""
    north, south, west = (another_group(server, name, Role.USER) for name in ("north", "south", "west"))
    token = token_of(server, {north: Role.ACCOUNT_ADMIN, south: Role.USER})
    everywhere = await search(server, token, "&useAllPermittedAids=true")
    assert targets_in(everywhere) == {"north.example (1)"}
    assert {each["aid"] for each in everywhere.json()["auditEvents"]} == {north}
    assert {each["accountGroupName"] for each in everywhere.json()["auditEvents"]} == {"north"}
    assert west not in {north, south}


async def test_several_account_groups_come_in_one_list(server: Any) -> None:
    """Oldest first over all of them, each event with its own account group."""
    north, south = (another_group(server, name, Role.USER) for name in ("north", "south"))
    token = token_of(server, {north: Role.ACCOUNT_ADMIN, south: Role.ACCOUNT_ADMIN})
    everywhere = await search(server, token, "&useAllPermittedAids=True")
    assert targets_in(everywhere) == {"north.example (1)", "south.example (2)"}
    for query in ("", "&useAllPermittedAids=false", "&useAllPermittedAids="):
        assert targets_in(await search(server, token, query)) == {"north.example (1)"}


async def test_events_of_the_organization_are_for_its_admins(server: Any) -> None:
    """Account groups that come and go are in no account group's log; account admins do not see them."""
    server.accounts.create_account_group("new", 1)
    other = server.accounts.create_organization("Other")
    server.accounts.create_account_group("theirs", other)
    for role, sees in ((Role.ORG_ADMIN, True), (Role.ACCOUNT_ADMIN, False)):
        answer = await search(server, server.tokens[role], "&useAllPermittedAids=true")
        assert ("new (" in answer.text) == sees
        assert "theirs" not in answer.text


async def test_who_only_reads_is_refused(server: Any) -> None:
    """A regular user has no log, in one account group or in all."""
    for query in ("", "&useAllPermittedAids=true"):
        assert (await search(server, server.tokens[Role.USER], query)).status_code == 403


async def test_a_value_that_is_none_is_named(server: Any) -> None:
    """Anything but true and false is 400."""
    answer = await search(server, server.tokens[Role.ORG_ADMIN], "&useAllPermittedAids=maybe")
    assert answer.status_code == 400
    assert "true or false" in answer.text
