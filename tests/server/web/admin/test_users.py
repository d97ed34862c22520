"""Users over the pages: who may manage them, what is in the log, and what is shown once."""

from typing import Any

import httpx
import pytest
from tests.server.web.signing_in import csrf_of, person, sign_in, tree

from hopsight.model.accounts import Role

pytestmark = pytest.mark.anyio

ADMIN = "org-admin@example.com"
USER = "user@example.com"


def uid_of(server: Any, email: str) -> int:
    """The ID of a user."""
    return int(next(user.uid for user in server.accounts.users() if user.email == email))


def events(server: Any, name: str) -> list[Any]:
    """What the log has under a name, with who did it."""
    found = server.accounts.audit_events(None, first_s=0, last_s=1 << 40)
    return [each for each in found if each.event == name and each.who != "command line"]


async def send(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """Post a form with the token that a page of the client's has."""
    csrf = csrf_of(await client.get("/account"))
    return await client.post(path, data={"csrf": csrf} | fields)


def admin(server: Any) -> Any:
    """A client of the organization admin."""
    return server.client(server.tokens[Role.ORG_ADMIN])


def person_of(server: Any) -> dict[str, str]:
    """A form for a new user."""
    return {"name": "Jane", "email": "jane@example.org", f"role-{server.aid}": "account-admin", "login": ""}


async def test_an_added_user_has_a_token_that_is_shown_once(server: Any) -> None:
    """The answer to the form alone has it, and no URL; it opens the door, and the log says who."""
    async with admin(server) as client:
        answer = await send(client, "/admin/users", **person_of(server))
        assert answer.status_code == 200, answer.text
        token = tree(answer).xpath("string(//*[contains(@class, 'secret')]//code)")
        principal = server.accounts.authenticate_token(token)
        assert (principal.email, principal.roles) == ("jane@example.org", {server.aid: Role.ACCOUNT_ADMIN})
        assert answer.headers["Cache-Control"] == "no-store"
        assert token not in str(answer.url)
        assert token not in (await client.get(f"/admin/users/{principal.uid}")).text
        assert "jane@example.org" in (await client.get("/admin/users")).text
    assert [each.who for each in events(server, "User created")] == [ADMIN]


async def test_a_refused_user_is_kept_as_typed(server: Any) -> None:
    """The page says why, with what was filled in."""
    async with admin(server) as client:
        for fields, status in (({"email": USER}, 409), ({"email": "none"}, 400), ({"login": "9"}, 400)):
            answer = await send(client, "/admin/users", **(person_of(server) | fields))
            page = tree(answer)
            assert answer.status_code == status, fields
            assert page.xpath("string(//*[@role='alert'])")
            assert page.xpath("//input[@name='name']/@value") == ["Jane"]
            assert page.xpath("//select[starts-with(@name, 'role-')]/option[@selected]/@value") == [
                "account-admin"
            ]


async def test_a_user_is_changed(server: Any) -> None:
    """Name, roles and default account group, under the admin's name."""
    other = server.accounts.create_account_group("Second", 1)
    uid = uid_of(server, USER)
    fields = {
        "name": "Renamed",
        "email": USER,
        f"role-{server.aid}": "user",
        f"role-{other}": "account-admin",
        "login": str(other),
    }
    async with admin(server) as client:
        answer = await send(client, f"/admin/users/{uid}", **fields)
        assert answer.headers["Location"] == f"/admin/users/{uid}?aid={server.aid}&done=changed"
        page = await client.get(answer.headers["Location"])
        assert "The user is changed." in page.text
    changed = next(user for user in server.accounts.users() if user.uid == uid)
    assert (changed.name, changed.login_aid) == ("Renamed", other)
    assert changed.roles == {server.aid: Role.USER, other: Role.ACCOUNT_ADMIN}
    assert {each.who for each in events(server, "User updated")} == {ADMIN}


async def test_the_last_admin_stays(server: Any) -> None:
    """The form and the question's button say why, and nothing changes."""
    uid = uid_of(server, ADMIN)
    async with admin(server) as client:
        fields = {"name": "x", "email": ADMIN, f"role-{server.aid}": "user"}
        for answer in (
            await send(client, f"/admin/users/{uid}", **fields),
            await send(client, f"/admin/users/{uid}/delete"),
        ):
            assert answer.status_code == 409
            assert "last organization admin" in tree(answer).xpath("string(//*[@role='alert'])")
    assert uid_of(server, ADMIN) == uid


async def test_a_user_is_deleted_after_a_question(server: Any) -> None:
    """The link asks and changes nothing; the button deletes, under the admin's name."""
    uid = uid_of(server, USER)
    async with admin(server) as client:
        question = tree(await client.get(f"/admin/users/{uid}/delete"))
        assert question.xpath("string(//h1)") == f"Delete the user {USER}?"
        assert uid_of(server, USER) == uid
        action = question.xpath("//form[contains(@class, 'confirm')]/@action")[0]
        answer = await send(client, action)
        assert answer.status_code == 303
        assert "no longer in your organization" in (await client.get(answer.headers["Location"])).text
    assert USER not in {user.email for user in server.accounts.users()}
    assert [each.who for each in events(server, "User deleted")] == [ADMIN]


async def test_tokens_of_a_user_are_made_and_deleted(server: Any) -> None:
    """A new one is shown once and opens the door until it is deleted; both are in the log."""
    path = f"/admin/users/{uid_of(server, USER)}"
    async with admin(server) as client:
        made = await send(client, f"{path}/tokens")
        token = tree(made).xpath("string(//*[contains(@class, 'secret')]//code)")
        assert server.accounts.authenticate_token(token).email == USER
        numbers = tree(await client.get(path)).xpath("//input[@name='token']/@value")
        assert len(numbers) == 2
        assert (await send(client, f"{path}/tokens/delete", token=numbers[-1])).status_code == 200
        assert server.accounts.authenticate_token(token) is None
        assert (await send(client, f"{path}/tokens/delete", token="999")).status_code == 404
    for name in ("User token created", "User token deleted"):
        assert [each.who for each in events(server, name)] == [ADMIN]


async def test_a_user_is_signed_out_everywhere(server: Any) -> None:
    """Open sessions end at once, under the admin's name."""
    async with person(server) as theirs, admin(server) as client:
        await sign_in(server, theirs)
        assert (await theirs.get("/account")).status_code == 200
        answer = await send(client, f"/admin/users/{uid_of(server, USER)}/sessions")
        assert answer.status_code == 200
        assert (await theirs.get("/account")).status_code == 303
    assert [each.who for each in events(server, "User signed out")] == [ADMIN]


async def test_others_are_refused(server: Any) -> None:
    """An account admin and a regular user 403, forms without their token 403, nobody's user 404."""
    uid = uid_of(server, USER)
    posts = [f"/admin/users{tail}" for tail in ("", *(f"/{uid}{each}" for each in POSTS))]
    for role in (Role.ACCOUNT_ADMIN, Role.USER):
        async with server.client(server.tokens[role]) as client:
            for path in ("/admin/users", f"/admin/users/{uid}", f"/admin/users/{uid}/delete"):
                assert (await client.get(path)).status_code == 403, path
            for path in posts:
                assert (await send(client, path, **person_of(server))).status_code == 403, path
    async with admin(server) as client:
        for path in posts:
            assert (await client.post(path, data=person_of(server))).status_code == 403, path
    assert {user.email for user in server.accounts.users()} == {f"{role}@example.com" for role in Role}
    assert len(server.accounts.tokens()) == 3


POSTS = ("", "/tokens", "/tokens/delete", "/sessions", "/delete")


async def test_users_of_another_organization_do_not_exist(server: Any) -> None:
    """404 for all that is asked of them, and what is no number."""
    elsewhere = server.accounts.create_account_group("Theirs", server.accounts.create_organization("Other"))
    uid = server.accounts.create_user("far@example.net", Role.USER, [elsewhere])
    async with admin(server) as client:
        assert "far@example.net" not in (await client.get("/admin/users")).text
        for number in (uid, "x", "9" * 99):
            assert (await client.get(f"/admin/users/{number}")).status_code == 404
            for tail in POSTS:
                answer = await send(client, f"/admin/users/{number}{tail}", token="1", email="a@b.de")
                assert answer.status_code == 404, tail
        fields = person_of(server) | {f"role-{elsewhere}": "org-admin"}
        await send(client, "/admin/users", **fields)
    assert "jane@example.org" not in {member.email for member in server.accounts.members(elsewhere)}


async def test_who_is_in_two_organizations_keeps_tokens_and_sessions(server: Any) -> None:
    """409: they open what belongs to the other one."""
    elsewhere = server.accounts.create_account_group("Theirs", server.accounts.create_organization("Other"))
    uid = server.accounts.create_user("both@example.net", Role.USER, [elsewhere, server.aid])
    async with admin(server) as client:
        page = await client.get(f"/admin/users/{uid}")
        assert "cannot be managed here" in page.text
        for tail in ("/tokens", "/sessions"):
            assert (await send(client, f"/admin/users/{uid}{tail}")).status_code == 409
    assert all(token.email != "both@example.net" for token in server.accounts.tokens())


async def test_everybody_manages_tokens_of_their_own(server: Any) -> None:
    """A regular user lists, makes and deletes theirs on the account page, and no one else's."""
    async with server.client() as client:
        assert len(tree(await client.get("/account")).xpath("//input[@name='token']")) == 1
        made = await send(client, "/account/tokens")
        token = tree(made).xpath("string(//*[contains(@class, 'secret')]//code)")
        assert server.accounts.authenticate_token(token).email == USER
        page = await client.get("/account")
        assert token not in page.text
        number = tree(page).xpath("//input[@name='token']/@value")[-1]
        answer = await send(client, "/account/tokens/delete", token=number)
        assert answer.headers["Location"] == "/account?done=token"
        assert server.accounts.authenticate_token(token) is None
        theirs = next(each.token_id for each in server.accounts.tokens() if each.email == ADMIN)
        assert (await send(client, "/account/tokens/delete", token=str(theirs))).status_code == 404
        assert (await client.post("/account/tokens")).status_code in {403, 415}
        assert (await client.post("/account/tokens", data={"csrf": "0"})).status_code == 403
    assert [each.who for each in events(server, "User token created")] == [USER]
