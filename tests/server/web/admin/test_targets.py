"""Targets over the pages: added, changed, deleted after a question, and who may not."""

from typing import Any

import pytest
from tests.server.web.admin.test_groups import enrol
from tests.server.web.admin.test_users import ADMIN, admin, events, send
from tests.server.web.signing_in import tree

from hopsight.model.accounts import Role
from hopsight.model.agents import Target

pytestmark = pytest.mark.anyio

PATH = "/admin/targets"
FORM = {"host": "app.example.com", "port": "443", "protocol": "tcp", "minutes": "5", "agents": ""}


async def test_a_target_is_added_changed_and_deleted(server: Any) -> None:
    """Each step does what its form says, and is in the log under the admin's name."""
    agent_id = enrol(server)
    async with admin(server) as client:
        assert (await send(client, PATH, **FORM)).status_code == 303
        (listed,) = server.accounts.listed_targets(server.aid)
        assert listed.target == Target(host="app.example.com", port=443, protocol="tcp", interval_s=300)
        assert listed.agent_ids == ()
        here = f"{PATH}/{listed.target_id}"
        assert (await send(client, here, minutes="60", agents=agent_id)).status_code == 303
        (listed,) = server.accounts.listed_targets(server.aid)
        assert (listed.target.interval_s, listed.agent_ids) == (3600, (agent_id,))
        assert agent_id in tree(await client.get(here)).xpath("string(//textarea)")
        question = tree(await client.get(f"{here}/delete"))
        assert question.xpath("string(//h1)") == "Delete the target app.example.com?"
        assert server.accounts.listed_targets(server.aid) == [listed]
        await send(client, f"{here}/delete")
    assert server.accounts.listed_targets(server.aid) == []
    for event in ("created", "updated", "deleted"):
        assert [each.who for each in events(server, f"Endpoint target {event}")] == [ADMIN], event


@pytest.mark.parametrize(
    ("name", "wrong", "status"),
    [
        ("host", "no host", 400),
        ("port", "65536", 400),
        ("protocol", "udp", 400),
        ("minutes", "0", 400),
        ("minutes", "1441", 400),
        ("agents", "nobody", 404),
    ],
)
async def test_a_wrong_value_is_named_and_kept(server: Any, name: str, wrong: str, status: int) -> None:
    """The page says which value is wrong; the form has all that was typed; nothing is added."""
    async with admin(server) as client:
        answer = await send(client, PATH, **FORM | {name: wrong})
    assert answer.status_code == status
    assert wrong in tree(answer).xpath("string(//*[@role='alert'])")
    assert tree(answer).xpath("string(//input[@id='host']/@value)") == (FORM | {name: wrong})["host"]
    assert server.accounts.listed_targets(server.aid) == []


async def test_others_are_refused(server: Any) -> None:
    """403 for regular users and without the form's token; 404 for another account group's target."""
    foreign = server.accounts.create_account_group("Theirs", server.accounts.create_organization("Other"))
    theirs = server.accounts.add_target(foreign, Target(host="theirs.example.com"))
    mine = server.accounts.add_target(server.aid, Target(host="mine.example.com"))
    kept = server.accounts.listed_targets()
    posts = [PATH, f"{PATH}/{mine}", f"{PATH}/{mine}/delete"]
    async with server.client(server.tokens[Role.USER]) as client:
        for path in (PATH, *posts[1:]):
            assert (await client.get(path)).status_code == 403
            assert (await send(client, path, **FORM)).status_code == 403
    async with admin(server) as client:
        for path in posts:
            assert (await client.post(path, data=FORM)).status_code == 403
        for path in (f"{PATH}/{theirs}", f"{PATH}/{theirs}/delete"):
            assert (await client.get(path)).status_code == 404
            assert (await send(client, path, **FORM)).status_code == 404
    assert server.accounts.listed_targets() == kept
