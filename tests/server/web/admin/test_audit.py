"""The audit log over the pages: for administrators, in pages, narrowed by words, of no one else's groups."""

from typing import Any

import pytest
from tests.server.web.admin.test_users import ADMIN, admin, send, uid_of
from tests.server.web.signing_in import tree

from hopsight.model.accounts import Role
from hopsight.server.web.admin.audit import PAGE_EVENTS

pytestmark = pytest.mark.anyio


def rows_of(answer: Any) -> list[list[str]]:
    """The cells of the table."""
    assert answer.status_code == 200, answer.text
    return [[cell.text_content() for cell in row] for row in tree(answer).xpath("//tbody/tr")]


async def test_an_event_says_what_who_and_from_where(server: Any) -> None:
    """The newest is first, with time, resources, the admin's name and address."""
    async with admin(server) as client:
        await send(client, f"/admin/users/{uid_of(server, 'user@example.com')}/tokens")
        rows = rows_of(await client.get("/admin/audit"))
    assert rows[0][1:] == [
        "User token created",
        "user: user@example.com (3)token: 4",
        ADMIN,
        "127.0.0.1",
    ]
    assert rows[-1][4] == "this server"


async def test_events_come_in_pages(server: Any) -> None:
    """The link to older ones leads to all others, once each, the words kept; the last page has none."""
    for number in range(PAGE_EVENTS + 5):
        server.accounts.rename_group(server.aid, f"Name {number}")
    async with admin(server) as client:
        first = await client.get("/admin/audit?event=renamed")
        (older,) = tree(first).xpath("//a[@rel='next']/@href")
        second = await client.get(older)
    rows = rows_of(first) + rows_of(second)
    assert (len(rows_of(first)), len(rows_of(second))) == (PAGE_EVENTS, 5)
    assert [f"Name {number} (7625)" in row[2] for number, row in zip(range(104, -1, -1), rows, strict=True)]
    assert len({row[2] for row in rows}) == len(rows)
    assert not tree(second).xpath("//a[@rel='next']")


async def test_words_narrow_the_log(server: Any) -> None:
    """Who, what and of what are looked for anywhere in the text, as typed: ``%`` stands for itself."""
    server.accounts.rename_group(server.aid, 'Büro "50%"')
    async with admin(server) as client:
        for words, found in (
            ({"event": "RENAMED"}, 1),
            ({"who": "command"}, 7),
            ({"who": "nobody"}, 0),
            ({"resource": 'Büro "50%"'}, 1),
            ({"resource": "x%x"}, 0),
            ({"resource": "user@example"}, 2),
            ({"event": "renamed", "resource": "user@"}, 0),
        ):
            answer = await client.get("/admin/audit", params=words)
            rows = [row for row in rows_of(answer) if row[0] != "No such event in this time."]
            assert len(rows) == found, (words, rows)
        for words in ({"who": "x" * 201}, {"before": "x"}, {"before": "9" * 99}):
            assert (await client.get("/admin/audit", params=words)).status_code == 400


async def test_a_time_range_bounds_the_log(server: Any) -> None:
    """What is older than the window is not shown."""
    server.clock.advance(7200)
    server.accounts.rename_group(server.aid, "Later")
    async with admin(server) as client:
        assert len(rows_of(await client.get("/admin/audit?window=1h"))) == 1
        assert len(rows_of(await client.get("/admin/audit?window=6h"))) > 1


async def test_who_may_read_what(server: Any) -> None:
    """Administrators of the account group; all groups means those that one administers; others nothing."""
    second = server.accounts.create_account_group("Second", 1)
    server.accounts.create_account_group("Theirs", server.accounts.create_organization("Other"))
    for role, shown in ((Role.ORG_ADMIN, True), (Role.ACCOUNT_ADMIN, False)):
        async with server.client(server.tokens[role]) as client:
            page = (await client.get("/admin/audit")).text
            everywhere = (await client.get("/admin/audit?useAllPermittedAids=true")).text
            assert (await client.get(f"/admin/audit?aid={second}")).status_code == 400
        assert "User created" in page
        assert ("Organization created" in everywhere) is shown
        assert "Second (" not in page
        assert "Theirs" not in everywhere
    async with server.client() as client:
        assert (await client.get("/admin/audit")).status_code == 403
