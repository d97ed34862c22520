"""Agents over the pages: found, changed one by one or many at once, and who may not."""

from typing import Any

import pytest
from tests.server.web.admin.test_groups import enrol
from tests.server.web.admin.test_users import ADMIN, admin, events, send
from tests.server.web.signing_in import csrf_of, tree

from hopsight.accounts.agent_changes import Transfer
from hopsight.accounts.user_changes import UserWish
from hopsight.model.accounts import Role
from hopsight.server.web.admin import agents_list
from hopsight.server.web.admin.agents_list import Wanted, list_agents

pytestmark = pytest.mark.anyio

PATH = "/admin/agents"


def shown(answer: Any) -> list[str]:
    """The names in the table."""
    return [str(each) for each in tree(answer).xpath("//tbody//th//text()")]


async def test_agents_are_found_by_name_and_state(server: Any) -> None:
    """A part of a name in any case, and the state, choose what the table has."""
    for name in ("Reception", "kitchen"):
        enrol(server, agent_name=name)
    third = enrol(server, agent_name="Receptacle")
    server.accounts.set_agent_enabled(server.aid, third, enabled=False)
    async with admin(server) as client:
        found = {
            query: sorted(shown(await client.get(f"{PATH}{query}")))
            for query in (
                "",
                "?name=recept",
                "?state=disabled",
                "?state=enabled&name=RECEPT",
                "?state=deleted",
            )
        }
        assert (await client.get(f"{PATH}?state=asleep")).status_code == 400
    assert found == {
        "": ["Receptacle", "Reception", "kitchen"],
        "?name=recept": ["Receptacle", "Reception"],
        "?state=disabled": ["Receptacle"],
        "?state=enabled&name=RECEPT": ["Reception"],
        "?state=deleted": [],
    }


async def test_pages_of_agents_lead_on(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every agent stands on exactly one page, however small the steps of the search are."""
    monkeypatch.setattr(agents_list, "PAGE_AGENTS", 2)
    monkeypatch.setattr(agents_list, "_STEP_AGENTS", 1)
    monkeypatch.setattr(agents_list, "_STEPS", 3)
    ids = sorted(enrol(server) for _ in range(5))
    found: list[str] = []
    after: str | None = None
    for _ in range(6):
        page = list_agents(server.accounts, server.aid, Wanted(after=after))
        assert len(page.agents) <= 2
        found += [agent.agent_id for agent in page.agents]
        after = page.after
        if after is None:
            break
    assert found == ids


async def test_an_agent_is_changed_under_the_admins_name(server: Any) -> None:
    """Name, labels, enabled or not: each is done, said, and in the log."""
    agent_id = enrol(server)
    steps = [
        ("rename", {"name": "Desk <1>"}, "Endpoint agent renamed"),
        ("disable", {}, "Endpoint agent disabled"),
        ("enable", {}, "Endpoint agent enabled"),
        ("label", {"label": "floor 2"}, "Endpoint agent label added"),
    ]
    async with admin(server) as client:
        for action, fields, event in steps:
            answer = await send(client, f"{PATH}/{agent_id}/{action}", **fields)
            page = await client.get(answer.headers["Location"])
            assert tree(page).xpath("//*[@role='status']"), action
            assert [each.who for each in events(server, event)] == [ADMIN]
        assert "floor 2" in page.text
        assert server.accounts.agent(server.aid, agent_id).agent_name == "Desk <1>"
        again = await send(client, f"{PATH}/{agent_id}/label", label="floor 2")
        assert again.status_code == 409
        assert tree(again).xpath("string(//input[@id='label']/@value)") == "floor 2"
        await send(client, f"{PATH}/{agent_id}/unlabel", label="floor 2")
    assert server.accounts.labels.by_agent(server.aid) == {}
    assert [each.who for each in events(server, "Endpoint agent label removed")] == [ADMIN]


async def test_many_are_changed_at_once_and_deleted_after_a_question(server: Any) -> None:
    """Disabling is done at once; deleting asks first, and a deleted one can be restored."""
    ids = [enrol(server) for _ in range(3)]
    async with admin(server) as client:
        csrf = csrf_of(await client.get("/account"))
        await client.post(PATH, data={"csrf": csrf, "agent": ids[:2], "do": "disable"})
        enabled = [server.accounts.agent(server.aid, agent_id).enabled for agent_id in ids]
        assert enabled == [False, False, True]
        question = await client.post(PATH, data={"csrf": csrf, "agent": ids[:2], "do": "delete"})
        assert tree(question).xpath("string(//h1)") == "Delete 2 agents?"
        assert server.accounts.count_agents(server.aid) == 3
        asked = tree(question).xpath("string(//input[@name='agents']/@value)")
        await send(client, f"{PATH}/delete", agents=asked)
        assert server.accounts.count_agents(server.aid) == 1
        await send(client, f"{PATH}/{ids[0]}/restore")
    assert server.accounts.count_agents(server.aid) == 2
    assert [each.who for each in events(server, "Endpoint agent deleted")] == [ADMIN, ADMIN]
    assert [each.who for each in events(server, "Endpoint agent restored")] == [ADMIN]


async def test_none_is_changed_when_one_of_many_is_not_there(server: Any) -> None:
    """404, and those that are there stay as they were; 400 when none is chosen."""
    agent_id = enrol(server)
    async with admin(server) as client:
        csrf = csrf_of(await client.get("/account"))
        form = {"csrf": csrf, "agent": [agent_id, "nobody"], "do": "disable"}
        assert (await client.post(PATH, data=form)).status_code == 404
        assert (await client.post(PATH, data={"csrf": csrf, "do": "disable"})).status_code == 400
    assert server.accounts.agent(server.aid, agent_id).enabled


async def test_an_agent_is_moved_where_its_admin_writes(server: Any) -> None:
    """After a question to a group of one's own; 403 to where one only reads, 400 to others'."""
    agent_id = enrol(server)
    mine, read_only = (server.accounts.create_account_group(name, 1) for name in ("Mine", "Read"))
    foreign = server.accounts.create_account_group("Theirs", server.accounts.create_organization("Other"))
    roles = {server.aid: Role.ORG_ADMIN, mine: Role.ACCOUNT_ADMIN, read_only: Role.USER}
    server.accounts.change_user(1, 1, UserWish(roles=roles))
    async with admin(server) as client:
        path = f"{PATH}/{agent_id}/transfer"
        for aid, status in ((read_only, 403), (foreign, 400), (server.aid, 400)):
            assert (await send(client, path, to=str(aid), sure="yes")).status_code == status
        question = await send(client, path, to=str(mine))
        assert "to Mine?" in tree(question).xpath("string(//h1)")
        assert server.accounts.agent(server.aid, agent_id) is not None
        answer = await send(client, path, to=str(mine), sure="yes")
        assert answer.status_code == 303
    assert server.accounts.agent(mine, agent_id) is not None
    assert {each.who for each in events(server, "Endpoint agent transferred")} == {ADMIN}


async def test_others_are_refused(server: Any) -> None:
    """403 for regular users and without the form's token; 404 for an agent of another account group."""
    agent_id = enrol(server)
    foreign = server.accounts.create_account_group("Theirs", server.accounts.create_organization("Other"))
    actions = ("rename", "disable", "enable", "label", "unlabel", "restore", "transfer")
    posts = [PATH, f"{PATH}/delete", *(f"{PATH}/{agent_id}/{action}" for action in actions)]
    fields = {"agent": agent_id, "agents": agent_id, "do": "disable", "name": "x", "label": "x"}
    async with server.client(server.tokens[Role.USER]) as client:
        for path in (PATH, f"{PATH}/{agent_id}"):
            assert (await client.get(path)).status_code == 403
        for path in posts:
            assert (await send(client, path, **fields)).status_code == 403, path
    async with admin(server) as client:
        for path in posts:
            assert (await client.post(path, data=fields)).status_code == 403, path
        server.accounts.transfer_agents([Transfer(agent_id, server.aid, foreign)])
        assert (await client.get(f"{PATH}/{agent_id}")).status_code == 404
        for path in posts:
            assert (await send(client, path, **fields)).status_code == 404, path
    agent = server.accounts.agent(foreign, agent_id)
    assert (agent.agent_name, agent.enabled, agent.deleted) == ("pc", True, False)


async def test_an_agents_page_leads_writers_here(server: Any) -> None:
    """Who administers has a link to the same agent's administration; a regular user has none."""
    agent_id = enrol(server)
    link = f"//a[starts-with(@href, '{PATH}/{agent_id}?')]"
    found = {}
    for role in Role:
        async with server.client(server.tokens[role]) as client:
            found[role] = len(tree(await client.get(f"/agents/{agent_id}")).xpath(link))
    assert found == {Role.ORG_ADMIN: 1, Role.ACCOUNT_ADMIN: 1, Role.USER: 0}
