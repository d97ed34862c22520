"""What a person does at the door, with an HTTP client in place of a browser."""

import re
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
from lxml import html

from hopsight.accounts.passwords import hash_password

EMAIL = "user@example.com"
PASSWORD = "six words and a small fox"


def person(server: Any, **options: Any) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    """A client that shows no token, and keeps cookies."""
    opened: httpx.AsyncClient = server.client("", **options)
    return opened


def tree(page: httpx.Response) -> Any:
    """A page, to look into."""
    return html.document_fromstring(page.text)


def csrf_of(page: httpx.Response) -> str:
    """The token in the first form of a page."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert found is not None, page.text
    return found[1]


async def post_sign_in(client: httpx.AsyncClient, next_: str = "", **fields: str) -> httpx.Response:
    """Fill in the form, and send it."""
    csrf = csrf_of(await client.get("/sign-in"))
    return await client.post("/sign-in", data={"csrf": csrf, "next": next_} | fields)


async def sign_in(server: Any, client: httpx.AsyncClient, email: str = EMAIL) -> str:
    """Give the user the password if they have none, and sign in with it; the session's secret."""
    if server.accounts.sign_ins.password_of(email) is None:
        server.accounts.sign_ins.set_password(email, hash_password(PASSWORD))
    answer = await post_sign_in(client, email=email, password=PASSWORD)
    assert answer.status_code == 303, answer.text
    return str(client.cookies["hopsight_session"])
