"""Forms are read within bounds, and taken only from pages of ours."""

from typing import Any

import httpx
import pytest
from litestar import post
from litestar.connection import Request

from hopsight.server.api.answers import Answer
from hopsight.server.web.forms import read_form, require_csrf, see_other
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.visitor import see

pytestmark = pytest.mark.anyio


@post("/test/form")
async def take(request: Request[Any, Any, Any]) -> Answer:
    """A page of the test's own."""
    try:
        visitor = await see(request)
        form = await read_form(request)
        require_csrf(request, visitor)
    except REFUSALS as error:
        return refusal(request.scope, error)
    if form.one("then"):
        return see_other(form.one("then"))
    return Answer(f"{form.one('name')}|{form.all('label')}|{visitor.csrf}|{visitor.actor.who}".encode())


@post("/test/token")
async def tell(request: Request[Any, Any, Any]) -> Answer:
    """What a template would put into the form."""
    return Answer((await see(request)).csrf.encode())


@pytest.fixture
async def page(server: Any, client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client of a server that has the page."""
    server.app._router.register(take)
    server.app._router.register(tell)
    return client


async def test_a_form_is_read_with_its_token(page: httpx.AsyncClient) -> None:
    """Fields arrive as they were filled in, several of a name too, when the hidden field is right."""
    csrf = (await page.post("/test/token")).text
    answer = await page.post("/test/form", data={"csrf": csrf, "name": "ä+ &=", "label": ["a", "b"]})
    assert answer.text == f"ä+ &=|['a', 'b']|{csrf}|user@example.com"


@pytest.mark.parametrize("csrf", [None, "", "0" * 64, "ü"])
async def test_without_its_token_it_is_refused(page: httpx.AsyncClient, csrf: str | None) -> None:
    """403 as a page, for a token that is missing or wrong."""
    answer = await page.post("/test/form", data={"name": "x"} | ({} if csrf is None else {"csrf": csrf}))
    assert answer.status_code == 403
    assert "load the page again" in answer.text


async def test_a_token_is_one_visitors_alone(server: Any, page: httpx.AsyncClient) -> None:
    """What one visitor's page holds is refused from another."""
    csrf = (await page.post("/test/token")).text
    async with server.client(server.accounts.create_token("user@example.com")) as other:
        assert (await other.post("/test/form", data={"csrf": csrf})).status_code == 403


@pytest.mark.parametrize(
    ("content", "type_", "status"),
    [
        (b"a=" + b"x" * 70_000, "application/x-www-form-urlencoded", 413),
        (b"&".join([b"a=1"] * 1_001), "application/x-www-form-urlencoded", 400),
        (b"a=%ff", "application/x-www-form-urlencoded", 400),
        (b"a=\xff", "application/x-www-form-urlencoded", 400),
        (b"{}", "application/json", 415),
        (b"a=1", "text/plain", 415),
    ],
)
async def test_what_is_no_form_is_refused(
    page: httpx.AsyncClient, content: bytes, type_: str, status: int
) -> None:
    """Too long, too many fields, not UTF-8, not a form: each with its status."""
    answer = await page.post("/test/form", content=content, headers={"Content-Type": type_})
    assert answer.status_code == status


async def test_a_form_leads_on(page: httpx.AsyncClient) -> None:
    """303, so that loading again does not send the form again."""
    csrf = (await page.post("/test/token")).text
    answer = await page.post("/test/form", data={"csrf": csrf, "then": "/x?aid=7"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/x?aid=7")
