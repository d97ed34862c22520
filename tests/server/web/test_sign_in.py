"""Signing in and out, over the whole application."""

import asyncio
import random
from typing import Any

import pytest
from tests.server.web.signing_in import EMAIL, PASSWORD, csrf_of, person, post_sign_in, sign_in, tree

from hopsight.accounts.browser_sessions import IDLE_S, Device
from hopsight.errors import StoreUnavailableError
from hopsight.server.limits import ACCOUNT_REFUSALS
from hopsight.testing import sample_record

pytestmark = pytest.mark.anyio


def told(answer: Any) -> str:
    """What the page says is wrong."""
    return str(tree(answer).xpath("string(//*[@role='alert'])"))


def events(server: Any, name: str) -> list[Any]:
    """What the log has of this."""
    found = server.accounts.audit_events(None, first_s=0, last_s=1 << 40, limit=10_000)
    return [event for event in found if event.event == name]


@pytest.mark.parametrize("server", ["sqlite", "postgresql"], indirect=True)
async def test_a_password_opens_the_page_that_was_asked_for(server: Any) -> None:
    """From a page to the form, and with the password back to it, signed in, which is in the log."""
    await server.add(sample_record(random.Random(1)))
    async with person(server) as client:
        await sign_in(server, client)
        await client.post("/sign-out", data={"csrf": csrf_of(await client.get("/account"))})
        first = await client.get("/last-round?aid=7625")
        form = await client.get(first.headers["Location"])
        fields = {
            "csrf": csrf_of(form),
            "next": "/last-round?aid=7625",
            "email": f" {EMAIL.upper()}",
            "password": PASSWORD,
        }
        assert tree(form).xpath("//input[@name='next']/@value") == ["/last-round?aid=7625"] * 2
        answer = await client.post("/sign-in", data=fields)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/last-round?aid=7625")
        page = await client.get(answer.headers["Location"])
    assert page.status_code == 200
    assert tree(page).xpath("//table[@class='sessions']")
    assert tree(page).xpath("string(//*[@class='who']/a)") == EMAIL
    last = events(server, "User signed in")[-1]
    assert (last.who, last.aid, last.ip_address) == (EMAIL, server.aid, "127.0.0.1")


@pytest.mark.parametrize("server", ["sqlite", "postgresql"], indirect=True)
async def test_a_token_that_is_pasted_opens_them_too(server: Any) -> None:
    """With white space around it, as it is copied; a wrong one does not."""
    async with person(server) as client:
        refused = await post_sign_in(client, token="wrong")
        assert (refused.status_code, told(refused)) == (403, "This token is not known.")
        answer = await post_sign_in(client, "/account", token=f" {server.token}\n")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/account")
        assert EMAIL in (await client.get("/account")).text


async def test_the_cookie_is_kept_from_scripts_and_other_sites(server: Any, make_server: Any) -> None:
    """HttpOnly, SameSite=Lax, for the whole site, until the browser ends; Secure where links are https."""
    async with person(server) as client:
        answer = await post_sign_in(client, token=server.token)
    cookie = next(each for each in answer.headers.get_list("set-cookie") if "hopsight_session" in each)
    assert cookie.split("; ")[1:] == ["Path=/", "HttpOnly", "SameSite=Lax"]
    secure = make_server(public_url="https://hopsight.example")
    async with person(secure) as client:
        form = await client.get("/sign-in")
        client.cookies.set("hopsight_sign_in", form.headers["set-cookie"].split(";")[0].split("=")[1])
        answer = await client.post("/sign-in", data={"csrf": csrf_of(form), "token": secure.token})
    found = answer.headers.get_list("set-cookie")
    assert len(found) == 2
    assert all("; HttpOnly; SameSite=Lax; Secure" in each for each in found)


async def test_signing_in_gives_an_id_that_nobody_knew(server: Any) -> None:
    """A session ID that somebody planted opens nothing afterwards; one that was open is over."""
    sign_ins = server.accounts.sign_ins
    for old in ("planted", sign_ins.begin_by_token(server.token, Device())):
        async with person(server) as client:
            form = await client.get("/sign-in")
            csrf, own = csrf_of(form), client.cookies["hopsight_sign_in"]
            sent = {"Cookie": f"hopsight_session={old}; hopsight_sign_in={own}"}
            client.cookies.clear()
            fields = {"csrf": csrf, "token": server.token}
            assert (await client.post("/sign-in", data=fields, headers=sent)).status_code == 303
            new = client.cookies["hopsight_session"]
        assert new != old
        assert sign_ins.authenticate(new) is not None
        assert sign_ins.authenticate(old) is None


@pytest.mark.parametrize("server", ["sqlite", "postgresql"], indirect=True)
async def test_signing_out_ends_the_session(server: Any) -> None:
    """In the server, not in the browser alone: who kept the cookie has nothing."""
    async with person(server) as client:
        secret = await sign_in(server, client)
        answer = await client.post("/sign-out", data={"csrf": csrf_of(await client.get("/account"))})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
        assert "hopsight_session" not in client.cookies
        client.cookies.set("hopsight_session", secret)
        assert (await client.get("/account")).status_code == 303
        again = await client.post("/sign-out", data={})
        assert again.status_code == 303


async def test_an_idle_session_asks_again(server: Any) -> None:
    """After twelve hours the next page leads to the form, and from there back."""
    async with person(server) as client:
        await sign_in(server, client)
        server.clock.advance(IDLE_S - 1)
        assert (await client.get("/account")).status_code == 200
        server.clock.advance(IDLE_S)
        answer = await client.get("/account?done=others")
        assert answer.headers["Location"] == "/sign-in?next=/account%3Fdone%3Dothers"
        assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize(
    "next_",
    [
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/%0d%0aSet-Cookie: x=y\r\nSet-Cookie: x=y",
        "evil",
        "",
        "/ä",
        "/" + "x" * 2_000,
    ],
)
async def test_next_leads_nowhere_else(server: Any, next_: str) -> None:
    """Only to a path of this server; anything else becomes the start page, before and after signing in."""
    async with person(server) as client:
        form = await client.get("/sign-in", params={"next": next_})
        assert tree(form).xpath("//input[@name='next']/@value") == ["/", "/"]
        answer = await post_sign_in(client, next_, token=server.token)
        assert answer.headers["Location"] == "/"
        assert "x=y" not in str(answer.headers)
        answer = await client.get("/sign-in", params={"next": next_})
        assert answer.headers["Location"] == "/"


@pytest.mark.parametrize("csrf", [None, "0" * 64])
async def test_no_other_site_can_sign_somebody_in(server: Any, csrf: str | None) -> None:
    """Without the form's own cookie and token it is refused, with the form to try again."""
    fields = {"token": server.token} | ({} if csrf is None else {"csrf": csrf})
    async with person(server) as client:
        without_cookie = await client.post("/sign-in", data=fields)
        assert (await client.get("/sign-in")).status_code == 200
        with_cookie = await client.post("/sign-in", data=fields)
        for answer in (without_cookie, with_cookie):
            assert answer.status_code == 403
            assert "cookies" in told(answer)
        assert "hopsight_session" not in client.cookies


async def test_no_other_site_can_sign_somebody_out(server: Any) -> None:
    """Without the token of the session, 403, and the session goes on."""
    async with person(server) as client:
        await sign_in(server, client)
        for csrf in ("", "0" * 64):
            assert (await client.post("/sign-out", data={"csrf": csrf})).status_code == 403
        assert (await client.get("/account")).status_code == 200


async def test_nobody_learns_who_has_an_account(server: Any) -> None:
    """The same words and status for a wrong password, a user without one, and nobody."""
    async with person(server) as client:
        await sign_in(server, client)
    answers = []
    for email in (EMAIL, "org-admin@example.com", "nobody@example.com"):
        async with person(server) as client:
            answer = await post_sign_in(client, email=email, password="wrong")
            answers.append((answer.status_code, told(answer)))
    assert set(answers) == {(403, "E-mail address or password is wrong.")}


@pytest.mark.parametrize("server", ["sqlite", "postgresql"], indirect=True)
async def test_too_many_wrong_passwords_lock_an_account(server: Any) -> None:
    """Ten in a minute, from wherever: then the right one is not looked at, either, for the rest of it.

    The same for an address that nobody has. It is in the log, once; who is signed in stays so.
    """
    async with person(server) as inside:
        await sign_in(server, inside)
        for _ in range(ACCOUNT_REFUSALS):
            await server.app.services.limits.count_refusal("account nobody@example.com")
        async with person(server) as client:
            for number in range(ACCOUNT_REFUSALS):
                answer = await post_sign_in(client, email=EMAIL, password=f"wrong {number}")
                assert answer.status_code == 403
            for email in (EMAIL, "nobody@example.com"):
                locked = await post_sign_in(client, email=email, password=PASSWORD)
                assert locked.status_code == 429
                assert 0 < int(locked.headers["Retry-After"]) <= 60
                assert "Too many wrong passwords" in told(locked)
            server.clock.advance(61)
            assert (await post_sign_in(client, email=EMAIL, password=PASSWORD)).status_code == 303
        assert (await inside.get("/account")).status_code == 200
    (noted,) = events(server, "Sign-in locked out")
    assert (noted.aid, noted.resources[0].name.split()[0]) == (server.aid, EMAIL)


async def test_many_guesses_at_once_are_not_more_guesses(server: Any) -> None:
    """Of thirty at the same time ten are looked at, and who was under way when the tenth was wrong."""
    async with person(server) as client:
        await sign_in(server, client)
    async with person(server) as client:
        csrf = csrf_of(await client.get("/sign-in"))
        fields = {"csrf": csrf, "email": EMAIL, "password": "wrong"}
        answers = await asyncio.gather(*(client.post("/sign-in", data=fields) for _ in range(30)))
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(403) <= ACCOUNT_REFUSALS + 1
    assert statuses.count(403) + statuses.count(429) == 30


async def test_too_many_at_once_are_sent_away(server: Any) -> None:
    """What waits for argon2 is bounded: beyond it 503, with when to try again."""
    async with person(server) as client:
        csrf = csrf_of(await client.get("/sign-in"))
        fields = [{"csrf": csrf, "email": f"{number}@x.example", "password": "x"} for number in range(40)]
        answers = await asyncio.gather(*(client.post("/sign-in", data=each) for each in fields))
    busy = [answer for answer in answers if answer.status_code == 503]
    assert len(busy) == 8
    assert busy[0].headers["Retry-After"] == "5"


async def test_wrong_tokens_and_passwords_lock_an_address(server: Any) -> None:
    """They count as wrong credentials of the API do; a hundred in a minute, and nothing is looked at."""
    for _ in range(98):
        await server.app.services.limits.count_refusal("127.0.0.1")
    async with person(server) as client:
        assert (await post_sign_in(client, token="wrong")).status_code == 403
        assert (await post_sign_in(client, email="a@b.example", password="wrong")).status_code == 403
        assert (await post_sign_in(client, token=server.token)).status_code == 429
        assert (await client.get("/v6/status", headers={"Authorization": "Bearer x"})).status_code in {
            200,
            429,
        }
    (noted,) = events(server, "Sign-in locked out")
    assert (noted.aid, noted.resources[0].name) == (None, "127.0.0.1")


@pytest.mark.parametrize(
    "path", ["/v6/account-groups", "/v6/endpoint-data/user-sessions/network", "/v7/account-groups"]
)
async def test_the_api_takes_no_cookie(server: Any, path: str) -> None:
    """A session opens pages alone: what a browser sends by itself changes nothing over the API."""
    async with person(server) as client:
        await sign_in(server, client)
        answer = await client.get(path)
        assert answer.status_code == 401
        assert "WWW-Authenticate" in answer.headers


async def test_pages_do_not_eat_the_rate_limit(limited: Any) -> None:
    """A person who looks leaves all of it to the programs, and looks on when these have used it up."""
    async with person(limited) as client, limited.client() as program:
        await sign_in(limited, client)
        for _ in range(10):
            assert (await client.get("/account")).status_code == 200
        first = await program.get("/v6/account-groups")
        assert first.headers["X-Organization-Rate-Limit-Remaining"] == "4"
        for _ in range(5):
            last = await program.get("/v6/account-groups")
        assert last.status_code == 429
        page = await client.get("/?aid=")
        assert page.status_code == 200
        assert "X-Organization-Rate-Limit-Limit" not in page.headers


async def test_sessions_that_ran_out_do_not_lock_anybody_out(server: Any) -> None:
    """Pages that are open and ask again and again are no wrong credentials."""
    async with person(server) as client:
        client.cookies.set("hopsight_session", "0" * 43)
        for _ in range(120):
            assert (await client.get("/account")).status_code == 303
    async with server.client() as program:
        assert (await program.get("/v6/account-groups")).status_code == 200


async def test_cookies_of_others_do_not_matter(server: Any) -> None:
    """Programs on other ports of the same host leave theirs, whatever they look like."""
    async with person(server) as client:
        secret = await sign_in(server, client)
        sent = f'{{"a": [1,2]}}; =; x="; hopsight_session="; hopsight_session={secret}; y=\xff'
        answer = await client.get("/account", headers={b"Cookie": sent.encode("latin-1")})
        assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/sign-in", "/", "/docs"])
async def test_pages_tell_other_sites_nothing(server: Any, path: str) -> None:
    """What is in the URL of a page goes to no other site, forms go to this one, and no cache keeps it."""
    async with person(server) as client:
        headers = (await client.get(path)).headers
    assert headers["Referrer-Policy"] == "same-origin"
    assert "form-action 'self'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"


async def test_what_is_typed_cannot_become_markup(server: Any) -> None:
    """The address comes back as text, the password not at all."""
    async with person(server) as client:
        answer = await post_sign_in(client, email='"><script>x</script>', password="geheim<1>")
    assert "<script>" not in answer.text
    assert "geheim" not in answer.text


async def test_accounts_that_do_not_answer_are_told_on_a_page(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 for a person to read, not the API's words; nobody is signed in, and nothing counts as wrong."""

    def busy(*_: object) -> None:
        raise StoreUnavailableError("The accounts database is not available")

    async with person(server) as client:
        monkeypatch.setattr(type(server.accounts.sign_ins), "begin_by_token", busy)
        answer = await post_sign_in(client, token=server.token)
    assert answer.status_code == 503
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "hopsight_session" not in client.cookies


@pytest.mark.parametrize("path", ["/", "/sign-in"])
@pytest.mark.parametrize("simulated", [False, True])
async def test_simulated_data_is_called_so_before_signing_in(
    make_server: Any, path: str, *, simulated: bool
) -> None:
    """Whoever comes to a demo's first page knows what it is; others are not told so."""
    async with person(make_server(simulated=simulated)) as client:
        assert ("Simulated data." in (await client.get(path)).text) == simulated
