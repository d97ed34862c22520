"""One's own account: the password, and where one is signed in."""

from typing import Any

import pytest
from tests.server.web.signing_in import EMAIL, PASSWORD, csrf_of, person, post_sign_in, sign_in, tree

from hopsight.accounts.passwords import is_password

pytestmark = pytest.mark.anyio

NEW = "another one, long enough"
SESSIONS = "//tr[.//input[@name='session']]"


def is_theirs(server: Any, password: str) -> bool:
    """Whether this is the user's password."""
    stored = server.accounts.sign_ins.password_of(EMAIL)
    return is_password(stored.password_hash if stored else None, password)


async def change(client: Any, **fields: str) -> Any:
    """Send the form of the password."""
    csrf = csrf_of(await client.get("/account"))
    return await client.post("/account/password", data={"csrf": csrf} | fields)


async def test_a_person_changes_the_password(server: Any) -> None:
    """All sessions end; this browser has a new one, under a new ID; it is in the log, with who and where."""
    async with person(server) as client, person(server) as elsewhere:
        before = await sign_in(server, client)
        await sign_in(server, elsewhere)
        answer = await change(client, current=PASSWORD, new=NEW, repeated=NEW)
        assert answer.headers["Location"] == "/account?done=password"
        assert client.cookies["hopsight_session"] != before
        page = await client.get("/account?done=password")
        assert "Your password is changed" in page.text
        assert (await elsewhere.get("/account")).status_code == 303
        client.cookies.set("hopsight_session", before, domain="hopsight.test")
        assert is_theirs(server, NEW)
    events = server.accounts.audit_events(None, first_s=0, last_s=1 << 40)
    (noted,) = [each for each in events if each.event == "User password changed" and each.uid]
    assert (noted.who, noted.ip_address) == (EMAIL, "127.0.0.1")


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"current": "wrong", "new": NEW, "repeated": NEW}, 403, "The current password is wrong"),
        ({"new": NEW, "repeated": NEW}, 403, "The current password is wrong"),
        ({"current": PASSWORD, "new": "ninechars", "repeated": "ninechars"}, 400, "10 to 1000 characters"),
        ({"current": PASSWORD, "new": NEW, "repeated": NEW + "x"}, 400, "the same in both fields"),
        ({"current": PASSWORD, "new": EMAIL, "repeated": EMAIL}, 400, "others do not know"),
        ({}, 400, "10 to 1000 characters"),
    ],
)
async def test_a_password_that_will_not_do_is_refused_in_words(
    server: Any, fields: dict[str, str], status: int, words: str
) -> None:
    """The page comes back saying why; neither it nor the old password's validity gives anything away."""
    async with person(server) as client:
        await sign_in(server, client)
        answer = await change(client, **fields)
        assert answer.status_code == status
        assert words in tree(answer).xpath("string(//*[@role='alert'])")
        assert NEW not in answer.text
        assert (await client.get("/account")).status_code == 200
    assert is_theirs(server, PASSWORD)


async def test_who_came_with_a_token_sets_a_first_password(server: Any) -> None:
    """There is none to show; afterwards it opens the door, and has to be shown to be changed."""
    async with person(server) as client:
        assert (await post_sign_in(client, token=server.token)).status_code == 303
        page = await client.get("/account")
        assert not tree(page).xpath("//input[@name='current']")
        assert (await change(client, new=PASSWORD, repeated=PASSWORD)).status_code == 303
        page = await client.get("/account")
        assert tree(page).xpath("//input[@name='current']")
        assert (await change(client, new=NEW, repeated=NEW)).status_code == 403


async def test_guessing_the_current_password_is_locked_too(server: Any) -> None:
    """Whoever sits down at somebody's open browser has ten guesses a minute, as at the door."""
    async with person(server) as client:
        await sign_in(server, client)
        for _ in range(10):
            await server.app.services.limits.count_refusal(f"account {EMAIL}")
        answer = await change(client, current=PASSWORD, new=NEW, repeated=NEW)
    assert answer.status_code == 429
    assert is_theirs(server, PASSWORD)


async def test_sessions_are_listed_and_ended(server: Any) -> None:
    """Each with browser, address and times; one is ended by its button, the others by one for all."""
    async with person(server) as here, person(server) as there, person(server) as third:
        for client, name in ((there, "Phone <b>"), (third, "Tablet"), (here, "Laptop")):
            client.headers["User-Agent"] = name
            await sign_in(server, client)
            server.clock.advance(60)
        page = tree(await here.get("/account"))
        rows = [[" ".join(cell.text_content().split()) for cell in row] for row in page.xpath(SESSIONS)]
        assert [row[0] for row in rows] == ["This one. Laptop", "Tablet", "Phone <b>"]
        assert {row[1] for row in rows} == {"127.0.0.1"}
        csrf = page.xpath("//tbody/tr[3]//input[@name='csrf']/@value")[0]
        number = page.xpath("//tbody/tr[3]//input[@name='session']/@value")[0]
        answer = await here.post("/account/sessions", data={"csrf": csrf, "session": number})
        assert answer.headers["Location"] == "/account?done=session"
        assert (await there.get("/account")).status_code == 303
        assert (await third.get("/account")).status_code == 200
        await here.post("/account/sessions", data={"csrf": csrf, "session": "others"})
        assert (await third.get("/account")).status_code == 303
        assert (await here.get("/account")).status_code == 200


async def test_sessions_of_others_are_not_theirs_to_end(server: Any) -> None:
    """404, as for one that is not there; what is no number, too."""
    async with person(server) as client, person(server) as other:
        await sign_in(server, client)
        await sign_in(server, other, "org-admin@example.com")
        csrf = csrf_of(await client.get("/account"))
        for number in ("2", "99", "x", "", "9" * 400, "-1"):
            answer = await client.post("/account/sessions", data={"csrf": csrf, "session": number})
            assert answer.status_code == 404, number
        assert (await other.get("/account")).status_code == 200


@pytest.mark.parametrize("path", ["/account/password", "/account/sessions"])
async def test_no_other_site_changes_anything(server: Any, path: str) -> None:
    """Without the session's token, 403; without a session, the form to sign in."""
    fields = {"current": PASSWORD, "new": NEW, "repeated": NEW, "session": "others"}
    async with person(server) as client, person(server) as other:
        await sign_in(server, client)
        await sign_in(server, other)
        theirs = csrf_of(await other.get("/account"))
        for csrf in ("", "0" * 64, theirs):
            assert (await client.post(path, data=fields | {"csrf": csrf})).status_code == 403
        assert (await other.get("/account")).status_code == 200
    assert is_theirs(server, PASSWORD)
    async with person(server) as stranger:
        answer = await stranger.post(path, data=fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")


async def test_a_program_with_a_token_has_no_session(client: Any) -> None:
    """The page says so, and has no button to sign out."""
    page = tree(await client.get("/account"))
    assert "Nowhere" in page.text_content()
    assert not page.xpath("//form[@action='/sign-out']")
