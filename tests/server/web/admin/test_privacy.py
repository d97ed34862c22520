"""Privacy over the pages: what agents tell, what there is of one person, and the commands for it."""

import shlex
from typing import Any

import pytest
from tests.server.web.admin.test_groups import enrol
from tests.server.web.admin.test_users import admin, send
from tests.server.web.signing_in import tree

from hopsight.model.accounts import Role
from hopsight.model.dimensions import NETWORK_SESSIONS, Dimensions
from hopsight.model.query import Record

pytestmark = pytest.mark.anyio


def counts(answer: Any) -> dict[str, str]:
    """The table of rows."""
    rows = tree(answer).xpath("//table[caption[@id='counts']]/tbody/tr")
    return {row[0].text_content(): row[1].text_content() for row in rows}


def commands(answer: Any) -> list[list[str]]:
    """The words of each command, as a shell reads them."""
    return [shlex.split(line) for line in tree(answer).xpath("string(//pre)").splitlines()]


async def test_the_page_counts_what_agents_tell(server: Any) -> None:
    """Agents with users and with names of computers, where a pseudonym is none; and days of retention."""
    enrol(server, user_names=("jane",))
    enrol(server, computer_name="computer-3f9c01d2ab77")
    async with admin(server) as client:
        answer = await client.get("/admin/privacy")
    (row,) = tree(answer).xpath("//table[caption[@id='said']]/tbody/tr")
    assert [cell.text_content() for cell in row] == ["Sandbox", "2", "1", "1"]
    assert "for 90 days" in answer.text


async def test_what_there_is_of_a_person_is_counted(server: Any) -> None:
    """Rows of the agents that report the name, in accounts and records, with commands a shell takes."""
    agent_id = enrol(server, user_names=("Jane O'Neil",))
    record = Record(
        aid=server.aid,
        round_id=1_600_000_200,
        record_id="1",
        dimensions=Dimensions(agent_id=agent_id),
        loss_percent=None,
        latency_ms=None,
        jitter_ms=None,
        body=b"{}",
    )
    await server.store.add(NETWORK_SESSIONS, [record])
    async with admin(server) as client:
        answer = await send(client, "/admin/privacy", person="Jane O'Neil")
    assert answer.status_code == 200
    assert (counts(answer)["accounts.agents"], counts(answer)["network_sessions"]) == ("1", "1")
    assert "Jane" not in str(answer.url)
    who = ["--user", "Jane O'Neil"]
    assert commands(answer) == [
        ["hopsight", "admin", "export", *who, "--output", "person.jsonl"],
        ["hopsight", "admin", "erase", *who, "--dry-run"],
        ["hopsight", "admin", "erase", *who],
    ]


async def test_a_shared_machine_is_named(server: Any) -> None:
    """The page says that others use it, and the commands include it in so many words."""
    enrol(server, user_names=("jane", "john"))
    async with admin(server) as client:
        answer = await send(client, "/admin/privacy", person="jane")
    assert "also used by 1 other" in answer.text
    assert all("--include-shared" in command for command in commands(answer))


async def test_a_user_of_the_server_is_found_by_address(server: Any) -> None:
    """Account, role and token are counted; the other organization's of one in two are not."""
    elsewhere = server.accounts.create_account_group("Theirs", server.accounts.create_organization("Other"))
    server.accounts.create_user("both@example.net", Role.USER, [server.aid, elsewhere])
    async with admin(server) as client:
        answer = await send(client, "/admin/privacy", person="User@example.com")
        assert (counts(answer)["accounts.users"], counts(answer)["accounts.tokens"]) == ("1", "1")
        answer = await send(client, "/admin/privacy", person="both@example.net")
        assert counts(answer) == {}
        assert "in another organization, too" in answer.text


async def test_nobody_of_another_organization_is_found(server: Any) -> None:
    """Neither their users nor people on their machines; nothing, too, for a name that nobody has."""
    elsewhere = server.accounts.create_account_group("Theirs", server.accounts.create_organization("Other"))
    server.accounts.create_user("far@example.net", Role.ORG_ADMIN, [elsewhere])
    token = server.accounts.create_token("far@example.net")
    enrol(server, user_names=("jane",))
    async with admin(server) as client:
        for name in ("far@example.net", "nobody"):
            assert "Nothing: no agent" in (await send(client, "/admin/privacy", person=name)).text
    async with server.client(token) as client:
        answer = await send(client, "/admin/privacy", person="jane")
        assert "Nothing: no agent" in answer.text
        assert "Sandbox" not in answer.text


async def test_others_are_refused(server: Any) -> None:
    """403 for all but organization admins, and without the form's token; 400 for no name, or half a page."""
    for role in (Role.ACCOUNT_ADMIN, Role.USER):
        async with server.client(server.tokens[role]) as client:
            assert (await client.get("/admin/privacy")).status_code == 403
            assert (await send(client, "/admin/privacy", person="jane")).status_code == 403
    async with admin(server) as client:
        assert (await client.post("/admin/privacy", data={"person": "jane"})).status_code == 403
        for name in ("", " ", "x" * 255):
            assert (await send(client, "/admin/privacy", person=name)).status_code == 400
