"""The page that ``permalink`` opens."""

import random
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from lxml import html

from hopsight.model.accounts import Role
from hopsight.model.dimensions import USER_SESSIONS, Dimensions
from hopsight.model.query import Record
from hopsight.testing import sample_user_session_record

pytestmark = pytest.mark.anyio

MARKUP = "<script>alert(1)</script>"


async def stored(server: Any) -> str:
    """A session whose verdict is hostile; its ID."""
    given = sample_user_session_record(random.Random(1))
    assert given.detail.verdict is not None
    verdict = msgspec.structs.replace(given.detail.verdict, summary=MARKUP)
    detail = msgspec.structs.replace(given.detail, verdict=verdict)
    session = given.document
    record = Record(
        aid=server.aid,
        round_id=session.round_id,
        record_id=session.user_session_id,
        dimensions=Dimensions(agent_id=session.agent_id),
        loss_percent=None,
        latency_ms=None,
        jitter_ms=None,
        body=msgspec.json.encode(session),
        detail=msgspec.json.encode(detail),
    )
    await server.store.add(USER_SESSIONS, [record])
    return session.user_session_id


async def test_a_permalink_opens_its_session(server: Any, client: Any) -> None:
    """The URL that the API gives shows site, verdict and everything that is kept; markup stays text."""
    session_id = await stored(server)
    session = (await client.get("/v6/endpoint-data/user-sessions")).json()["userSessions"][0]
    answer = await client.get(session["permalink"])
    assert answer.status_code == 200, answer.text
    page = html.fromstring(answer.text)
    text = "".join(map(str, page.itertext()))
    assert page.findtext(".//h1") == session["visitedSite"]
    assert session_id in text
    assert MARKUP in text
    assert "traceroute" in text
    assert not page.xpath("//script[contains(., 'alert')]")


async def test_others_are_told_nothing(server: Any) -> None:
    """Whoever has not signed in does so first; a user of another account group is told what of any aid."""
    session_id = await stored(server)
    async with server.client("") as client:
        answer = await client.get(f"/sessions/{session_id}")
        assert answer.status_code == 303
        assert answer.headers["Location"] == f"/sign-in?next=/sessions/{quote(session_id)}"
    aid = server.accounts.create_account_group("Other", 1)
    server.accounts.create_user("other@example.com", Role.ORG_ADMIN, [aid])
    async with server.client(server.accounts.create_token("other@example.com")) as client:
        answer = await client.get(f"/sessions/{session_id}")
        assert answer.status_code == 400
        assert MARKUP not in answer.text


@pytest.mark.parametrize(
    ("name", "status"), [("x", 400), ("07625:1490529480:aaaaaaaa", 404), ("99999:1490529480:aaaaaaaa", 400)]
)
async def test_what_is_not_there_is_said_as_a_page(client: Any, name: str, status: int) -> None:
    """For people, with the status for programs."""
    answer = await client.get(f"/sessions/{name}")
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")
