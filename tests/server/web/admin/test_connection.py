"""Connection strings over the pages: shown once, listed without secrets, deleted after a question."""

from typing import Any

import pytest
from tests.server.web.admin.test_users import ADMIN, admin, events, send
from tests.server.web.signing_in import tree

from hopsight.model.accounts import Role
from hopsight.model.connection import parse_connection_string
from hopsight.server.web.admin.connection import install_lines

pytestmark = pytest.mark.anyio

PATH = "/admin/connection"


def key_ids(server: Any) -> list[int]:
    """The IDs of the account group's keys."""
    return [key.key_id for key in server.accounts.group_keys(server.aid)]


async def test_a_string_is_shown_once_and_works(server: Any) -> None:
    """The answer to the form alone has it, is kept nowhere, and its key lets agents in; the log says who."""
    before = len(key_ids(server))
    async with admin(server) as client:
        answer = await send(client, PATH)
        assert answer.status_code == 200, answer.text
        text = tree(answer).xpath("string(//*[contains(@class, 'secret')]//code)")
        key = parse_connection_string(text).key
        assert server.accounts.knows_group_key(key)
        assert answer.headers["Cache-Control"] == "no-store"
        assert key not in str(answer.url)
        assert len(tree(answer).xpath("//pre")) == len(install_lines(text))
        assert all(text in line for line in tree(answer).xpath("//pre/text()")[:1])
        again = await client.get(PATH)
    assert key not in again.text
    assert len(tree(again).xpath("//tbody/tr/th")) == before + 1
    assert [each.who for each in events(server, "Connection string created")] == [ADMIN]


async def test_a_string_is_deleted_after_a_question(server: Any) -> None:
    """The question changes nothing; its form deletes the key, under the admin's name."""
    server.accounts.create_group_key(server.aid)
    key_id = key_ids(server)[-1]
    async with admin(server) as client:
        question = await client.get(f"{PATH}/{key_id}/delete")
        assert tree(question).xpath("string(//h1)") == f"Delete connection string {key_id}?"
        assert key_id in key_ids(server)
        answer = await send(client, f"{PATH}/{key_id}/delete")
        assert "is deleted" in (await client.get(answer.headers["Location"])).text
    assert key_id not in key_ids(server)
    assert [each.who for each in events(server, "Connection string deleted")] == [ADMIN]


async def test_others_are_refused(server: Any) -> None:
    """403 for regular users and without the form's token; 404 for another account group's key."""
    foreign = server.accounts.create_account_group("Theirs", server.accounts.create_organization("Other"))
    server.accounts.create_group_key(foreign)
    (theirs,) = (key.key_id for key in server.accounts.group_keys(foreign))
    server.accounts.create_group_key(server.aid)
    kept = key_ids(server)
    posts = [PATH, f"{PATH}/{kept[-1]}/delete"]
    async with server.client(server.tokens[Role.USER]) as client:
        assert (await client.get(PATH)).status_code == 403
        assert [(await send(client, path)).status_code for path in posts] == [403, 403]
    async with admin(server) as client:
        assert [(await client.post(path, data={"key": "1"})).status_code for path in posts] == [403, 403]
        assert (await client.get(f"{PATH}/{theirs}/delete")).status_code == 404
        assert (await send(client, f"{PATH}/{theirs}/delete")).status_code == 404
    assert key_ids(server) == kept
    assert len(server.accounts.group_keys(foreign)) == 1


def test_lines_are_quoted_for_their_shell() -> None:
    """What a shell would take apart stays whole."""
    service, _, windows = (line for _, line in install_lines("a&b'c"))
    assert service.startswith("""HOPSIGHT_CONNECTION_STRING='a&b'"'"'c' """)
    assert "= 'a&b''c';" in windows
