"""Account groups over the pages: counted, added, named, deleted, by organization admins alone."""

from typing import Any

import pytest
from tests.server.web.admin.test_users import ADMIN, admin, events, send
from tests.server.web.signing_in import tree

from hopsight.accounts.user_changes import UserWish
from hopsight.model.accounts import Role
from hopsight.model.agents import AgentInfo
from hopsight.model.upload import Enrolment

pytestmark = pytest.mark.anyio


def enrol(server: Any, **info: Any) -> str:
    """Let an agent into the account group; its ID."""
    described = AgentInfo(
        computer_name=info.pop("computer_name", "pc"),
        platform="linux",
        os_version="12",
        kernel_version="6",
        version="1",
        **info,
    )
    number = server.accounts.count_agents(server.aid) + 1
    enrolment = Enrolment(
        enrolment_id=f"00000000-0000-4000-8000-{number:012d}", secret="s" * 43, agent=described
    )
    return str(server.accounts.enrol(server.accounts.create_group_key(server.aid), enrolment, None).agent_id)


def names(server: Any) -> list[str]:
    """The names of all account groups."""
    return [group.name for group in server.accounts.account_groups()]


async def test_groups_are_listed_with_their_sizes(server: Any) -> None:
    """Users and agents of each are counted."""
    enrol(server)
    async with admin(server) as client:
        rows = tree(await client.get("/admin/groups")).xpath("//tbody/tr")
    assert [[cell.text_content() for cell in row][:4] for row in rows] == [["Sandbox", "7625", "3", "1"]]


async def test_a_group_is_added_named_and_deleted(server: Any) -> None:
    """Each step says that it is done, and is in the log under the admin's name."""
    async with admin(server) as client:
        answer = await send(client, "/admin/groups", name="Branch")
        assert "is added" in (await client.get(answer.headers["Location"])).text
        aid = server.accounts.account_groups()[-1].aid
        answer = await send(client, f"/admin/groups/{aid}", name="Branch <2>")
        assert "is renamed" in (await client.get(answer.headers["Location"])).text
        assert names(server) == ["Sandbox", "Branch <2>"]
        question = tree(await client.get(f"/admin/groups/{aid}/delete?aid={aid}"))
        assert question.xpath("string(//h1)") == "Delete the account group Branch <2>?"
        assert names(server) == ["Sandbox", "Branch <2>"]
        answer = await send(client, f"/admin/groups/{aid}/delete?aid={aid}")
        assert "is deleted" in (await client.get(answer.headers["Location"])).text
    assert names(server) == ["Sandbox"]
    for name in ("Account group created", "Account group renamed", "Account group deleted"):
        assert [each.who for each in events(server, name)] == [ADMIN], name


async def test_a_refused_name_is_kept_as_typed(server: Any) -> None:
    """A name that is taken, or none: the page says why, and shows it again."""
    other = server.accounts.create_account_group("Branch", 1)
    server.accounts.change_user(1, 1, _role_too(server, other))
    async with admin(server) as client:
        taken = await send(client, "/admin/groups", name="Sandbox")
        renamed = await send(client, f"/admin/groups/{other}", name="Sandbox")
        none = await send(client, "/admin/groups", name=" ")
    assert [answer.status_code for answer in (taken, renamed, none)] == [409, 409, 400]
    assert tree(taken).xpath("string(//input[@id='name']/@value)") == "Sandbox"
    field = f"string(//form[starts-with(@action, '/admin/groups/{other}?')]/input[@name='name']/@value)"
    assert tree(renamed).xpath(field) == "Sandbox"
    assert names(server) == ["Sandbox", "Branch"]


async def test_a_group_with_agents_or_lone_users_stays(server: Any) -> None:
    """409 with the reason."""
    async with admin(server) as client:
        answer = await send(client, f"/admin/groups/{server.aid}/delete")
    assert answer.status_code == 409
    assert "the only one of" in tree(answer).xpath("string(//*[@role='alert'])")
    assert names(server) == ["Sandbox"]


async def test_others_are_refused(server: Any) -> None:
    """403 for who is no organization admin (here or there) and without the form's token; 404 for others'."""
    foreign = server.accounts.create_account_group("Theirs", server.accounts.create_organization("Other"))
    second = server.accounts.create_account_group("Second", 1)
    posts = ["", f"/{server.aid}", f"/{server.aid}/delete"]
    for role in (Role.ACCOUNT_ADMIN, Role.USER):
        async with server.client(server.tokens[role]) as client:
            assert (await client.get("/admin/groups")).status_code == 403
            assert (await client.get(f"/admin/groups/{server.aid}/delete")).status_code == 403
            for tail in posts:
                assert (await send(client, f"/admin/groups{tail}", name="Mine")).status_code == 403, tail
    async with admin(server) as client:
        assert "Theirs" not in (await client.get("/admin/groups")).text
        for tail in posts:
            assert (await client.post(f"/admin/groups{tail}", data={"name": "Mine"})).status_code == 403
        for aid, status in ((foreign, 404), ("x", 404), (second, 403)):
            assert (await client.get(f"/admin/groups/{aid}/delete")).status_code == status
            for tail in ("", "/delete"):
                assert (await send(client, f"/admin/groups/{aid}{tail}", name="Mine")).status_code == status
    assert names(server) == ["Sandbox", "Theirs", "Second"]


def _role_too(server: Any, other: int) -> Any:
    return UserWish(roles={server.aid: Role.ORG_ADMIN, other: Role.ORG_ADMIN})
